import type { Scope } from '../core/scope.js';
import { Retransmission } from './retransmission.js';
import { type SipTimers, transactionLifetimeMs } from './sip-timers.js';

export interface AnswerDeliveryOptions {
  readonly scope: Scope;
  readonly timers: SipTimers;
  /** Of the INVITE, and of the ACK to come. */
  readonly cseq: number;
  /** True when the 2xx brings an offer, whose answer is in the ACK. */
  readonly offers: boolean;
  readonly resend: () => void;
  readonly onTimeout: () => void;
}

/** A 2xx to INVITE, repeated end to end until its ACK comes or 64*T1 is over (RFC 3261 §13.3.1.4), on every transport. */
export class AnswerDelivery {
  readonly cseq: number;
  readonly offers: boolean;
  /** Resolves when it was acknowledged, given up or stopped. */
  readonly settled: Promise<void>;
  readonly #repeat: Retransmission;
  readonly #cancelDeadline: () => void;
  #settle: () => void = () => {};

  constructor({ scope, timers, cseq, offers, resend, onTimeout }: AnswerDeliveryOptions) {
    this.cseq = cseq;
    this.offers = offers;
    this.settled = new Promise((resolve) => {
      this.#settle = resolve;
    });
    this.#repeat = new Retransmission(scope, resend, timers.t1Ms, timers.t2Ms);
    this.#cancelDeadline = scope.timeout(() => {
      this.stop();
      onTimeout();
    }, transactionLifetimeMs(timers));
  }

  stop(): void {
    this.#repeat.stop();
    this.#cancelDeadline();
    this.#settle();
  }
}
