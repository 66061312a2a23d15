import { randomInt } from 'node:crypto';
import type { Scope } from '../core/scope.js';
import { Retransmission } from './retransmission.js';
import { requestBearsOffer } from './session-description.js';
import { hasOption } from './session-interval.js';
import type { SipRequestView } from './sip-server.js';
import { type SipTimers, transactionLifetimeMs } from './sip-timers.js';

/**
 * Whether a reliable 183 without SDP may go out for this INVITE (RFC 3262 §3): the peer takes it, and the INVITE brought an offer,
 * because the first reliable response to one without must bring ours (RFC 3261 §13.2.1).
 */
export function takesReliableProvisional(invite: SipRequestView): boolean {
  return hasOption(invite, '100rel') && requestBearsOffer(invite);
}

/**
 * One reliable 183 (RFC 3262 §3): repeated with doubling pauses on every transport until its PRACK, the final response, or 64*T1.
 * What its PRACK must name is kept longer than the repetitions, because a final response may overtake the PRACK.
 */
export class ReliableProvisional {
  readonly rseq = randomInt(1, 2 ** 31);
  readonly #inviteCSeq: number;
  #acknowledged = false;
  #repeat: Retransmission | undefined;
  #cancelDeadline: (() => void) | undefined;

  constructor(inviteCSeq: number) {
    this.#inviteCSeq = inviteCSeq;
  }

  /** The response is out. */
  start(scope: Scope, timers: SipTimers, resend: () => void, onTimeout: () => void): void {
    this.#repeat = new Retransmission(scope, resend, timers.t1Ms, Number.POSITIVE_INFINITY);
    this.#cancelDeadline = scope.timeout(() => {
      this.stop();
      onTimeout();
    }, transactionLifetimeMs(timers));
  }

  /** Takes the RAck of a PRACK; false when it names another response, or one that was acknowledged before. */
  acknowledge(rack: string | undefined): boolean {
    const match = /^\s*(\d{1,10})\s+(\d{1,10})\s+INVITE\s*$/.exec(rack ?? '');
    if (this.#acknowledged || Number(match?.[1]) !== this.rseq || Number(match?.[2]) !== this.#inviteCSeq) return false;
    this.#acknowledged = true;
    this.stop();
    return true;
  }

  stop(): void {
    this.#repeat?.stop();
    this.#cancelDeadline?.();
    this.#repeat = undefined;
    this.#cancelDeadline = undefined;
  }
}
