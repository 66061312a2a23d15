import type { Clock } from '../core/clock.js';
import type { Logger } from '../core/logger.js';
import type { ConnectionRefusal, Metrics } from '../core/metrics.js';
import { QuietLog } from './quiet-log.js';

/** Counts every connection that was refused or cut off, and logs some. */
export class ConnectionLog {
  readonly #metrics: Metrics;
  readonly #logger: Logger;
  readonly #quiet: QuietLog<ConnectionRefusal>;

  constructor(metrics: Metrics, logger: Logger, clock: Clock) {
    this.#metrics = metrics;
    this.#logger = logger;
    this.#quiet = new QuietLog(clock);
  }

  /** @param detail what the operator can act on, as a code of OpenSSL; never a name out of a certificate */
  note(reason: ConnectionRefusal, transport: 'tcp' | 'tls', peer: string, detail?: string): void {
    this.#metrics.sipConnectionsRefused.inc({ reason });
    const more = this.#quiet.due(reason);
    if (more === undefined) return;
    const known = detail === undefined ? {} : { detail };
    this.#logger.warn({ reason, transport, peer, ...known, ...more }, 'SIP connection refused');
  }
}
