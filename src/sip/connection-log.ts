import type { Logger } from '../core/logger.js';
import type { ConnectionRefusal, Metrics } from '../core/metrics.js';

/** One line for each reason in this time: a scan of the port must not fill the disk with its own description. */
const QUIET_MS = 1_000;

/** Counts every connection that was refused or cut off, and logs some. */
export class ConnectionLog {
  readonly #metrics: Metrics;
  readonly #logger: Logger;
  readonly #last = new Map<ConnectionRefusal, { at: number; unsaid: number }>();

  constructor(metrics: Metrics, logger: Logger) {
    this.#metrics = metrics;
    this.#logger = logger;
  }

  /** @param detail what the operator can act on, as a code of OpenSSL; never a name out of a certificate */
  note(reason: ConnectionRefusal, transport: 'tcp' | 'tls', peer: string, detail?: string): void {
    this.#metrics.sipConnectionsRefused.inc({ reason });
    const now = performance.now();
    const known = this.#last.get(reason);
    if (known !== undefined && now - known.at < QUIET_MS) {
      known.unsaid++;
      return;
    }
    const unsaid = known?.unsaid ?? 0;
    this.#last.set(reason, { at: now, unsaid: 0 });
    const more = { ...(detail === undefined ? {} : { detail }), ...(unsaid > 0 ? { unsaid } : {}) };
    this.#logger.warn({ reason, transport, peer, ...more }, 'SIP connection refused');
  }
}
