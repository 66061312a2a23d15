import { describe, expect, it } from 'vitest';
import { decodePcmu } from '../../src/audio/g711.js';
import { LegTimeline } from '../../src/rtp/leg-timeline.js';
import { Payload } from '../../src/rtp/payload.js';
import { Dice } from './network-model.js';

const TICK_MS = 103;
const PACKET = 160;
/** µ-law: silence, and a pulse that nothing else is as loud as. */
const QUIET = 0xff;
const PULSE = 0x00;

/** A sender whose clock is wrong, and the leg that records it. It says a pulse at every full minute of true time. */
class SkewedLeg {
  readonly timeline: LegTimeline;
  /** Where the pulses stand in the file, in ms. */
  readonly pulses: number[] = [];
  #sent = 0;
  #minute = 1;
  #lastArrival = 0;
  readonly #pace: number;
  readonly #dice: Dice;
  readonly #jitterMs: number;
  readonly #payload = new Payload();
  readonly #bytes = new Uint8Array(PACKET);

  constructor(skewPpm: number, jitterMs: number, wallMs: () => number) {
    this.#pace = 1 + skewPpm / 1e6;
    this.#dice = new Dice(Math.abs(skewPpm) + jitterMs);
    this.#jitterMs = jitterMs;
    this.timeline = new LegTimeline({
      committed: (from, to) => {
        const { ring } = this.timeline;
        ring.eachPiece(from, to, (slot, length, position) => {
          for (let i = 0; i < length; i++) {
            const loud = Math.abs(ring.samples[slot + i] ?? 0) > 20_000;
            const at = this.timeline.msAt(position + i);
            // A sample that is said twice is one pulse.
            if (loud && at - (this.pulses.at(-1) ?? -1) > 1) this.pulses.push(at);
          }
        });
        this.timeline.kept = to;
      },
      changed: () => {},
      past: () => {},
      makeRoom: () => {},
      wallMs,
    });
  }

  /** Hands over what has arrived by now. */
  drain(now: number): void {
    for (;;) {
      const startMs = (this.#sent * PACKET) / 8 / this.#pace;
      const endMs = ((this.#sent + 1) * PACKET) / 8 / this.#pace;
      const arrival = Math.max(this.#lastArrival, endMs + this.#dice.below(this.#jitterMs + 1));
      if (arrival > now) return;
      this.#lastArrival = arrival;
      this.#bytes.fill(QUIET);
      const pulseMs = this.#minute * 60_000;
      if (pulseMs >= startMs && pulseMs < endMs) {
        this.#bytes[Math.floor((pulseMs - startMs) * 8 * this.#pace)] = PULSE;
        this.#minute++;
      }
      const timestamp = (0xfff0_0000 + this.#sent * PACKET) >>> 0;
      this.timeline.packet(timestamp, this.#payload.coded(decodePcmu, this.#bytes, 0, PACKET));
      this.#sent++;
    }
  }

  tick(now: number): void {
    this.timeline.settle(now);
    this.timeline.tick(now, true);
  }
}

/** Plays two hours. Jitter and stalls of either side are part of them. */
function twoHours(ppm: number, jitterMs: number): { legs: SkewedLeg[]; now: number } {
  let now = 0;
  const legs = [new SkewedLeg(ppm, jitterMs, () => now), new SkewedLeg(-ppm, jitterMs, () => now)];
  const dice = new Dice(ppm + jitterMs);
  while (now < 2 * 3_600_000 + 1000) {
    now += TICK_MS + dice.below(3) + (dice.below(2000) === 0 ? 2500 : 0);
    for (const leg of legs) {
      leg.drain(now);
      leg.tick(now);
    }
  }
  return { legs, now };
}

describe('a call of two hours', () => {
  for (const [ppm, jitterMs] of [
    [200, 2],
    [50, 5],
  ] as const) {
    it(`keeps both channels together when their clocks run ${ppm} ppm fast and slow`, () => {
      const { legs, now } = twoHours(ppm, jitterMs);
      const [fast, slow] = legs.map(({ pulses }) => pulses) as [number[], number[]];
      expect([fast.length, slow.length]).toEqual([120, 120]);
      for (let minute = 0; minute < 120; minute++) {
        const [one = 0, other = 0] = [fast[minute], slow[minute]];
        const due = (minute + 1) * 60_000;
        const off = { minute, apart: one - other, fast: one - due, slow: other - due };
        expect(Math.abs(off.apart), JSON.stringify(off)).toBeLessThanOrEqual(20);
        expect(Math.abs(off.fast), JSON.stringify(off)).toBeLessThanOrEqual(20 + jitterMs + 20);
      }
      for (const [i, { timeline }] of legs.entries()) {
        expect(Math.abs(timeline.msAt(timeline.newestEnd) - now)).toBeLessThanOrEqual(20 + 20 + jitterMs);
        expect(Math.abs((timeline.skew.ppm ?? 0) - (i === 0 ? ppm : -ppm))).toBeLessThan(10);
        expect(timeline.skew.slipped).toBeGreaterThan(ppm * 7.2 * 8 * 0.9);
      }
    }, 120_000);
  }

  it('is bit-exact when the clocks are right, whatever jitter and stalls there are', () => {
    const { legs } = twoHours(0, 30);
    for (const { timeline } of legs) expect(timeline.skew.slipped).toBe(0);
  }, 120_000);
});
