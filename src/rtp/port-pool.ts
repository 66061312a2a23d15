import { type Clock, systemClock } from '../core/clock.js';

export interface PortPoolOptions {
  readonly portMin: number;
  readonly portMax: number;
  /** How long a pair rests after its stream ended, so that late packets of one call never fall into the next. */
  readonly quarantineMs: number;
  readonly clock?: Clock;
}

/**
 * Pairs of an even RTP port and the odd RTCP port after it (RFC 3550 §11), given out in turn: m-lines of one offer get neighbours,
 * and a port that was given back is the last to be used again.
 */
export class PortPool {
  readonly #clock: Clock;
  readonly #quarantineMs: number;
  readonly #first: number;
  readonly #pairs: number;
  readonly #held = new Set<number>();
  /** RTP port -> monotonic ms from which it may be used again. */
  readonly #resting = new Map<number, number>();
  #next = 0;

  constructor(options: PortPoolOptions) {
    this.#clock = options.clock ?? systemClock;
    this.#quarantineMs = options.quarantineMs;
    this.#first = options.portMin + (options.portMin % 2);
    this.#pairs = Math.max(0, Math.floor((options.portMax - this.#first + 1) / 2));
  }

  /** Pairs of the range. */
  get size(): number {
    return this.#pairs;
  }

  /** Pairs given out and not yet given back. */
  get held(): number {
    return this.#held.size;
  }

  /** The next free RTP port, or undefined when all are held or rest. */
  take(): number | undefined {
    const now = this.#clock.monotonic();
    for (let tried = 0; tried < this.#pairs; tried++) {
      const port = this.#first + 2 * this.#next;
      this.#next = (this.#next + 1) % this.#pairs;
      if (this.#held.has(port)) continue;
      const freeAt = this.#resting.get(port);
      if (freeAt !== undefined && freeAt > now) continue;
      this.#resting.delete(port);
      this.#held.add(port);
      return port;
    }
    return undefined;
  }

  /** Gives a pair back, into quarantine. A port that is not held is ignored. */
  release(port: number): void {
    if (!this.#held.delete(port)) return;
    if (this.#quarantineMs > 0) this.#resting.set(port, this.#clock.monotonic() + this.#quarantineMs);
  }
}
