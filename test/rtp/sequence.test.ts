import { describe, expect, it } from 'vitest';
import { SequenceTracker, sequenceDistance, timestampDistance } from '../../src/rtp/sequence.js';

describe('sequence numbers', () => {
  it('are compared the shorter way round', () => {
    expect(sequenceDistance(65_535, 0)).toBe(1);
    expect(sequenceDistance(0, 65_535)).toBe(-1);
    expect(sequenceDistance(10, 32_777)).toBe(32_767);
    expect(timestampDistance(0xffffff60, 0)).toBe(160);
    expect(timestampDistance(0, 0xffffff60)).toBe(-160);
  });
});

describe('the sequence tracker', () => {
  it('counts nothing for an even stream over several wraps', () => {
    const tracker = new SequenceTracker();
    let refused = 0;
    for (let i = 0; i < 200_000; i++) if (tracker.accept((65_000 + i) & 0xffff) !== 'newest') refused++;
    expect(refused).toBe(0);
    expect(tracker.finish()).toBe(0);
  });

  it('agrees with a plain set of numbers under reordering, loss, duplicates and wraps', () => {
    let state = 4711;
    const random = (n: number): number => {
      state = (state * 1_103_515_245 + 12_345) & 0x7fffffff;
      return (state >> 8) % n;
    };
    for (let round = 0; round < 20; round++) {
      const start = random(65_536);
      const order: number[] = [];
      for (let i = 0; i < 5000; i++) {
        if (random(50) === 0) continue;
        order.push(i);
        if (random(50) === 0) order.push(i);
      }
      for (let i = 0; i + 7 < order.length; i += 1 + random(9)) {
        const [moved] = order.splice(i, 1);
        order.splice(i + random(7), 0, moved ?? 0);
      }
      const tracker = new SequenceTracker();
      const seen = new Set<number>();
      for (const i of order) {
        const duplicate = tracker.accept((start + i) & 0xffff) === 'duplicate';
        if (duplicate !== seen.has(i)) throw new Error(`round ${round}, number ${i}`);
        seen.add(i);
      }
      const numbers = [...seen];
      expect(tracker.finish()).toBe(Math.max(...numbers) - Math.min(...numbers) + 1 - seen.size);
    }
  });

  it('gives a packet up after 64 newer ones, and takes that back when it comes after all', () => {
    const tracker = new SequenceTracker();
    for (let i = 0; i < 10; i++) tracker.accept(i);
    for (let i = 11; i < 80; i++) tracker.accept(i);
    expect(tracker.lost).toBe(1);
    expect(tracker.accept(10)).toBe('older');
    expect(tracker.accept(10)).toBe('duplicate');
    expect(tracker.finish()).toBe(0);
  });

  it('takes a great step for a new numbering, not for a loss', () => {
    const tracker = new SequenceTracker();
    tracker.accept(1);
    tracker.accept(3);
    tracker.accept(40_000);
    tracker.accept(40_001);
    expect(tracker.finish()).toBe(1);
  });
});
