import { Allowance } from '../core/allowance.js';
import type { CallEventDraft, DtmfPressed } from '../core/call-event.js';
import type { Clock } from '../core/clock.js';
import type { DtmfPolicy } from '../core/dtmf.js';
import type { Metrics } from '../core/metrics.js';
import type { MediaCallEvents } from '../rtp/media-plane.js';
import type { LegBook } from './leg-book.js';
import type { PauseControl } from './pause-control.js';
import type { ToldDigit } from './recorder.js';

/** Told by RTP and by INFO within this time of each other, in ms, they are one press. */
const SAME_PRESS_MS = 1500;
/** Presses that may still be told a second time. */
const MAX_RECENT = 64;
/** After a pause of ours, how long an INFO may still be about a key that was pressed in it, in ms. */
const INFO_DELAY_MS = 500;
/** INFOs that tell a key, at once and a second after that. */
const BURST = 50;
const PER_SECOND = 25;

type HeardPress = Parameters<NonNullable<MediaCallEvents['digit']>>[1];

export interface KeyPressesOptions {
  readonly policy: DtmfPolicy;
  readonly callId: string;
  readonly sessionId: string;
  /** Epoch ms that stand for the zero of the call clock until the media tells it. */
  readonly openedAt: number;
  readonly publish: (draft: CallEventDraft) => void;
  readonly legs: Pick<LegBook, 'all' | 'describe'>;
  readonly pauses: Pick<PauseControl, 'paused' | 'intervals'>;
  /** A press was too many to be told. */
  readonly omitted: () => void;
  readonly clock: Clock;
  readonly metrics: Metrics;
}

interface RecentPress {
  readonly source: DtmfPressed['source'];
  readonly leg?: number;
  readonly digit?: string;
  readonly startMs: number;
  readonly endMs: number;
}

/**
 * The keys that are pressed in one call: from the media and from SIP INFO to events, as the policy has it. A press that is told both
 * ways is one event, of whichever came first.
 */
export class KeyPresses {
  readonly #options: KeyPressesOptions;
  readonly #allowance = new Allowance(BURST, PER_SECOND);
  #startedAt: number;
  /** Presses that no other source has told yet. */
  #recent: RecentPress[] = [];
  /** What waits until the call is announced. */
  #early: CallEventDraft[] | undefined = [];

  constructor(options: KeyPressesOptions) {
    this.#options = options;
    this.#startedAt = options.openedAt;
  }

  /** The media tells the zero of the call clock. @param startedAt epoch ms */
  clockBegan(startedAt: number): void {
    this.#startedAt = startedAt;
  }

  /** The call was announced: what waited is told. */
  start(): void {
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const draft of early) this.#options.publish(draft);
  }

  /** A telephone-event ended. The media has kept the policy already, and tells no digit that must not be known. */
  heard(leg: number, press: HeardPress): void {
    const { startMs, durationMs, digit } = press;
    const endMs = startMs + durationMs;
    this.#tell({ source: 'rtp', leg, startMs, endMs, ...(digit === undefined ? {} : { digit }) }, durationMs);
  }

  /** An INFO came. It says nothing of its leg and of the time of the press: the leg is known when there is one, the time is its arrival. */
  told({ digit, durationMs }: ToldDigit): void {
    const { policy, clock, omitted } = this.#options;
    const now = clock.now();
    if (policy === 'drop' || !this.#recorded(now - (durationMs ?? 0) - INFO_DELAY_MS)) return;
    if (!this.#allowance.take(now)) {
      omitted();
      return;
    }
    const open = this.#options.legs.all.filter((one) => one.open);
    const leg = open.length === 1 ? open[0]?.leg : undefined;
    const at = Math.max(0, Math.round(now - this.#startedAt));
    this.#tell(
      {
        source: 'info',
        startMs: at,
        endMs: at,
        ...(leg === undefined ? {} : { leg }),
        ...(policy === 'store' ? { digit } : {}),
      },
      durationMs,
    );
  }

  /**
   * Whether every leg has been recorded since then (epoch ms), as far as pauses of ours go. A key that may have been pressed on a leg that
   * is on hold or paused is not told.
   */
  #recorded(since: number): boolean {
    const { legs, pauses } = this.#options;
    const open = legs.all.filter((one) => one.open);
    if (open.length === 0 || open.some(({ leg, active }) => !active || pauses.paused(leg))) return false;
    return since >= (pauses.intervals.at(-1)?.to ?? 0);
  }

  #tell(press: RecentPress, durationMs: number | undefined): void {
    const { callId, sessionId, legs, metrics, publish } = this.#options;
    const { source, leg, digit, startMs } = press;
    const twin = this.#recent.findIndex((other) => isTwin(other, press));
    if (twin >= 0) {
      this.#recent.splice(twin, 1);
      return;
    }
    this.#recent = [...this.#recent, press].slice(-MAX_RECENT);
    metrics.dtmfDigits.inc({ source });
    const draft: CallEventDraft = {
      type: 'dtmf.pressed',
      callId,
      sessionId,
      ...(leg === undefined ? {} : { leg: legs.describe(leg) }),
      ...(digit === undefined ? {} : { digit }),
      startMs,
      ...(durationMs === undefined ? {} : { durationMs }),
      source,
    };
    if (this.#early) this.#early.push(draft);
    else publish(draft);
  }
}

/** Whether two presses are one, told by two sources. Masked ones are known by their time alone. */
function isTwin(one: RecentPress, other: RecentPress): boolean {
  if (one.source === other.source || one.digit !== other.digit) return false;
  if (one.leg !== undefined && other.leg !== undefined && one.leg !== other.leg) return false;
  return one.startMs - SAME_PRESS_MS <= other.endMs && other.startMs - SAME_PRESS_MS <= one.endMs;
}
