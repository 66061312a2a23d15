import type { Scope } from '../core/scope.js';
import { AnswerDelivery } from './answer-delivery.js';
import type { SipTimers } from './sip-timers.js';

export interface AnswerDeliveriesOptions {
  readonly scope: Scope;
  readonly timers: SipTimers;
  /** A 2xx of ours was not acknowledged in 64*T1. */
  readonly onTimeout: () => void;
}

/** The 2xx of one dialog that wait for their ACK. A re-INVITE may come before the ACK to the INVITE before it, so there can be several. */
export class AnswerDeliveries {
  readonly #options: AnswerDeliveriesOptions;
  #open: readonly AnswerDelivery[] = [];

  constructor(options: AnswerDeliveriesOptions) {
    this.#options = options;
  }

  /** True while an offer of ours in a 2xx waits for its answer in the ACK. */
  get offering(): boolean {
    return this.#open.some(({ offers }) => offers);
  }

  get idle(): boolean {
    return this.#open.length === 0;
  }

  /** Repeats the 2xx that is just out until its ACK. @param answer `offers`: it brings an offer of ours */
  add(answer: { readonly cseq: number; readonly offers: boolean; readonly resend: () => void }): void {
    const { scope, timers, onTimeout } = this.#options;
    this.#open = [...this.#open, new AnswerDelivery({ scope, timers, onTimeout, ...answer })];
  }

  /** Takes an ACK; false when no 2xx of ours with this CSeq waits for one. */
  acknowledge(cseq: number): boolean {
    const delivery = this.#open.find((other) => other.cseq === cseq);
    if (delivery === undefined) return false;
    this.#open = this.#open.filter((other) => other !== delivery);
    delivery.stop();
    return true;
  }

  /** Resolves when those that are open now were acknowledged, given up or stopped. */
  async settled(): Promise<void> {
    await Promise.all(this.#open.map(({ settled }) => settled));
  }

  stop(): void {
    for (const delivery of this.#open) delivery.stop();
    this.#open = [];
  }
}
