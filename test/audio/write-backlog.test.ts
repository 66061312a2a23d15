import { describe, expect, it } from 'vitest';
import { BacklogBudget, CallBacklog } from '../../src/audio/write-backlog.js';

const MONO = { sampleRate: 8000, channels: 1 };
/** Frames of one slice at 8 kHz. */
const SLICE = 4096;
const SLICE_BYTES = SLICE * 2;

const block = (frames: number, value: number): Uint8Array => new Uint8Array(frames * 2).fill(value);

/** What a disk has, and the writes that it was given. */
class Paper {
  readonly bytes = new Uint8Array(SLICE_BYTES * 16);
  readonly writes: [number, number][] = [];
  full = false;

  readonly write = (frame: number, from: Uint8Array, offset: number, length: number): void => {
    if (this.full) throw new Error('full');
    this.bytes.set(from.subarray(offset, offset + length), frame * 2);
    this.writes.push([frame, length / 2]);
  };
}

function randoms(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

describe('what waits for a disk', () => {
  it('is handed over oldest first, whatever the order in which it came, and joined where it touches', () => {
    const file = new CallBacklog(new BacklogBudget(1e6)).file(MONO, () => {});
    file.put(SLICE + 10, block(10, 3), 0, 20);
    file.put(0, block(10, 1), 0, 20);
    file.put(10, block(10, 2), 0, 20);
    const paper = new Paper();
    file.drain(paper.write);
    expect(paper.writes).toEqual([
      [0, 20],
      [SLICE + 10, 10],
    ]);
    expect([paper.bytes[0], paper.bytes[20], paper.bytes[(SLICE + 10) * 2]]).toEqual([1, 2, 3]);
    expect(file.empty).toBe(true);
  });

  it('comes to the same as if every write had gone to the disk at once, for writes and failures of every kind', () => {
    for (let seed = 1; seed <= 100; seed++) {
      const random = randoms(seed);
      const budget = new BacklogBudget(1e6);
      const file = new CallBacklog(budget).file(MONO, () => {});
      const [wanted, paper] = [new Paper(), new Paper()];
      for (let n = 0; n < 60; n++) {
        const [frame, frames] = [random(SLICE * 8), 1 + random(SLICE * 2)];
        const bytes = block(frames, 1 + random(255));
        wanted.write(frame, bytes, 0, bytes.length);
        file.put(frame, bytes, 0, bytes.length);
        const seen = paper.bytes.slice();
        file.overlay(0, seen, 0, seen.length);
        expect(Buffer.compare(seen, wanted.bytes)).toBe(0);
        // A disk that takes some and then no more.
        let left = random(4);
        if (n % 7 === 0) {
          try {
            file.drain((...write) => {
              if (left-- === 0) throw new Error('full');
              paper.write(...write);
            });
          } catch {
            // The rest waits on.
          }
        }
      }
      file.drain(paper.write);
      expect(Buffer.compare(paper.bytes, wanted.bytes)).toBe(0);
      expect([file.empty, budget.usedBytes]).toEqual([true, 0]);
    }
  });

  it('stays within the memory it may take: the oldest is given up, the same stretch in every file of the call', () => {
    const budget = new BacklogBudget(SLICE_BYTES * 6);
    const call = new CallBacklog(budget);
    const lost: [string, number, number][] = [];
    const leg = call.file(MONO, (from, to) => lost.push(['leg', from, to]));
    const both = call.file({ sampleRate: 8000, channels: 2 }, (from, to) => lost.push(['both', from, to]));
    for (let at = 0; at < SLICE * 4; at += 128) {
      leg.put(at, block(128, 1), 0, 256);
      both.put(at, block(256, 1), 0, 512);
      expect(budget.usedBytes).toBeLessThanOrEqual(budget.limitBytes);
    }
    expect(lost).toEqual([
      ['leg', 0, SLICE],
      ['both', 0, SLICE],
      ['leg', SLICE, 2 * SLICE],
      ['both', SLICE, 2 * SLICE],
    ]);
    const paper = new Paper();
    leg.drain(paper.write);
    expect(paper.writes).toEqual([
      [2 * SLICE, SLICE],
      [3 * SLICE, SLICE],
    ]);
  });

  it('is shared fairly: a call that holds much gives way to one that holds little', () => {
    const budget = new BacklogBudget(SLICE_BYTES * 8);
    const lost = { long: 0, short: 0 };
    const long = new CallBacklog(budget).file(MONO, (from, to) => {
      lost.long += to - from;
    });
    const shortCall = new CallBacklog(budget);
    const short = shortCall.file(MONO, (from, to) => {
      lost.short += to - from;
    });
    const bytes = block(SLICE, 1);
    for (let n = 0; n < 8; n++) long.put(n * SLICE, bytes, 0, bytes.length);
    for (let n = 0; n < 4; n++) short.put(n * SLICE, bytes, 0, bytes.length);
    expect(lost).toEqual({ long: 4 * SLICE, short: 0 });
    expect(shortCall.bytes).toBe(4 * SLICE_BYTES);
    short.put(4 * SLICE, bytes, 0, bytes.length);
    expect(lost.long + lost.short).toBe(5 * SLICE);
  });

  it('is given up at once, and said so, where there is no memory for it at all', () => {
    const lost: [number, number][] = [];
    const file = new CallBacklog(new BacklogBudget(100)).file(MONO, (from, to) => lost.push([from, to]));
    file.put(SLICE - 10, block(20, 1), 0, 40);
    expect(lost).toEqual([
      [SLICE - 10, SLICE],
      [SLICE, SLICE + 10],
    ]);
    expect(file.empty).toBe(true);
  });

  it('ends where its file is cut', () => {
    const budget = new BacklogBudget(1e6);
    const file = new CallBacklog(budget).file(MONO, () => {});
    file.put(0, block(SLICE * 3, 1), 0, SLICE * 6);
    file.cut(SLICE + 5);
    const paper = new Paper();
    file.drain(paper.write);
    expect(paper.writes).toEqual([
      [0, SLICE],
      [SLICE, 5],
    ]);
    expect(budget.usedBytes).toBe(0);
  });
});
