import {
  type Assurance,
  HIGH_LOSS_SHARE,
  LOSS_MIN_PACKETS,
  type ProblemSpan,
  type RecordingDoubt,
  type RecordingProblem,
  SHORT_SHARE,
} from '../core/assurance.js';
import { GAP_CAUSES, type GapCause } from '../core/gap.js';
import type { LegStatistics } from '../core/leg-statistics.js';

/** A leg as it is judged. */
export type JudgedLeg = LegStatistics & { readonly leg: number };

export interface RecordingFacts {
  readonly durationMs: number;
  readonly legs: readonly JudgedLeg[];
  /** What was told while the call ran. */
  readonly told: readonly ProblemSpan[];
  /** Legs that had audio and on which, by the metadata, nobody ever sent. */
  readonly unclaimed: readonly number[];
  /** What happened to the call as a whole. */
  readonly doubts: readonly RecordingDoubt[];
}

/** A leg that was ready for less than this is not missed. */
const MIN_READY_MS = 1_000;
/** What a whole leg is judged by when the call is over: shorter ones are all greeting and no answer. */
const MIN_JUDGED_MS = 10_000;
/** Sound of the one side that makes the other side missed. */
const MIN_OTHER_SIDE_MS = 1_000;
/** A first packet that comes so long after the leg was ready leaves open whether it was the first. */
const LATE_BEGIN_MS = 1_000;

/**
 * What a finished recording can say about its own completeness: what was told while it ran, and what only the whole call tells. Pure.
 * `docs/explanation/assurance.md` gives the reasons of the bounds.
 */
export function assessRecording(facts: RecordingFacts): Assurance {
  const { legs, told, unclaimed, durationMs } = facts;
  const problems = new Problems(told);
  // After a worker died the figures are those of the one that went on: they say nothing of whole legs.
  const whole = !facts.doubts.includes('media_lost');
  const counted = legs.filter(({ expectedMs }) => whole && expectedMs !== undefined);
  const conference = counted.length > 2 && counted.some(({ audibleMs = 0 }) => audibleMs > 0);
  for (const leg of counted) judge(leg, { durationMs, conference }, problems);
  for (const leg of counted) judgeSides(leg, counted, problems);
  for (const leg of unclaimed) problems.add('stream_unclaimed', leg);
  const doubts = doubtsOf(facts);
  const sum = (of: (leg: JudgedLeg) => number): number => legs.reduce((total, leg) => total + of(leg), 0);
  const lostPackets = sum(({ lost }) => lost);
  const unusedPackets = sum(({ dropped }) => dropped.late + dropped.early + dropped.unknown_payload);
  const unwrittenMs = sum((leg) => leg.unwrittenMs ?? 0);
  const undecoded = sum((leg) => leg.undecoded ?? 0);
  const missing = problems.all.some(({ problem }) => ['no_rtp', 'short_audio', 'high_loss'].includes(problem));
  return {
    complete: !missing && lostPackets + unusedPackets + unwrittenMs + undecoded === 0 && doubts.length === 0,
    problems: problems.all,
    lostPackets,
    unusedPackets,
    unwrittenMs,
    gapMs: gapsOf(legs),
    doubts,
  };
}

/** In a conference whoever is silent is muted, as most are. */
function judge(leg: JudgedLeg, call: { durationMs: number; conference: boolean }, problems: Problems): void {
  const { expectedMs = 0, receivedMs = 0, audibleMs = 0, silenceSuppressed: suppressed = false } = leg;
  const never = leg.firstPacketMs === undefined;
  const ready =
    leg.expectedFromMs !== undefined && expectedMs >= Math.min(MIN_READY_MS, Math.floor(call.durationMs / 2));
  if (never && !suppressed && ready) problems.add('no_rtp', leg.leg);
  const judged = expectedMs >= MIN_JUDGED_MS && !never && !suppressed;
  if (judged && audibleMs === 0 && !call.conference) problems.add('all_silence', leg.leg);
  if (judged && receivedMs < expectedMs * SHORT_SHARE) problems.add('short_audio', leg.leg);
  const sent = leg.packets + leg.lost;
  if (sent >= LOSS_MIN_PACKETS && leg.lost > sent * HIGH_LOSS_SHARE) problems.add('high_loss', leg.leg);
}

/** One side was heard, and of the other there is nothing, or nothing but silence. */
function judgeSides(leg: JudgedLeg, legs: readonly JudgedLeg[], problems: Problems): void {
  const others = legs.filter((other) => other !== leg);
  if (!others.some(({ audibleMs = 0 }) => audibleMs >= MIN_OTHER_SIDE_MS)) return;
  const absent = leg.firstPacketMs === undefined && problems.has('no_rtp', leg.leg);
  const silent = (leg.audibleMs ?? 0) === 0 && problems.has('all_silence', leg.leg);
  if (absent || silent) problems.add('one_sided', leg.leg);
}

/** A leg that nobody counted has none that are known. */
function gapsOf(legs: readonly JudgedLeg[]): Assurance['gapMs'] {
  const sums: Partial<Record<GapCause, number>> = {};
  for (const cause of GAP_CAUSES) {
    const ms = legs.reduce((total, { gapMs }) => total + (gapMs?.[cause] ?? 0), 0);
    if (ms > 0) sums[cause] = ms;
  }
  return sums;
}

function doubtsOf({ legs, doubts: known }: RecordingFacts): Assurance['doubts'] {
  const doubts: { doubt: RecordingDoubt; leg?: number }[] = known.map((doubt) => ({ doubt }));
  for (const { leg, expectedMs, expectedFromMs = 0, firstPacketMs = 0, silenceSuppressed } of legs) {
    if (expectedMs === undefined) doubts.push({ doubt: 'no_figures', leg });
    else if (!silenceSuppressed && firstPacketMs - expectedFromMs > LATE_BEGIN_MS) {
      doubts.push({ doubt: 'late_begin', leg });
    }
  }
  return doubts;
}

/** Each problem of a leg stands once, unless it came back while the call ran. */
class Problems {
  readonly all: ProblemSpan[];

  constructor(told: readonly ProblemSpan[]) {
    this.all = [...told];
  }

  has(problem: RecordingProblem, leg: number): boolean {
    return this.all.some((known) => known.problem === problem && known.leg === leg);
  }

  add(problem: RecordingProblem, leg: number): void {
    if (!this.has(problem, leg)) this.all.push({ problem, leg });
  }
}
