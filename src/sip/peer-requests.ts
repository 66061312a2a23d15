import type { Logger } from '../core/logger.js';
import { failureReply } from './failure.js';
import type { IncomingRequest } from './incoming-request.js';
import type { ServerTransaction } from './server-transaction.js';
import type { SipCore } from './sip-core.js';
import type { SipDialogHandlers, SipReply } from './sip-server.js';
import { transactionLifetimeMs } from './sip-timers.js';

interface Unanswered {
  readonly request: IncomingRequest;
  readonly transaction: ServerTransaction;
}

/** Requests of the peer inside a dialog that the application decides. */
export class PeerRequests {
  readonly #core: SipCore;
  readonly #log: Logger;
  #unanswered: readonly Unanswered[] = [];

  constructor(core: SipCore) {
    this.#core = core;
    this.#log = core.options.logger;
  }

  /** Asks the application, which has 64*T1. The end of the dialog answers for it; a CANCEL only when it was in time. Never rejects. */
  async ask(request: IncomingRequest, transaction: ServerTransaction, handlers: SipDialogHandlers): Promise<SipReply> {
    const { callId, method } = request;
    const { scope, options } = this.#core;
    let cancelled = false;
    const entry = { request, transaction };
    this.#unanswered = [...this.#unanswered, entry];
    transaction.onCancel = () => {
      cancelled = true;
    };
    const reply = await new Promise<SipReply>((resolve) => {
      const stop = scope.timeout(() => {
        this.#log.error({ callId, method }, 'request in dialog was not decided in time');
        resolve({ status: 504 });
      }, transactionLifetimeMs(options.timers));
      const decided = (decision: SipReply): void => {
        stop();
        resolve(decision);
      };
      void this.#decide(request, handlers).then(decided);
    });
    this.#unanswered = this.#unanswered.filter((other) => other !== entry);
    // What was applied is told, whatever the peer would rather hear: a 487 would leave the two sides with different sessions.
    return cancelled && reply.status >= 300 ? { status: 487 } : reply;
  }

  /** RFC 3261 §15.1.2: requests that are open when the dialog ends hear 487. */
  refuseAll(): void {
    for (const { transaction, request } of this.#unanswered) this.#core.respond(transaction, request, { status: 487 });
    this.#unanswered = [];
  }

  async #decide(request: IncomingRequest, handlers: SipDialogHandlers): Promise<SipReply> {
    try {
      return await handlers.request(request);
    } catch (error) {
      const { callId, method } = request;
      this.#log.warn({ callId, method, err: error }, 'request in dialog failed');
      return failureReply(error);
    }
  }
}
