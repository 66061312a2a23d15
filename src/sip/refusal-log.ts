import type { Clock } from '../core/clock.js';
import type { Logger } from '../core/logger.js';
import type { Metrics, SipRefusalCause } from '../core/metrics.js';

/** One line for each cause in this time: a flood must not fill the disk with its own description. */
const QUIET_MS = 1_000;

/** Counts every refusal and logs some. */
export class RefusalLog {
  readonly #metrics: Metrics;
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #causes = new Map<SipRefusalCause, { at: number; unsaid: number }>();

  constructor(metrics: Metrics, logger: Logger, clock: Clock) {
    this.#metrics = metrics;
    this.#logger = logger;
    this.#clock = clock;
  }

  /** A request was refused, or a message could not be read. */
  note(cause: SipRefusalCause, fields: Readonly<Record<string, string | number | undefined>>): void {
    this.#metrics.sipRefused.inc({ cause });
    const now = this.#clock.monotonic();
    const known = this.#causes.get(cause);
    if (known !== undefined && now - known.at < QUIET_MS) {
      known.unsaid++;
      return;
    }
    const unsaid = known?.unsaid ?? 0;
    this.#causes.set(cause, { at: now, unsaid: 0 });
    // A first challenge is how every authenticated call begins.
    const level = cause === 'challenged' ? 'debug' : 'warn';
    this.#logger[level]({ cause, ...fields, ...(unsaid > 0 ? { unsaid } : {}) }, 'SIP request refused');
  }
}
