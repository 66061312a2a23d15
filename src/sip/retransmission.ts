import type { Scope } from '../core/scope.js';

/** Repeats an action after `firstMs`, doubling up to `maxMs`, until it is stopped (timers A, E and G, and the 2xx of §13.3.1.4). */
export class Retransmission {
  readonly #scope: Scope;
  readonly #action: () => void;
  readonly #maxMs: number;
  #cancel: (() => void) | undefined;

  constructor(scope: Scope, action: () => void, firstMs: number, maxMs: number) {
    this.#scope = scope;
    this.#action = action;
    this.#maxMs = maxMs;
    this.#arm(firstMs);
  }

  /** Continues at this pause from now on, as timer E does after a provisional response. */
  slowTo(ms: number): void {
    if (this.#cancel === undefined) return;
    this.stop();
    this.#arm(ms);
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #arm(ms: number): void {
    this.#cancel = this.#scope.timeout(() => {
      this.#arm(Math.min(2 * ms, this.#maxMs));
      this.#action();
    }, ms);
  }
}
