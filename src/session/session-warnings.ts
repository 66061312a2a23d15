import type { Metrics } from '../core/metrics.js';
import { QUIET_WARNINGS, type Warning, type WarningCode } from '../core/model.js';

/** Events of warnings in one session; after them only the metric counts codes that are new. */
const MAX_TOLD = 100;

/**
 * The oddities of one session. Each is told once, because a re-INVITE every minute must not say it again, and its code counts once in
 * the metric, so that the metric is a number of sessions. Nothing is told before `start`: a call must be known before its warnings.
 */
export class SessionWarnings {
  readonly #metrics: Metrics;
  readonly #publish: (warning: Warning) => void;
  readonly #told = new Set<string>();
  readonly #counted = new Set<WarningCode>();
  #early: Warning[] | undefined = [];

  constructor(metrics: Metrics, publish: (warning: Warning) => void) {
    this.#metrics = metrics;
    this.#publish = publish;
  }

  tell(warnings: readonly Warning[]): void {
    if (this.#early) {
      this.#early.push(...warnings);
      return;
    }
    for (const warning of warnings) {
      if (!this.#counted.has(warning.code)) this.#metrics.quirks.inc({ quirk: warning.code });
      this.#counted.add(warning.code);
      if (QUIET_WARNINGS.has(warning.code)) continue;
      const key = `${warning.code} ${warning.detail ?? ''}`;
      if (this.#told.has(key) || this.#told.size >= MAX_TOLD) continue;
      this.#told.add(key);
      this.#publish(warning);
    }
  }

  /** The call was announced: what waited is told, and the rest as it comes. */
  start(): void {
    const early = this.#early ?? [];
    this.#early = undefined;
    this.tell(early);
  }
}
