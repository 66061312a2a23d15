import type { Clock } from '../core/clock.js';
import type { Logger } from '../core/logger.js';
import type { Metrics, SipRefusalCause } from '../core/metrics.js';
import { QuietLog } from './quiet-log.js';

/** Counts every refusal and logs some. */
export class RefusalLog {
  readonly #metrics: Metrics;
  readonly #logger: Logger;
  readonly #quiet: QuietLog<SipRefusalCause>;

  constructor(metrics: Metrics, logger: Logger, clock: Clock) {
    this.#metrics = metrics;
    this.#logger = logger;
    this.#quiet = new QuietLog(clock);
  }

  /** A request was refused, or a message could not be read. */
  note(cause: SipRefusalCause, fields: Readonly<Record<string, string | number | undefined>>): void {
    this.#metrics.sipRefused.inc({ cause });
    const more = this.#quiet.due(cause);
    if (more === undefined) return;
    // A first challenge is how every authenticated call begins.
    const level = cause === 'challenged' ? 'debug' : 'warn';
    this.#logger[level]({ cause, ...fields, ...more }, 'SIP request refused');
  }
}
