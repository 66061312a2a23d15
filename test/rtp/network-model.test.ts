import { describe, expect, it } from 'vitest';
import { playCall, TICK_MS } from './modelled-call.js';
import { Dice, LegModel, type NetworkOptions, PER_MS } from './network-model.js';

const OPENED = 10_000;
/** A thread that stalls before it has heard both legs cannot know when they began. */
const SETTLED = OPENED + 900;

type Segment = (model: LegModel, dice: Dice) => void;

/** What may happen to a stream. Those of the second list need ticks that come on time. */
const ANY_TIME: readonly Segment[] = [
  (model, dice) => model.talk(dice.between(500, 2500)),
  (model, dice) => model.talk(dice.between(500, 2500)),
  (model, dice) => model.outage(dice.between(40, 3000)),
  (model, dice) => model.burst(dice.between(200, 3000)),
  (model, dice) => model.suppress(dice.between(40, 4000)),
  (model) => {
    model.law = 'PCMA';
    model.talk(600);
    model.law = 'PCMU';
  },
  (model, dice) => {
    model.ptime = dice.pick([10, 20, 30, 40, 60]);
  },
];
const ON_TIME: readonly Segment[] = [
  (model, dice) => model.newSource(dice.pick([0, 0, 300, 1500])),
  (model) => model.jump(),
  (model, dice) => {
    model.freeze(dice.between(1600, 3500));
    // It takes some ticks to see which clock it is on.
    model.clean(700);
  },
  (model, dice) => model.hold(dice.between(300, 2500)),
  (model, dice) => model.pause(dice.between(300, 2500)),
];

function scenario(seed: number, lengthMs: number): { models: LegModel[]; endedAt: number; stalls: boolean } {
  const dice = new Dice(seed);
  const stalls = dice.chance(25);
  const models = [1, 2].map((leg) => {
    const network: NetworkOptions = {
      lossPercent: dice.pick([0, 1, 5, 20]),
      duplicatePercent: dice.pick([0, 2, 10]),
      reorderPercent: dice.pick([0, 3, 10]),
      jitterMs: dice.pick([0, 2, 10, 30]),
      skewPpm: dice.pick([0, 0, 50, -50, 200, -200]),
    };
    const model = new LegModel(leg, seed, OPENED + dice.below(300), network);
    model.ptime = dice.pick([10, 20, 20, 20, 30, 40, 60]);
    model.clean(400);
    while (model.now < OPENED + lengthMs) {
      dice.pick(stalls ? ANY_TIME : [...ANY_TIME, ...ON_TIME])(model, dice);
      model.clean(dice.between(600, 900));
    }
    return model;
  });
  return { models, endedAt: Math.max(...models.map(({ now }) => now)) + dice.pick([0, 50, 150, 800]), stalls };
}

/** Plays a scenario and compares every sample of every file, and every gap, with the rules. */
function check(seed: number, lengthMs: number): number {
  const { models, endedAt, stalls } = scenario(seed, lengthMs);
  const dice = new Dice(seed + 1_000_000);
  // A stall in each of two talk spurts would hide how late the packets of the leg are: then it is anchored anew, which is another rule.
  let quietUntil = SETTLED;
  const tickAt = (last: number): number => {
    const stall = stalls && last > quietUntil && dice.chance(3) ? dice.between(300, 3000) : 0;
    if (stall > 0) quietUntil = last + stall + 6000;
    return last + TICK_MS + dice.below(3) + stall;
  };
  const { result, rules, length, legs, stereo } = playCall(models, OPENED, endedAt, tickAt);
  expect({ seed, samples: result.durationMs * PER_MS }).toEqual({ seed, samples: length });
  let compared = 0;
  for (const [i, model] of models.entries()) {
    const wanted = rules.legs.get(model.leg)?.samples(length) ?? new Int16Array();
    const got = legs[i] ?? new Int16Array();
    const wrong = firstDifference(got, wanted);
    expect({ seed, leg: model.leg, wrong, length: got.length }).toEqual({ seed, leg: model.leg, wrong: -1, length });
    const gaps = rules.legs.get(model.leg)?.gaps(length, model.packets);
    expect({ seed, leg: model.leg, gaps: result.legs[i]?.gaps }).toEqual({ seed, leg: model.leg, gaps });
    for (let at = 0; at < length; at++) {
      if (stereo[at * 2 + i] !== got[at]) throw new Error(`seed ${seed}: call.wav differs from leg ${i + 1} at ${at}`);
    }
    compared += length;
  }
  return compared;
}

function firstDifference(got: Int16Array, wanted: Int16Array): number {
  if (Buffer.compare(bytesOf(got), bytesOf(wanted)) === 0) return -1;
  for (let at = 0; at < Math.max(got.length, wanted.length); at++) if (got[at] !== wanted[at]) return at;
  return -1;
}

function bytesOf(samples: Int16Array): Buffer {
  return Buffer.from(samples.buffer, samples.byteOffset, samples.byteLength);
}

describe('a thousand calls over a network that loses, doubles, reorders, delays and drifts', () => {
  const from = Number(process.env.NETWORK_SEED ?? 1);
  for (let block = 0; block < 10; block++) {
    it(`are in their files sample for sample as the rules say, with their gaps: ${block * 100 + 1} to ${block * 100 + 100}`, () => {
      let compared = 0;
      for (let i = 0; i < 100; i++) compared += check(from + block * 100 + i, 4000 + (i % 5) * 1500);
      expect(compared).toBeGreaterThan(100 * 2 * 4000 * PER_MS);
    }, 120_000);
  }
});
