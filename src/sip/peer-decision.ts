import { SrsError } from '../core/errors.js';
import type { Scope } from '../core/scope.js';

/** The INVITE or UPDATE of the peer that is being decided: one at a time (RFC 3261 §14.2, RFC 3311 §5.2). */
export class PeerDecision {
  readonly #scope: Scope;
  readonly #patienceMs: number;
  #running: Promise<void> | undefined;

  /** @param patienceMs how long a request of ours waits for it */
  constructor(scope: Scope, patienceMs: number) {
    this.#scope = scope;
    this.#patienceMs = patienceMs;
  }

  get open(): boolean {
    return this.#running !== undefined;
  }

  begin(decide: () => Promise<void>): void {
    const running = decide().finally(() => {
      if (this.#running === running) this.#running = undefined;
    });
    this.#running = running;
  }

  /**
   * Resolves when it is decided. Not longer than the patience: an application that asks for something of its own while it decides
   * would wait for itself, and the peer with it, until both are given up.
   *
   * @throws SrsError `SRS_SIP_DIALOG_STATE` when the patience is over
   */
  async made(): Promise<void> {
    if (this.#running === undefined) return;
    let stop = (): void => {};
    const late = new Promise<never>((_resolve, reject) => {
      const error = new SrsError('SRS_SIP_DIALOG_STATE', 'a request of the peer is not decided');
      stop = this.#scope.timeout(() => reject(error), this.#patienceMs);
    });
    await Promise.race([this.#running, late]).finally(stop);
  }
}
