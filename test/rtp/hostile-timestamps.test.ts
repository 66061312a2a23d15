import { describe, expect, it } from 'vitest';
import { noise } from './rtp-sender.js';
import { generator, TICK, TimelineBench } from './timeline-bench.js';

const PAYLOAD = noise(160, 1);
const LONG_PAYLOAD = noise(64_000, 3);
/** A leg is never further ahead of the wall clock than 5 s and a sixteenth of the call. */
const limit = (wall: number): number => wall + wall / 16 + 40_000;

/** Runs 60 s of the wall clock with what `flood` sends in each tick, and then a second of speech. Returns how far it got. */
function attack(flood: (bench: TimelineBench, tick: number) => void): { furthest: number; bench: TimelineBench } {
  const bench = new TimelineBench();
  let furthest = 0;
  for (let tick = 0; tick < 600; tick++) {
    flood(bench, tick);
    furthest = Math.max(furthest, bench.timeline.head, bench.timeline.newestEnd, bench.committed);
    bench.tick();
    furthest = Math.max(furthest, bench.timeline.head, bench.timeline.newestEnd, bench.committed);
  }
  return { furthest, bench };
}

describe('a leg under hostile timestamps stays near the wall clock', () => {
  const random = generator(7);
  const floods: Record<string, (bench: TimelineBench, tick: number) => void> = {
    'packets that each jump ahead by just under 2 s': (bench, tick) => {
      for (let i = 0; i < 5; i++) bench.send((tick * 5 + i) * 15_999, PAYLOAD);
    },
    'ten times the packets of a real stream': (bench, tick) => {
      for (let i = 0; i < 50; i++) bench.send((tick * 50 + i) * 160, PAYLOAD);
    },
    'timestamps that alternate by 2^31': (bench, tick) => {
      for (let i = 0; i < 100; i++) bench.send(tick * 800 + (i % 2) * 2 ** 31, PAYLOAD);
    },
    'pieces that lie 10 s apart': (bench, tick) => {
      bench.send(tick * 800, PAYLOAD);
      for (let i = 1; i < 170; i++)
        for (const at of [0, -40_000, 40_000]) bench.send(tick * 800 + i * 1_000_000 + at, PAYLOAD);
    },
    'a new source with each packet': (bench) => {
      for (let i = 0; i < 500; i++) {
        bench.timeline.newSource();
        bench.send(random(2 ** 24) * 256, PAYLOAD);
      }
    },
    'payloads of 8 s each': (bench, tick) => {
      for (let i = 0; i < 5; i++) bench.send((tick * 5 + i) * 64_000, LONG_PAYLOAD);
    },
    'timestamps at random': (bench) => {
      for (let i = 0; i < 50; i++) bench.send(random(2 ** 24) * 256, PAYLOAD);
    },
  };
  for (const [what, flood] of Object.entries(floods)) {
    it(`with ${what}, and hears the speech that comes after`, () => {
      const { furthest, bench } = attack(flood);
      expect(furthest).toBeLessThanOrEqual(limit(bench.wall));
      // The sender goes away; what was sent too far ahead is overtaken by the clock, and then somebody speaks.
      for (let i = 0; i < 200; i++) bench.tick();
      const speech = noise(8000, 5);
      bench.timeline.newSource();
      bench.talk(77, speech);
      bench.timeline.commitTo(bench.wall);
      const at = bench.wall - 8000;
      expect(bench.wrong(speech, at)).toBe(0);
    });
  }
});

describe('a leg whose sender has another idea of a second', () => {
  /** Talks for `seconds` of the wall clock with a sender clock that is off by `skew`, and counts what came out wrong. */
  const drift = (skew: number, seconds: number): { wrong: number; ahead: number; bench: TimelineBench } => {
    const bench = new TimelineBench();
    const speech = noise(Math.floor((seconds * 8000 * (1 + skew)) / 160) * 160, 9);
    for (let at = 0, sent = 0; at < seconds * 8000; at += TICK) {
      while (sent + 160 <= Math.min(speech.length, (at + TICK) * (1 + skew))) {
        bench.send(500 + sent, speech.subarray(sent, sent + 160));
        sent += 160;
      }
      bench.tick();
    }
    bench.timeline.commitTo(bench.timeline.newestEnd);
    return {
      wrong: bench.wrong(speech, bench.timeline.firstStart),
      ahead: bench.timeline.newestEnd - bench.wall,
      bench,
    };
  };

  for (const skew of [0.0002, -0.0002, 0.01, -0.01, 0.05, -0.05]) {
    it(`loses none of three minutes at ${skew * 100} %, and is as long as what was sent`, () => {
      const { wrong, ahead } = drift(skew, 180);
      expect(wrong).toBe(0);
      expect(Math.abs(ahead - skew * 180 * 8000)).toBeLessThan(400);
    });
  }

  it('is back on the wall clock after a hold, however far it had fallen behind', () => {
    const { bench } = drift(-0.05, 60);
    bench.timeline.newSource();
    for (let i = 0; i < 50; i++) bench.tick(false);
    const speech = noise(8000, 10);
    bench.talk(9999, speech);
    bench.timeline.commitTo(bench.wall);
    expect(bench.wrong(speech, bench.wall - 8000)).toBeLessThan(8000);
    const start = bench.timeline.newestEnd - 8000;
    expect(bench.wrong(speech, start)).toBe(0);
    expect(bench.wall - bench.timeline.newestEnd).toBeLessThan(2000);
  });
});
