import type { GapReport } from './gap.js';

/**
 * What can be wrong with a recording although every part of it works: whoever points an SBC at us must never find an empty recording
 * without having been told. The set is closed: it is also a metric's label. `docs/explanation/assurance.md` says when each is true.
 */
export const RECORDING_PROBLEMS = [
  'no_rtp',
  'one_sided',
  'all_silence',
  'short_audio',
  'high_loss',
  'stream_unclaimed',
] as const;
export type RecordingProblem = (typeof RECORDING_PROBLEMS)[number];

/** Less audio than this share of what a leg should have had is short. */
export const SHORT_SHARE = 0.5;
/** More packets lost than this share are many … */
export const HIGH_LOSS_SHARE = 0.05;
/** … when there were as many as this, which are 2 s of 20 ms packets: fewer tell no share. */
export const LOSS_MIN_PACKETS = 100;

/** A problem of one leg and when it was there, in ms of the call clock. Without times it is said of the whole leg, at the end. */
export interface ProblemSpan {
  readonly problem: RecordingProblem;
  readonly leg: number;
  readonly fromMs?: number;
  /** Absent while it lasts, and when it lasted to the end. */
  readonly toMs?: number;
}

/**
 * Why the record cannot be sure. `media_lost`: a media worker died with the call; `no_figures`: nobody counted what came to the
 * leg; `late_begin`: the first packet came long after the leg was ready, and what was sent before, if anything was, left no trace.
 */
export const RECORDING_DOUBTS = ['media_lost', 'no_figures', 'late_begin'] as const;
export type RecordingDoubt = (typeof RECORDING_DOUBTS)[number];

/** What a finished recording says about its own completeness. */
export interface Assurance {
  /**
   * Nothing is known to be missing, and nothing is in doubt. Silence that was received is not missing, nor what a hold or a pause left out.
   * That the sender sent everything, nobody but the sender knows.
   */
  readonly complete: boolean;
  readonly problems: readonly ProblemSpan[];
  /** Packets that never came, by their sequence numbers; of all legs. */
  readonly lostPackets: number;
  /** Packets that came and could not be used: too late, too far ahead, of no format that was agreed. */
  readonly unusedPackets: number;
  /** What came and is in no leg's file, because the disk did not take it. */
  readonly unwrittenMs: number;
  /** Silence that nobody sent, by its cause; of all legs. Holds and pauses are in it too, and take nothing from `complete`. */
  readonly gapMs: GapReport['gapMs'];
  readonly doubts: readonly { readonly doubt: RecordingDoubt; readonly leg?: number }[];
}
