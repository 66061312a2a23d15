import { decodeG711, decodePcmu } from '../../src/audio/g711.js';
import { LegTimeline } from '../../src/rtp/leg-timeline.js';
import { Payload } from '../../src/rtp/payload.js';

/** Samples of a tick of 100 ms. */
export const TICK = 800;

/** A timeline with a wall clock moved by hand, and a file made of what it commits and changes. */
export class TimelineBench {
  wall = 0;
  readonly file = new Int16Array(8000 * 200);
  committed = 0;
  readonly timeline: LegTimeline;
  readonly #payload = new Payload();

  constructor(capacity?: number) {
    this.timeline = new LegTimeline(
      {
        committed: (from, to) => {
          if (from !== this.committed) throw new Error(`a hole before ${from}`);
          this.committed = to;
          this.timeline.ring.copyInto(this.file, from, to, from);
          this.timeline.kept = to;
        },
        changed: (from, to) => this.timeline.ring.copyInto(this.file, from, to, from),
        past: (from, payload, first, length) => payload.copyInto(this.file, first, first + length, from),
        makeRoom: (before) => {
          throw new Error(`no room before ${before}`);
        },
        wallMs: () => this.wall / 8,
      },
      8000,
      0,
      capacity,
    );
  }

  send(timestamp: number, payload: Uint8Array, newest = true): string {
    return this.timeline.packet(timestamp >>> 0, this.#payload.coded(decodePcmu, payload, 0, payload.length), newest);
  }

  tick(listening = true): void {
    this.wall += TICK;
    this.timeline.settle(this.wall / 8);
    this.timeline.tick(this.wall / 8, listening);
  }

  /** A second of speech in 20 ms packets, five a tick. Returns the next timestamp. */
  talk(timestamp: number, speech: Uint8Array): number {
    for (let at = 0; at < speech.length; at += 160) {
      this.send(timestamp + at, speech.subarray(at, at + 160));
      if (at % 800 === 640) this.tick();
    }
    return timestamp + speech.length;
  }

  /** Number of samples that differ from the speech at a place. */
  wrong(speech: Uint8Array, at: number): number {
    const wanted = decodeG711('PCMU', speech);
    let count = 0;
    for (let i = 0; i < wanted.length; i++) if (this.file[at + i] !== wanted[i]) count++;
    return count;
  }

  silent(from: number, to: number): boolean {
    return this.file.subarray(from, to).every((sample) => sample === 0);
  }
}

/** A seeded source of integers below `n`. */
export function generator(seed: number): (n: number) => number {
  let state = seed;
  return (n) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return (state >>> 8) % n;
  };
}
