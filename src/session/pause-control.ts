import type { Clock } from '../core/clock.js';
import { SrsError } from '../core/errors.js';
import type { Logger } from '../core/logger.js';
import type { Metrics } from '../core/metrics.js';
import type { PauseInterval } from '../core/pause-interval.js';
import { Scope } from '../core/scope.js';
import { Turns } from '../core/turns.js';
import type { Warning } from '../core/warning.js';
import type { MediaCall, PauseInstant } from '../rtp/media-plane.js';
import { PauseBook } from './pause-book.js';
import type { PauseLimits } from './session-services.js';

/** A command to pause or resume. */
export interface PauseCommand {
  /** Absent = all legs, those to come too. */
  readonly legs?: readonly number[];
  /** `key-<n>`, `api`, `limit`. */
  readonly by: string;
  /** Kept in the record, never logged. */
  readonly reason?: string;
}

export interface PauseControlOptions {
  readonly media: () => MediaCall | undefined;
  /** Numbers of the legs that are there. */
  readonly legs: () => readonly number[];
  readonly limits?: PauseLimits;
  /** After each change: state, record, events. `resumed` when nothing is paused any more. */
  readonly changed: (change: { readonly resumed: boolean }) => void;
  readonly warn: (warning: Warning) => void;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly logger: Logger;
}

/**
 * Pauses of ours in one session. A pause is kept in mind before the media is asked for it and forgotten only after the media has
 * resumed: whatever fails, the doubt is on the side of silence. Commands are taken one after another, ahead of offers.
 */
export class PauseControl {
  readonly #options: PauseControlOptions;
  readonly #book = new PauseBook();
  /** From the first pause on. */
  #scope: Scope | undefined;
  /** False after a pause that the worker did not confirm. */
  #confirmed = true;
  readonly #turns = new Turns();
  #timers: (() => void)[] = [];
  #counted = false;
  #closed = false;

  constructor(options: PauseControlOptions) {
    this.#options = options;
  }

  get any(): boolean {
    return this.#book.any;
  }

  get intervals(): readonly PauseInterval[] {
    return this.#book.intervals;
  }

  paused(leg: number): boolean {
    return this.#book.paused(leg);
  }

  /** Resolves when nothing more is written. Throws `SRS_CALL_STATE`, `SRS_MEDIA_WORKER`. Idempotent. */
  pause(command: PauseCommand): Promise<PauseInstant> {
    return this.#turns.take(() => this.#apply(true, command));
  }

  /** Resolves when it is written again. Throws `SRS_CALL_STATE`, `SRS_MEDIA_WORKER`; then the pause goes on. Idempotent. */
  resume(command: PauseCommand): Promise<PauseInstant> {
    return this.#turns.take(() => this.#apply(false, command));
  }

  /** The recording is over: so is a pause that was not ended. */
  close(at: { readonly at: number; readonly atMs?: number }): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#book.end(at, 'end');
    this.#count(false);
    void this.#scope?.close();
  }

  async #apply(paused: boolean, command: PauseCommand): Promise<PauseInstant> {
    const { media: find, legs: list, clock, logger } = this.#options;
    const media = find();
    if (!media || this.#closed) throw new SrsError('SRS_CALL_STATE', 'the call is not being recorded any more');
    const { legs, by, reason } = command;
    const live = list();
    const unknown = legs?.find((leg) => !live.includes(leg));
    if (unknown !== undefined) throw new SrsError('SRS_CALL_STATE', `the call has no leg ${unknown} now`);
    if (!this.#book.differs(paused, legs) && (this.#confirmed || !paused)) return this.#known(media, paused, legs);
    const before = this.#book.any;
    const fresh = this.#book.differs(paused, legs);
    if (paused) this.#book.set(true, legs);
    // The last resumed leg of a whole pause ends it for the legs to come too: one command, because half of it must not fail.
    const whole = !paused && legs !== undefined && this.#book.endsBy(legs, live);
    const target = whole ? undefined : legs;
    let instant: PauseInstant;
    try {
      instant = await media.setPaused(paused, target);
    } catch (error) {
      logger.error({ paused, code: SrsError.from(error).code }, 'pause or resume not confirmed by the media worker');
      if (paused && fresh) {
        this.#confirmed = false;
        this.#book.note({ at: clock.now() }, by, live, reason);
        this.#settle(before, false);
      }
      throw error;
    }
    if (!paused) this.#book.set(false, target);
    if (fresh) this.#book.note(instant, by, list(), reason);
    else this.#book.confirm(instant);
    this.#confirmed = true;
    const fields = { atMs: instant.atMs, at: instant.at, by, ...(legs ? { legs } : {}) };
    logger.info(fields, paused ? 'recording paused' : 'recording resumed');
    this.#settle(before, !paused);
    return instant;
  }

  /** The instant of what is so already. What was never paused is recorded from the beginning of the call, and now. */
  async #known(media: MediaCall, paused: boolean, legs: readonly number[] | undefined): Promise<PauseInstant> {
    return (paused ? this.#book.since(legs) : this.#book.until(legs)) ?? (await media.setPaused(paused, legs));
  }

  #settle(before: boolean, resumed: boolean): void {
    const { any } = this.#book;
    this.#count(any);
    if (any !== before) {
      for (const cancel of this.#timers.splice(0)) cancel();
      if (any) this.#startTimers();
    }
    this.#options.changed({ resumed: resumed && !any });
  }

  #startTimers(): void {
    const { limits, warn, logger } = this.#options;
    if (!limits) return;
    const { alarmMs, limitMs } = limits;
    const forgotten = (): void => {
      logger.warn({ alarmMs }, 'a pause was not ended in time');
      warn({ code: 'pause_forgotten' });
    };
    this.#scope ??= new Scope('pause');
    this.#timers.push(this.#scope.timeout(forgotten, alarmMs));
    if (limitMs > 0) this.#timers.push(this.#scope.timeout(() => this.#endByLimit(limitMs), limitMs));
  }

  #endByLimit(limitMs: number): void {
    const { warn, logger } = this.#options;
    logger.warn({ limitMs }, 'a pause is ended by its limit');
    this.resume({ by: 'limit' }).then(
      () => warn({ code: 'pause_limit' }),
      (error: unknown) => logger.error({ code: SrsError.from(error).code }, 'a pause cannot be ended by its limit'),
    );
  }

  #count(paused: boolean): void {
    if (paused === this.#counted) return;
    this.#counted = paused;
    if (paused) this.#options.metrics.pausedCalls.inc();
    else this.#options.metrics.pausedCalls.dec();
  }
}
