import type { Scope } from '../core/scope.js';
import { type SipResponse, serializeSipMessage } from './message.js';
import { Retransmission } from './retransmission.js';
import { type SipTimers, transactionLifetimeMs } from './sip-timers.js';
import type { SipTarget, SipTransport } from './transport.js';

export interface ServerTransactionOptions {
  readonly key: string;
  readonly method: string;
  /** The way back. The request itself is not kept: a transaction outlives it by half a minute. */
  readonly transport: SipTransport;
  readonly replyTarget: SipTarget;
  /** The To tag of every response in this transaction. */
  readonly toTag: string;
  readonly timers: SipTimers;
  readonly scope: Scope;
  readonly onEnd: (transaction: ServerTransaction) => void;
}

/**
 * A server transaction (RFC 3261 §17.2, with the accepted state of RFC 6026 §7.1).
 *
 * proceeding → completed → confirmed → terminated for failures of INVITE,
 * proceeding → accepted → terminated for its 2xx, whose retransmission belongs to the dialog,
 * proceeding → completed → terminated for all other methods.
 */
export class ServerTransaction {
  /** Hears a CANCEL that came in time. */
  onCancel: (() => void) | undefined;
  readonly #options: ServerTransactionOptions;
  #state: 'proceeding' | 'completed' | 'confirmed' | 'accepted' | 'terminated' = 'proceeding';
  #last: Uint8Array | undefined;
  #finalStatus: number | undefined;
  #repeat: Retransmission | undefined;
  #cancelTimer: (() => void) | undefined;

  constructor(options: ServerTransactionOptions) {
    this.#options = options;
  }

  get key(): string {
    return this.#options.key;
  }

  get toTag(): string {
    return this.#options.toTag;
  }

  get finalStatus(): number | undefined {
    return this.#finalStatus;
  }

  /** Sends a response; false when a final one was sent before. */
  respond(response: SipResponse): boolean {
    if (this.#state !== 'proceeding') return false;
    const bytes = serializeSipMessage(response);
    this.#last = bytes;
    this.send(bytes);
    if (response.status < 200) return true;
    this.#finalStatus = response.status;
    this.onCancel = undefined;
    this.#finish(response.status);
    return true;
  }

  /** Sends along the way of this transaction's responses. */
  send(bytes: Uint8Array): void {
    this.#options.transport.send(bytes, this.#options.replyTarget);
  }

  /** The request came again: the last response is repeated, but a 2xx to INVITE is left to the dialog. */
  retransmitted(): void {
    if (this.#last !== undefined && (this.#state === 'proceeding' || this.#state === 'completed'))
      this.send(this.#last);
  }

  /** Sends the 2xx to an INVITE again; the dialog does so until its ACK comes. */
  repeatFinal(): void {
    if (this.#last !== undefined && this.#state === 'accepted') this.send(this.#last);
  }

  /** The ACK to a failure came. */
  acknowledged(): void {
    if (this.#state !== 'completed' || this.#options.method !== 'INVITE') return;
    this.#state = 'confirmed';
    this.#repeat?.stop();
    this.#last = undefined;
    this.#endAfter(this.#reliable ? 0 : this.#options.timers.t4Ms); // Timer I.
  }

  terminate(): void {
    if (this.#state === 'terminated') return;
    this.#state = 'terminated';
    this.#repeat?.stop();
    this.#cancelTimer?.();
    this.#options.onEnd(this);
  }

  get #reliable(): boolean {
    return this.#options.transport.reliable;
  }

  #finish(status: number): void {
    const { timers, scope } = this.#options;
    const lifetime = transactionLifetimeMs(timers);
    if (this.#options.method !== 'INVITE') {
      this.#state = 'completed';
      this.#endAfter(this.#reliable ? 0 : lifetime); // Timer J.
      return;
    }
    if (status < 300) {
      this.#state = 'accepted';
      this.#endAfter(lifetime); // Timer L.
      return;
    }
    this.#state = 'completed';
    const last = this.#last;
    if (!this.#reliable && last !== undefined) {
      this.#repeat = new Retransmission(scope, () => this.send(last), timers.t1Ms, timers.t2Ms); // Timer G.
    }
    this.#endAfter(lifetime); // Timer H.
  }

  #endAfter(ms: number): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    if (ms === 0) this.terminate();
    else this.#cancelTimer = this.#options.scope.timeout(() => this.terminate(), ms);
  }
}
