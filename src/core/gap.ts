/**
 * Why a stretch of a leg's file is silence that nobody sent:
 *
 * - `no_rtp`: nothing came: before the first packet, when the sender stopped, after the last one
 * - `loss`: packets that were sent, by their sequence numbers, and never came or came more than ten seconds late
 * - `silence_suppressed`: the sender sent nothing and its clock went on (DTX, comfort noise)
 * - `source_change`: between two SSRCs, or before a stream that began its clock anew
 * - `unusable`: packets came whose payload could not be used, or was not decoded
 * - `dtmf`: telephone-events were sent in place of audio
 * - `hold`: the SRC said `inactive` or `recvonly`
 * - `pause`: a command of ours
 * - `absent`: the leg was not there: not offered yet, or taken away
 * - `media_lost`: audio came and was lost by us, with a media worker that died
 * - `write_failed`: audio came and could not be written
 */
export const GAP_CAUSES = [
  'no_rtp',
  'loss',
  'silence_suppressed',
  'source_change',
  'unusable',
  'dtmf',
  'hold',
  'pause',
  'absent',
  'media_lost',
  'write_failed',
] as const;

export type GapCause = (typeof GAP_CAUSES)[number];

/** A stretch of a leg's file that is silence because nothing was there. Call clock; the end is exclusive. */
export interface Gap {
  readonly startMs: number;
  readonly endMs: number;
  readonly cause: GapCause;
}

/** The gaps of one leg. The totals are of all of them, also of those that are not listed. */
export interface GapReport {
  readonly gaps: readonly Gap[];
  /** Gaps that did not fit into the list. */
  readonly gapsOmitted: number;
  readonly gapMs: Readonly<Partial<Record<GapCause, number>>>;
}
