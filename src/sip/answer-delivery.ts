import type { Scope } from '../core/scope.js';
import { Retransmission } from './retransmission.js';
import { type SipTimers, transactionLifetimeMs } from './sip-timers.js';

/** A 2xx to INVITE, repeated end to end until its ACK comes or 64*T1 is over (RFC 3261 §13.3.1.4), on every transport. */
export class AnswerDelivery {
  /** Resolves when it was acknowledged, given up or stopped. */
  readonly settled: Promise<void>;
  readonly #repeat: Retransmission;
  readonly #cancelDeadline: () => void;
  #settle: () => void = () => {};

  constructor(scope: Scope, timers: SipTimers, resend: () => void, onTimeout: () => void) {
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
