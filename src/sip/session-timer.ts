import type { Scope } from '../core/scope.js';
import { type SessionInterval, sessionPatienceMs } from './session-interval.js';

/** Watches that a dialog is refreshed (RFC 4028). */
export class SessionTimer {
  readonly #scope: Scope;
  readonly #onRefreshDue: (interval: SessionInterval) => void;
  readonly #onExpired: () => void;
  #interval: SessionInterval | undefined;
  #cancelRefresh: (() => void) | undefined;
  #cancelExpiry: (() => void) | undefined;

  constructor(scope: Scope, onRefreshDue: (interval: SessionInterval) => void, onExpired: () => void) {
    this.#scope = scope;
    this.#onRefreshDue = onRefreshDue;
    this.#onExpired = onExpired;
  }

  /** What is in force now. */
  get interval(): SessionInterval | undefined {
    return this.#interval;
  }

  /** Begins anew with what the latest refresh agreed on; none means that the session does not expire. */
  restart(interval: SessionInterval | undefined): void {
    this.stop();
    this.#interval = interval;
    if (interval === undefined) return;
    if (interval.expires !== false) {
      this.#cancelExpiry = this.#scope.timeout(this.#onExpired, bounded(sessionPatienceMs(interval)));
    }
    if (interval.refresher === 'uas') this.#refreshAfter(interval, 500 * interval.seconds);
  }

  /** A refresh of ours got no answer: another is due after a tenth of the interval, while the expiry draws near. */
  again(): void {
    if (this.#interval?.refresher === 'uas') this.#refreshAfter(this.#interval, 100 * this.#interval.seconds);
  }

  stop(): void {
    this.#cancelRefresh?.();
    this.#cancelExpiry?.();
    this.#cancelRefresh = undefined;
    this.#cancelExpiry = undefined;
    this.#interval = undefined;
  }

  #refreshAfter(interval: SessionInterval, ms: number): void {
    this.#cancelRefresh?.();
    this.#cancelRefresh = this.#scope.timeout(() => this.#onRefreshDue(interval), bounded(ms));
  }
}

/** Node's timers hold 2^31 ms; an interval of more than 24 days need not be watched. */
function bounded(ms: number): number {
  return Math.min(ms, 2 ** 31 - 1);
}
