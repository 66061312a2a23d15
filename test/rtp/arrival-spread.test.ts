import { describe, expect, it } from 'vitest';
import { ArrivalSpread } from '../../src/rtp/arrival-spread.js';
import { seeded } from '../helpers/mutation.js';

interface Stream {
  readonly packets?: number;
  readonly packetMs?: number;
  readonly rate?: number;
  /** Delay of one packet, in ms, on top of the least one. */
  readonly delay: (random: () => number) => number;
  /** Of the sender's clock, as a part of it. */
  readonly skew?: number;
  /** Ms at which our own thread stands still for three seconds. */
  readonly stallAt?: number;
}

/** Sends a stream through ticks of 100 ms that are a little irregular, as those of a real loop are. */
function measured({ packets = 6000, packetMs = 20, rate = 8000, delay, skew = 0, stallAt = -1 }: Stream, seed = 1) {
  const random = seeded(seed);
  const spread = new ArrivalSpread();
  spread.restart(rate);
  const base = Math.floor(random() * 2 ** 32);
  const arrivals = Array.from({ length: packets }, (_, n) => ({
    at: 37 + n * packetMs * (1 + skew) + delay(random),
    timestamp: (base + (n * packetMs * rate) / 1000) >>> 0,
  })).sort((a, b) => a.at - b.at);
  let from = 0;
  let next = 0;
  while (next < arrivals.length) {
    const stalled = stallAt >= from && stallAt < from + 100;
    const to = from + (stalled ? 3000 : 97 + random() * 6);
    for (let arrival = arrivals[next]; arrival && arrival.at <= to; arrival = arrivals[++next]) {
      spread.note(arrival.timestamp);
    }
    spread.tick(from, to);
    from = to;
  }
  return spread;
}

const normal = (random: () => number): number =>
  Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());

describe('the spread of delay', () => {
  it.each([1, 2, 3, 4, 5])('of a stream without any is next to nothing (%i)', (seed) => {
    const spread = measured({ delay: () => 0 }, seed);
    expect(spread.ms).toBeLessThan(2);
    expect(spread.recentMs).toBeLessThan(4);
  });

  it.each([10, 20, 40, 80, 160])('of %i ms is found to a fifth, although arrival is known to 100 ms only', (sigma) => {
    for (const seed of [11, 12, 13]) {
      const found = measured({ delay: (random) => 4 * sigma + sigma * normal(random) }, seed).ms ?? 0;
      expect(found, `seed ${seed}`).toBeGreaterThan(sigma * 0.8);
      expect(found, `seed ${seed}`).toBeLessThan(sigma * 1.2);
    }
  });

  it.each([
    ['an exponential one', { delay: (random: () => number) => -30 * Math.log(1 - random()) }, 30],
    ['packets of 60 ms', { packetMs: 60, delay: (random: () => number) => 200 + 30 * normal(random) }, 30],
    ['a clock of 48 kHz', { rate: 48_000, delay: (random: () => number) => 200 + 30 * normal(random) }, 30],
    ['a sender 200 ppm fast', { skew: -2e-4, delay: (random: () => number) => 200 + 30 * normal(random) }, 30],
    ['a stall of our own', { stallAt: 30_000, delay: (random: () => number) => 200 + 30 * normal(random) }, 30],
  ])('is found with %s', (_, stream, sigma) => {
    const found = measured(stream).ms ?? 0;
    expect(found).toBeGreaterThan(sigma * 0.75);
    expect(found).toBeLessThan(sigma * 1.25);
  });

  it('is not what a stall of our own or a wrong clock of the sender looks like', () => {
    expect(measured({ delay: () => 0, stallAt: 30_000 }).ms).toBeLessThan(2);
    expect(measured({ delay: () => 0, skew: 2e-4, packets: 30_000 }).ms).toBeLessThan(2);
    expect(measured({ delay: () => 0, skew: -2e-4, packets: 30_000 }).ms).toBeLessThan(2);
  });

  it('is not told of a few packets, and begins anew with another source or clock', () => {
    expect(measured({ delay: () => 0, packets: 150 }).ms).toBeUndefined();
    const spread = measured({ delay: () => 0 });
    const before = spread.ms;
    spread.note(12_345);
    spread.tick(1e6, 1e6 + 100);
    spread.restart(16_000);
    spread.note(99);
    spread.tick(1e6 + 100, 1e6 + 200);
    expect(spread.ms).toBe(before);
  });
});
