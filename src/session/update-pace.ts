import { createHash } from 'node:crypto';
import type { Clock } from '../core/clock.js';
import { Scope } from '../core/scope.js';

/** Changes that are told at once, as many as a call with transfers and holds has in a minute … */
const BURST = 20;
/** … and the time in ms after which one more is. */
const INTERVAL_MS = 1000;

/**
 * How often one session tells what changed. An SRC that sends UPDATEs without end must not fill the memory, the broker and every
 * subscriber with them: what it changes in between is told together, a second later at most.
 */
export class UpdatePace {
  readonly #clock: Clock;
  readonly #tell: () => void;
  #left = BURST;
  #refilledAt: number;
  /** From the first change that waits on. */
  #scope: Scope | undefined;
  #waits = false;

  /** @param tell tells what is so now; called again later when it was not taken at once */
  constructor(clock: Clock, tell: () => void) {
    this.#clock = clock;
    this.#tell = tell;
    this.#refilledAt = clock.monotonic();
  }

  /** Whether a change may be told now. When not, `tell` is called as soon as one may. */
  take(): boolean {
    const now = this.#clock.monotonic();
    this.#left = Math.min(BURST, this.#left + (now - this.#refilledAt) / INTERVAL_MS);
    this.#refilledAt = now;
    if (this.#left < 1) {
      this.#wait((1 - this.#left) * INTERVAL_MS);
      return false;
    }
    this.#left -= 1;
    return true;
  }

  /** Nothing more is to be told late. */
  close(): void {
    void this.#scope?.close();
  }

  #wait(ms: number): void {
    if (this.#waits) return;
    this.#waits = true;
    this.#scope ??= new Scope('updates');
    this.#scope.timeout(() => {
      this.#waits = false;
      this.#tell();
    }, ms);
  }
}

/** Tells whether something changed; a digest, because the text itself is as long as all names of a call and is kept as long. */
export function digestOf(value: unknown): string {
  return createHash('sha1').update(JSON.stringify(value)).digest('base64');
}
