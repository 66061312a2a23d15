import { SrsError } from '../core/errors.js';
import type { SipRequest, SipResponse } from '../sip/message.js';

/** The timers of RFC 3261 §17.1.1.1, in ms. */
export interface SipTimers {
  readonly t1Ms: number;
  readonly t2Ms: number;
  /** How long an INVITE may ring after a provisional response. */
  readonly ringMs: number;
}

export const SIP_TIMERS: SipTimers = { t1Ms: 500, t2Ms: 4000, ringMs: 60_000 };

export interface ClientTransactionOptions {
  readonly request: SipRequest;
  /** Sends the request again on unreliable transports. */
  readonly reliable: boolean;
  readonly send: (request: SipRequest) => void;
  readonly onProvisional?: (response: SipResponse) => void;
  readonly timers: SipTimers;
}

/** One request and its final response (RFC 3261 §17.1). Retransmits until something comes, gives up after 64 × T1. */
export class ClientTransaction {
  readonly request: SipRequest;
  /** The final response, whatever its class. Rejects with `SRS_SIP_TIMEOUT`, or with the error given to `fail`. */
  readonly final: Promise<SipResponse>;
  #settle: { resolve: (response: SipResponse) => void; reject: (error: SrsError) => void } | undefined;
  readonly #options: ClientTransactionOptions;
  #provisional = false;
  #done = false;
  #again: NodeJS.Timeout | undefined;
  #limit: NodeJS.Timeout | undefined;

  constructor(options: ClientTransactionOptions) {
    this.#options = options;
    this.request = options.request;
    this.final = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    // Whoever does not wait for the end must not turn a timeout into an unhandled rejection.
    this.final.catch(() => {});
  }

  /** Whether a provisional response came: only then may an INVITE be cancelled (RFC 3261 §9.1). */
  get provisional(): boolean {
    return this.#provisional;
  }

  get done(): boolean {
    return this.#done;
  }

  start(): this {
    const { t1Ms } = this.#options.timers;
    this.#options.send(this.request);
    if (!this.#options.reliable) this.#retransmitIn(t1Ms);
    this.#limitTo(64 * t1Ms);
    return this;
  }

  take(response: SipResponse): void {
    if (this.#done) return;
    if (response.status >= 200) {
      this.#finish();
      this.#settle?.resolve(response);
      return;
    }
    this.#provisional = true;
    if (this.request.method === 'INVITE') {
      clearTimeout(this.#again);
      this.#limitTo(this.#options.timers.ringMs);
    }
    this.#options.onProvisional?.(response);
  }

  /** Ends it from outside: the link broke or the call is given up. */
  fail(error: SrsError): void {
    if (this.#done) return;
    this.#finish();
    this.#settle?.reject(error);
  }

  #retransmitIn(ms: number): void {
    this.#again = setTimeout(() => {
      this.#options.send(this.request);
      // The interval of other requests than INVITE doubles up to T2 only (§17.1.2.2).
      const next = ms * 2;
      this.#retransmitIn(this.request.method === 'INVITE' ? next : Math.min(next, this.#options.timers.t2Ms));
    }, ms);
  }

  #limitTo(ms: number): void {
    clearTimeout(this.#limit);
    this.#limit = setTimeout(() => {
      this.fail(new SrsError('SRS_SIP_TIMEOUT', `no final response to ${this.request.method} within ${ms} ms`));
    }, ms);
  }

  #finish(): void {
    this.#done = true;
    clearTimeout(this.#again);
    clearTimeout(this.#limit);
  }
}
