import type { Metrics } from '../core/metrics.js';
import { QUIET_WARNINGS, type Warning } from '../core/warning.js';

/** Events of warnings in one session; after them only the metric counts codes that are new. */
const MAX_TOLD = 100;

/**
 * The oddities of one session. Each is told once, because a re-INVITE every minute must not say it again, and its code counts once in
 * the metric, so that the metric is a number of sessions. Nothing is told before `start`: a call must be known before its warnings.
 */
export class SessionWarnings {
  readonly #metrics: Metrics;
  readonly #publish: (warning: Warning) => void;
  /** Texts that were told and codes that were counted. Most sessions have none. */
  #known: Set<string> | undefined;
  #told = 0;
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
      if (this.#isNew(warning.code)) this.#metrics.quirks.inc({ quirk: warning.code });
      if (QUIET_WARNINGS.has(warning.code) || this.#told >= MAX_TOLD) continue;
      if (!this.#isNew(`${warning.code} ${warning.detail ?? ''}`)) continue;
      this.#told += 1;
      this.#publish(warning);
    }
  }

  #isNew(key: string): boolean {
    this.#known ??= new Set();
    if (this.#known.has(key)) return false;
    this.#known.add(key);
    return true;
  }

  /** The call was announced: what waited is told, and the rest as it comes. */
  start(): void {
    const early = this.#early ?? [];
    this.#early = undefined;
    this.tell(early);
  }
}
