import { describe, expect, it } from 'vitest';
import { decodeG711 } from '../../src/audio/g711.js';
import { SequenceTracker } from '../../src/rtp/sequence.js';
import { noise } from './rtp-sender.js';
import { generator, TICK, TimelineBench } from './timeline-bench.js';

describe('the leg timeline', () => {
  it('has no wrong sample after loss, duplicates, reordering and wraps, whatever the packet sizes', () => {
    for (let seed = 1; seed <= 24; seed++) {
      const random = generator(seed);
      const bench = new TimelineBench();
      const sequences = new SequenceTracker();
      const speech = noise(160_000, seed);
      const wanted = decodeG711('PCMU', speech);
      const startTimestamp = 0xffff_ffff - random(200_000);
      const packets: { at: number; sequence: number; size: number; due: number }[] = [];
      const size = seed % 3 === 0 ? 0 : [80, 160, 240, 480, 13][seed % 5];
      for (let at = 0, sequence = random(65_536); at < speech.length; sequence++) {
        const length = Math.min(size || 80 + random(400), speech.length - at);
        const due = at + length + (random(10) === 0 ? random(800) : 0);
        // The first packet must not be lost nor late: it is what places the others.
        const lost = at > 0 && random(50) === 0;
        if (lost) wanted.fill(0, at, at + length);
        else packets.push({ at, sequence, size: length, due: at === 0 ? 0 : due });
        if (!lost && random(50) === 0) packets.push({ at, sequence, size: length, due: due + random(4000) });
        at += length;
      }
      packets.sort((a, b) => a.due - b.due);
      const end = Math.max(...packets.map(({ at, size: length }) => at + length));
      let next = 0;
      for (let now = TICK; next < packets.length; now += TICK) {
        for (let p = packets[next]; p && p.due <= now; p = packets[++next]) {
          const order = sequences.accept(p.sequence & 0xffff);
          if (order === 'duplicate') continue;
          bench.send(startTimestamp + p.at, speech.subarray(p.at, p.at + p.size), order === 'newest');
        }
        bench.tick();
      }
      const start = bench.timeline.firstStart;
      bench.timeline.commitTo(start + end);
      let wrong = 0;
      for (let i = 0; i < end; i++) if (bench.file[start + i] !== wanted[i]) wrong++;
      expect({ seed, wrong, start }).toEqual({ seed, wrong: 0, start });
      expect(start).toBeLessThanOrEqual(TICK);
    }
  });

  it('puts the first packets so that the newest of them ends now', () => {
    const bench = new TimelineBench();
    for (let i = 0; i < 4; i++) bench.tick();
    for (const at of [0, 160, 320]) bench.send(5000 + at, noise(160, 9));
    expect(bench.timeline.waitingMs).toBe(60);
    bench.tick();
    expect(bench.timeline.firstStart).toBe(5 * TICK - 480);
    expect(bench.timeline.newestEnd).toBe(5 * TICK);
  });

  it('writes packets that come 1, 3 and 9 s late into their places', () => {
    for (const seconds of [1, 3, 9]) {
      const bench = new TimelineBench();
      const speech = noise(80_000, 3);
      const lost = speech.length - seconds * 8000;
      for (let at = 0; at < speech.length; at += 160) {
        if (at !== lost) bench.send(at, speech.subarray(at, at + 160));
        if (at % 800 === 640) bench.tick();
      }
      const start = bench.timeline.firstStart;
      expect(bench.silent(start + lost, start + lost + 160)).toBe(true);
      expect(bench.send(lost, speech.subarray(lost, lost + 160), false)).toBe('placed');
      bench.timeline.commitTo(start + speech.length);
      expect({ seconds, wrong: bench.wrong(speech, start) }).toEqual({ seconds, wrong: 0 });
    }
  });

  it('calls a packet late after 10 s, and is not led astray by it', () => {
    const bench = new TimelineBench();
    const [before, after] = [noise(88_000, 4), noise(8000, 6)];
    const next = bench.talk(0, before);
    expect(bench.send(160, noise(160, 5), false)).toBe('late');
    expect(bench.send(next + 800_000, noise(160, 5), false)).toBe('late');
    bench.talk(next, after);
    bench.timeline.commitTo(96_000);
    expect([bench.wrong(before, 0), bench.wrong(after, 88_000)]).toEqual([0, 0]);
  });

  it('keeps silence suppression in its time when the sender lets its clock run', () => {
    const bench = new TimelineBench();
    const [before, after] = [noise(8000, 6), noise(8000, 7)];
    bench.talk(1000, before);
    for (let i = 0; i < 50; i++) bench.tick();
    bench.talk(1000 + 8000 + 40_000, after);
    bench.timeline.commitTo(56_000);
    expect(bench.wrong(before, 0)).toBe(0);
    expect(bench.silent(8000, 48_000)).toBe(true);
    expect(bench.wrong(after, 48_000)).toBe(0);
  });

  it('moves a stream that stood still, clock and all, to the time at which it goes on', () => {
    const bench = new TimelineBench();
    const [before, after] = [noise(8000, 6), noise(8000, 7)];
    const next = bench.talk(1000, before);
    for (let i = 0; i < 50; i++) bench.tick();
    bench.talk(next, after);
    bench.timeline.commitTo(56_000);
    expect(bench.wrong(before, 0)).toBe(0);
    expect(bench.silent(8000, 48_000)).toBe(true);
    expect(bench.wrong(after, 48_000)).toBe(0);
  });

  it('takes the burst of a sender that was stalled for what it is, not for a pause', () => {
    const bench = new TimelineBench();
    const speech = noise(48_000, 8);
    bench.talk(0, speech.subarray(0, 8000));
    for (let i = 0; i < 30; i++) bench.tick();
    // The backlog of 3 s comes within two ticks, in the pieces that the sockets hand over.
    bench.talk(8000, speech.subarray(8000, 8160));
    for (let at = 8160; at < 20_000; at += 160) bench.send(at, speech.subarray(at, at + 160));
    bench.tick();
    for (let at = 20_000; at < 33_600; at += 160) bench.send(at, speech.subarray(at, at + 160));
    bench.tick();
    bench.talk(33_600, speech.subarray(33_600));
    bench.timeline.commitTo(48_000);
    expect(bench.wrong(speech, 0)).toBe(0);
  });

  it('does not take a stall of its own thread for silence', () => {
    const bench = new TimelineBench();
    const speech = noise(48_000, 8);
    bench.talk(0, speech.subarray(0, 8000));
    bench.wall += 32_000 - TICK;
    for (let at = 8000; at < 40_000; at += 160) bench.send(at, speech.subarray(at, at + 160));
    bench.tick();
    bench.talk(40_000, speech.subarray(40_000));
    bench.timeline.commitTo(48_000);
    expect(bench.wrong(speech, 0)).toBe(0);
  });

  it('follows a new source without a seam, and after a pause at its time', () => {
    const bench = new TimelineBench();
    const [a, b, c] = [noise(8000, 10), noise(8000, 11), noise(8000, 12)];
    bench.talk(777, a);
    bench.timeline.newSource();
    bench.talk(0xffff_ff00, b);
    for (let i = 0; i < 20; i++) bench.tick();
    bench.timeline.newSource();
    bench.talk(5, c);
    bench.timeline.commitTo(40_000);
    expect([bench.wrong(a, 0), bench.wrong(b, 8000), bench.wrong(c, 32_000)]).toEqual([0, 0, 0]);
    expect(bench.silent(16_000, 32_000)).toBe(true);
  });

  it('keeps two sources apart that both come before the first anchor', () => {
    const bench = new TimelineBench();
    const [a, b] = [noise(320, 10), noise(480, 11)];
    for (let at = 0; at < 320; at += 160) bench.send(9000 + at, a.subarray(at, at + 160));
    bench.timeline.newSource();
    for (let at = 0; at < 480; at += 160) bench.send(at, b.subarray(at, at + 160));
    bench.tick();
    bench.timeline.commitTo(800);
    expect([bench.wrong(a, 0), bench.wrong(b, 320)]).toEqual([0, 0]);
  });

  it('anchors anew after a wild jump of the timestamp in either direction', () => {
    for (const jump of [1_000_000_000, -1_000_000_000, 100_000, -40_000]) {
      const bench = new TimelineBench();
      const [a, b] = [noise(8000, 13), noise(8000, 14)];
      const next = bench.talk(50_000, a);
      bench.talk(next + jump, b);
      bench.timeline.commitTo(16_000);
      expect({ jump, wrong: [bench.wrong(a, 0), bench.wrong(b, 8000)] }).toEqual({ jump, wrong: [0, 0] });
    }
  });

  it('moves a leg that nobody sends on along with the wall clock, a little behind it', () => {
    const bench = new TimelineBench();
    for (let i = 0; i < 100; i++) bench.tick();
    expect(bench.committed).toBe(100 * TICK - 4000);
    for (let i = 0; i < 3; i++) bench.tick(false);
    expect(bench.committed).toBe(103 * TICK - 4000);
  });

  it('survives any timestamps at all: 100,000 random packets with a small ring', () => {
    const random = generator(99);
    const bench = new TimelineBench(4096);
    const payload = noise(480, 1);
    for (let i = 0; i < 100_000; i++) {
      const timestamp = random(3) === 0 ? random(2 ** 24) * 256 : i * 160 + random(1000);
      if (random(500) === 0) bench.timeline.newSource();
      bench.send(timestamp, payload.subarray(0, random(480)));
      if (i % 100 === 0) bench.tick();
      if (bench.committed > bench.file.length - 200_000) break;
    }
    expect(bench.committed).toBe(bench.timeline.committed);
    expect(bench.committed).toBeGreaterThan(8000);
  });
});
