import { describe, expect, it } from 'vitest';
import { decodePcmu } from '../../src/audio/g711.js';
import { LegTimeline } from '../../src/rtp/leg-timeline.js';
import { Payload } from '../../src/rtp/payload.js';
import { noise } from './rtp-sender.js';

/** Samples of which every place is like no other. */
function sound(length: number, seed: number): Int16Array {
  return new Int16Array(noise(length * 2, seed).buffer);
}

/** A leg of any rate with a wall clock moved by hand, ticked every 100 ms. */
class RateBench {
  wallMs = 0;
  readonly file: Int16Array;
  readonly timeline: LegTimeline;
  readonly payload = new Payload();
  committed = 0;

  constructor(rate: number, seconds = 30) {
    this.file = new Int16Array(rate * seconds);
    this.timeline = new LegTimeline(
      {
        committed: (from, to) => {
          this.committed = to;
          this.timeline.ring.copyInto(this.file, from, to, from);
          this.timeline.kept = to;
        },
        changed: (from, to) => this.timeline.ring.copyInto(this.file, from, to, from),
        past: (from, payload, first, length) => payload.copyInto(this.file, first, first + length, from),
        makeRoom: (before) => {
          throw new Error(`no room before ${before}`);
        },
        wallMs: () => this.wallMs,
      },
      rate,
    );
  }

  tick(): void {
    this.wallMs += 100;
    this.timeline.settle(this.wallMs);
    this.timeline.tick(this.wallMs, true);
  }

  /** Sends samples in 20 ms packets, five a tick, but for those that `lost` names. Returns the next timestamp. */
  talk(
    samples: Int16Array,
    timestamp: number,
    clockRate: number,
    lost: (index: number) => boolean = () => false,
  ): number {
    const { rate } = this.timeline;
    const size = rate / 50;
    for (let i = 0; i * size < samples.length; i++) {
      const at = (timestamp + (i * clockRate) / 50) >>> 0;
      if (!lost(i)) this.timeline.packet(at, this.payload.decoded(samples, i * size, size, clockRate));
      if (i % 5 === 4) this.tick();
    }
    return (timestamp + (samples.length * clockRate) / rate) >>> 0;
  }
}

describe('a leg of any rate', () => {
  for (const [codec, rate, clock] of [
    ['G.722', 16_000, 8000],
    ['Opus', 16_000, 48_000],
    ['Opus', 48_000, 48_000],
    ['L16', 32_000, 32_000],
  ] as const) {
    it(`puts ${codec} of ${clock} Hz on ${rate} samples a second, with loss as silence and a wrap of the timestamp`, () => {
      const bench = new RateBench(rate);
      const said = sound(rate * 10, 5);
      bench.talk(said, 0xffff_ff00, clock, (i) => i % 17 === 3);
      bench.timeline.commitTo(said.length);
      const size = rate / 50;
      for (let i = 3; i * size < said.length; i += 17) said.fill(0, i * size, (i + 1) * size);
      expect(bench.file.subarray(0, said.length)).toEqual(said);
      expect(bench.timeline.msAt(bench.timeline.newestEnd)).toBe(10_000);
    });
  }

  it('takes a payload type on another clock for a new beginning, and goes on without a seam', () => {
    const bench = new RateBench(16_000);
    const [before, after, last] = [sound(32_000, 1), sound(32_000, 2), sound(32_000, 3)];
    bench.talk(before, 90_000, 8000);
    const next = bench.talk(after, 1_000_000, 48_000);
    bench.talk(last, next, 48_000);
    bench.timeline.commitTo(96_000);
    const said = Int16Array.of(...before, ...after, ...last);
    expect(bench.file.subarray(0, said.length)).toEqual(said);
  });

  it('keeps packets that are 1, 3 and 9 s late at 16 kHz', () => {
    for (const seconds of [1, 3, 9]) {
      const bench = new RateBench(16_000);
      const said = sound(160_000, 4);
      const lost = 500 - seconds * 50;
      bench.talk(said, 0, 48_000, (i) => i === lost);
      const late = bench.payload.decoded(said, lost * 320, 320, 48_000);
      expect(bench.timeline.packet(lost * 960, late, false)).toBe('placed');
      bench.timeline.commitTo(said.length);
      expect(bench.file.subarray(0, said.length)).toEqual(said);
    }
  });

  it('chooses its rate anew while it is silent, and keeps its places', () => {
    const bench = new RateBench(16_000);
    const leg = new LegTimeline(
      {
        committed: () => {},
        changed: () => {},
        past: () => {},
        makeRoom: () => {},
        wallMs: () => bench.wallMs,
      },
      8000,
      1234.125,
    );
    for (let i = 1; i <= 50; i++) leg.tick(1234.125 + i * 100, true);
    const committed = leg.msAt(leg.committed);
    expect(committed).toBeGreaterThan(5000);
    leg.rerate(48_000);
    expect(leg.msAt(leg.committed)).toBe(committed);
    leg.rerate(16_000);
    expect([leg.rate, leg.msAt(leg.committed), leg.msAt(leg.head)]).toEqual([16_000, committed, committed]);
    expect(leg.ring.capacity).toBe(24_576);
    leg.packet(0, new Payload().coded(decodePcmu, noise(160, 1), 0, 160));
    expect(leg.untouched).toBe(false);
    expect(() => leg.rerate(8000)).toThrow(RangeError);
    expect(() => new LegTimeline({} as never, 11_025)).toThrow(RangeError);
  });
});
