import type { LevelMeter } from '../audio/level-meter.js';
import {
  HIGH_LOSS_SHARE,
  LOSS_MIN_PACKETS,
  type ProblemSpan,
  type RecordingProblem,
  SHORT_SHARE,
} from '../core/assurance.js';
import type { LegWatch } from './leg-watch.js';

/** How long something must be so before it is told while the call runs. `docs/explanation/assurance.md` gives the reasons. */
export interface WatchBounds {
  /** A leg without RTP. */
  readonly rtpTimeoutMs: number;
  /** A leg whose packets have held nothing but silence from the beginning. Longer than anybody is muted before the first word. */
  readonly silenceMs: number;
  /** A leg that has had less than half of its audio. */
  readonly shortMs: number;
  /** The time over which losses are reckoned. */
  readonly lossWindowMs: number;
}

export const WATCH_BOUNDS: WatchBounds = {
  rtpTimeoutMs: 30_000,
  silenceMs: 120_000,
  shortMs: 60_000,
  lossWindowMs: 10_000,
};

/** Whoever sends nothing while nobody speaks gets so much longer: a listener is no dead stream, and a dead stream is told of all the same. */
const SUPPRESSED_FACTOR = 10;
/** A leg that had less than half is told to have recovered when it has this much. */
const SHORT_OVER_SHARE = 0.6;
const HIGH_LOSS_OVER_SHARE = 0.025;

export interface WatchedLeg {
  readonly leg: number;
  readonly watch: LegWatch;
  readonly meter: LevelMeter;
  /** Packets lost so far. */
  readonly lost: number;
}

/** A problem that began, or one that is over, which then has `toMs`. */
export type ProblemChange = ProblemSpan & { readonly fromMs: number };

/**
 * What is wrong with the recording of one call while it runs. Asked about once a second; it tells changes only. Pure: the clock
 * comes with the question.
 */
export class CallWatch {
  readonly #bounds: WatchBounds;
  readonly #tell: (change: ProblemChange) => void;
  /** Of a healthy call never made. */
  #present: Map<string, ProblemChange> | undefined;

  constructor(bounds: WatchBounds, tell: (change: ProblemChange) => void) {
    this.#bounds = bounds;
    this.#tell = tell;
  }

  look(wallMs: number, legs: readonly WatchedLeg[]): void {
    const { rtpTimeoutMs } = this.#bounds;
    let expected = 0;
    let audible = 0;
    for (const { watch, meter } of legs) {
      watch.look(wallMs);
      if (!watch.expected) continue;
      expected++;
      if (meter.lastAudibleMs >= wallMs - rtpTimeoutMs) audible++;
    }
    for (const leg of legs) this.#lookAt(leg, expected > 2 && audible > 0, wallMs);
    for (const { leg, watch } of legs) this.#lookForTheOtherSide(leg, watch, audible, wallMs);
  }

  /** @param conference where whoever is silent is muted, as most are */
  #lookAt({ leg, watch, meter, lost }: WatchedLeg, conference: boolean, wallMs: number): void {
    const { rtpTimeoutMs, silenceMs, shortMs, lossWindowMs } = this.#bounds;
    const { suppressed, receivedMs, expectedFromMs, quietSinceMs } = watch;
    const factor = suppressed ? SUPPRESSED_FACTOR : 1;
    const ready = watch.expectedMs(wallMs);
    const gone = watch.expected && wallMs - quietSinceMs >= rtpTimeoutMs * factor;
    this.#set('no_rtp', leg, gone, quietSinceMs, wallMs);
    const mute = receivedMs > 0 && meter.audibleMs === 0 && !conference;
    this.#set('all_silence', leg, mute && ready >= silenceMs * factor, expectedFromMs, wallMs);
    // A stream that has stopped is told already. It is short when it is there and has had too little.
    const bound = this.#has('short_audio', leg) ? SHORT_OVER_SHARE : SHORT_SHARE;
    const short = !gone && !suppressed && receivedMs > 0 && ready >= shortMs && receivedMs < ready * bound;
    this.#set('short_audio', leg, short, expectedFromMs, wallMs);
    const loss = watch.lossOver(lossWindowMs, LOSS_MIN_PACKETS, wallMs, lost);
    if (!loss) return;
    const most = this.#has('high_loss', leg) ? HIGH_LOSS_OVER_SHARE : HIGH_LOSS_SHARE;
    this.#set('high_loss', leg, loss.share > most, loss.fromMs, wallMs);
  }

  /** One side is heard and this one is not. Whoever has been heard before is listening, as long as packets come. */
  #lookForTheOtherSide(leg: number, watch: LegWatch, audible: number, wallMs: number): void {
    const cause = this.#of('no_rtp', leg) ?? this.#of('all_silence', leg);
    const sided = watch.expected && cause !== undefined && (audible > 0 || this.#has('one_sided', leg));
    this.#set('one_sided', leg, sided, cause?.fromMs ?? 0, wallMs);
  }

  #set(problem: RecordingProblem, leg: number, there: boolean, fromMs: number, wallMs: number): void {
    const known = this.#of(problem, leg);
    if (there === (known !== undefined)) return;
    if (known) {
      this.#present?.delete(`${problem} ${leg}`);
      this.#tell({ ...known, toMs: wallMs });
      return;
    }
    const change: ProblemChange = { problem, leg, fromMs: Math.max(0, fromMs) };
    this.#present ??= new Map();
    this.#present.set(`${problem} ${leg}`, change);
    this.#tell(change);
  }

  #has(problem: RecordingProblem, leg: number): boolean {
    return this.#of(problem, leg) !== undefined;
  }

  #of(problem: RecordingProblem, leg: number): ProblemChange | undefined {
    return this.#present?.get(`${problem} ${leg}`);
  }
}
