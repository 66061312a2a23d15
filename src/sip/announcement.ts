import type { IncomingRequest } from './incoming-request.js';
import { ReliableProvisional } from './reliable-provisional.js';
import type { ServerTransaction } from './server-transaction.js';
import { requestBearsOffer } from './session-description.js';
import type { SipCore } from './sip-core.js';

/** The reliable 183 that makes a dialog early (RFC 3262 §3), and its PRACK. */
export class Announcement {
  readonly #core: SipCore;
  /** Let go with the final response, whose bytes it holds: the dialog lives on for hours. */
  #transaction: ServerTransaction | undefined;
  readonly #provisional: ReliableProvisional;
  /** `sent` is false when the 183 could not be written: the INVITE has its final response then. */
  readonly sent: boolean;

  constructor(core: SipCore, invite: IncomingRequest, transaction: ServerTransaction, contact: string) {
    this.#core = core;
    this.#transaction = transaction;
    this.#provisional = new ReliableProvisional(invite.cseq.number);
    const headers = { require: '100rel', rseq: String(this.#provisional.rseq) };
    core.respond(transaction, invite, { status: 183 }, { contact, recordRoute: true, headers });
    this.sent = transaction.finalStatus === undefined;
  }

  /** Repeats the 183 until its PRACK. */
  start(onUnacknowledged: () => void): void {
    const { scope, options } = this.#core;
    this.#provisional.start(scope, options.timers, () => this.#transaction?.retransmitted(), onUnacknowledged);
  }

  /** The peer ends the dialog before the INVITE has its answer. */
  takeBack(): void {
    this.#transaction?.onCancel?.();
  }

  /** Answers a PRACK: one that names no response of ours hears 481. */
  acknowledge(prack: IncomingRequest, transaction: ServerTransaction): void {
    const known = this.#provisional.acknowledge(prack.header('rack'));
    // The offer of the INVITE is still open, so a PRACK cannot bring another (RFC 3262 §5).
    const status = !known ? 481 : requestBearsOffer(prack) ? 488 : 200;
    this.#core.respond(transaction, prack, { status });
  }

  /** RFC 3262 §3: the final response is out, and the 183 is not repeated any more, but its PRACK may still be on its way. */
  stop(): void {
    this.#provisional.stop();
    this.#transaction = undefined;
  }
}
