import type { Scope } from '../core/scope.js';
import { type SessionInterval, sessionPatienceMs } from './session-interval.js';

/** Watches that a dialog is refreshed (RFC 4028). */
export class SessionTimer {
  readonly #scope: Scope;
  readonly #onRefreshDue: (interval: SessionInterval) => void;
  readonly #onExpired: () => void;
  #cancelRefresh: (() => void) | undefined;
  #cancelExpiry: (() => void) | undefined;

  constructor(scope: Scope, onRefreshDue: (interval: SessionInterval) => void, onExpired: () => void) {
    this.#scope = scope;
    this.#onRefreshDue = onRefreshDue;
    this.#onExpired = onExpired;
  }

  /** Begins anew with what the latest refresh agreed on; none means that the session does not expire. */
  restart(interval: SessionInterval | undefined): void {
    this.stop();
    if (interval === undefined) return;
    // Node's timers hold 2^31 ms; an interval of more than 24 days need not be watched.
    const patience = Math.min(sessionPatienceMs(interval), 2 ** 31 - 1);
    this.#cancelExpiry = this.#scope.timeout(this.#onExpired, patience);
    if (interval.refresher === 'uas') {
      this.#cancelRefresh = this.#scope.timeout(
        () => this.#onRefreshDue(interval),
        Math.min(500 * interval.seconds, 2 ** 31 - 1),
      );
    }
  }

  stop(): void {
    this.#cancelRefresh?.();
    this.#cancelExpiry?.();
    this.#cancelRefresh = undefined;
    this.#cancelExpiry = undefined;
  }
}
