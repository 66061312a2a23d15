import type { LegChange, LegOptions } from './media-plane.js';

/** What a worker must know of a call to go on with it when the one before has died. Times are of the shared clock and the epoch. */
export interface Takeover {
  /** The zero of the call clock, as monotonic and as epoch ms; absent when it had not begun. */
  readonly zero?: { readonly at: number; readonly startedAt: number };
  readonly legs: readonly TakenLeg[];
  /** Whether legs to come begin paused. */
  readonly paused: boolean;
}

export interface TakenLeg extends LegOptions {
  /** Absent for a leg that was closed: it hears nothing and has a file. */
  readonly port?: number;
  readonly paused: boolean;
  /** When its first packet was, as it was told. */
  readonly firstPacketMs?: number;
  /** Number of its last utterance. */
  readonly utterances: number;
}

/** What the main thread has seen of a leg, in case that another worker must go on with it. */
interface SeenLeg {
  options: LegOptions;
  port: number | undefined;
  firstPacketMs: number | undefined;
  utterances: number;
}

/** The memory of a call that outlives its worker. */
export class TakeoverBook {
  readonly #legs = new Map<number, SeenLeg>();
  /** Legs that are paused; `#allPaused` stands for those to come too. */
  readonly #paused = new Set<number>();
  #allPaused = false;
  #zero: Takeover['zero'];

  opened(options: LegOptions, port: number): void {
    this.#legs.set(options.leg, { options, port, firstPacketMs: undefined, utterances: 0 });
    if (this.#allPaused) this.#paused.add(options.leg);
  }

  updated(leg: number, { keys, ...change }: LegChange): void {
    const seen = this.#legs.get(leg);
    if (!seen) return;
    const { keys: before, ...options } = seen.options;
    const now = keys === undefined ? before : keys;
    seen.options = { ...options, ...change, ...(now ? { keys: now } : {}) };
  }

  closed(leg: number): void {
    const seen = this.#legs.get(leg);
    if (seen) seen.port = undefined;
  }

  discarded(leg: number): void {
    this.#legs.delete(leg);
    this.#paused.delete(leg);
  }

  /** Pauses count when they are asked for, resumes when they are carried out: nothing of a pause is ever recorded. */
  pausedNow(paused: boolean, legs?: readonly number[]): void {
    if (!legs) this.#allPaused = paused;
    for (const leg of legs ?? this.#legs.keys()) {
      if (paused) this.#paused.add(leg);
      else this.#paused.delete(leg);
    }
  }

  clockBegan(at: number, startedAt: number): void {
    this.#zero = { at, startedAt };
  }

  firstPacket(leg: number, atMs: number): void {
    const seen = this.#legs.get(leg);
    if (seen) seen.firstPacketMs = atMs;
  }

  utterance(leg: number, number: number): void {
    const seen = this.#legs.get(leg);
    if (seen) seen.utterances = Math.max(seen.utterances, number);
  }

  /** Legs that must be silent from the first packet on; undefined for all of them. */
  get pausedLegs(): readonly number[] | undefined {
    return this.#allPaused ? undefined : [...this.#paused];
  }

  get takeover(): Takeover {
    return {
      ...(this.#zero ? { zero: this.#zero } : {}),
      paused: this.#allPaused,
      legs: [...this.#legs.values()].map(({ options, port, firstPacketMs, utterances }) => ({
        ...options,
        ...(port === undefined ? {} : { port }),
        paused: this.#paused.has(options.leg),
        ...(firstPacketMs === undefined ? {} : { firstPacketMs }),
        utterances,
      })),
    };
  }
}
