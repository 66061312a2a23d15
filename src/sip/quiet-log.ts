import type { Clock } from '../core/clock.js';

/** One line for each cause in this time: a flood must not fill the disk with its own description. */
const QUIET_MS = 1_000;

/** Says when a line about something that may happen without end is due. */
export class QuietLog<Cause extends string> {
  readonly #clock: Clock;
  readonly #last = new Map<Cause, { readonly at: number; unsaid: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Undefined when nothing shall be said now; otherwise what the line says besides, with how often nothing was said before. */
  due(cause: Cause): { readonly unsaid?: number } | undefined {
    const now = this.#clock.monotonic();
    const last = this.#last.get(cause);
    if (last !== undefined && now - last.at < QUIET_MS) {
      last.unsaid++;
      return undefined;
    }
    this.#last.set(cause, { at: now, unsaid: 0 });
    return last === undefined || last.unsaid === 0 ? {} : { unsaid: last.unsaid };
  }
}
