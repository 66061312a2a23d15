import type { GapReport } from './gap.js';
import type { RtpDropReason } from './metrics.js';
import type { SrtpSuiteName } from './srtp-suite.js';

/**
 * What is known about the audio of one leg, from its worker to the record of the call. Every figure is optional in a record that an
 * older version wrote; a worker that died tells none.
 */
export interface LegStatistics extends Partial<GapReport> {
  /** Datagrams that came to its port. */
  readonly packets: number;
  readonly bytes: number;
  /** Packets that never came, by their sequence numbers. */
  readonly lost: number;
  /** Packets that came and were not written, by reason. */
  readonly dropped: Readonly<Record<RtpDropReason, number>>;
  /** Distinct SSRCs seen. */
  readonly sources: number;
  /** Call clock; absent when no RTP ever came. */
  readonly firstPacketMs?: number;
  /** Epoch ms of its first sample. */
  readonly firstSampleAt?: number;
  /** Part of the packets that should have come and never did, 0 to 1. */
  readonly lossRatio?: number;
  /** Standard deviation of the packets' delay; absent for a few packets. */
  readonly jitterMs?: number;
  /** Round trip to the sender, at most: the least that was measured. Absent unless the sender answers (RFC 3611 §4.5). */
  readonly rttMs?: number;
  /** CSRCs of mixed packets (RFC 3550 §5.1), 32 at most. */
  readonly contributors?: readonly number[];
  /**
   * What the senders say they had sent by their first report and by their last, and what had come of it by then. What their sources had
   * sent before the recording began is in both.
   */
  readonly toldBySender?: {
    readonly first: { readonly packets: number; readonly received: number };
    readonly last: { readonly packets: number; readonly received: number };
  };
  /** RTCP datagrams that were read, that were not, that were sent; distinct canonical names. Absent when there were none. */
  readonly rtcp?: {
    readonly received: number;
    readonly dropped: number;
    readonly sent: number;
    readonly names: number;
  };
  /** What came and is not in the file, because the disk did not take it in time. Absent when it took everything. */
  readonly unwrittenMs?: number;
  /** Key presses that were too many to be told; absent when there were none. */
  readonly digitsOmitted?: number;
  /** Call clock: where the leg was first ready to hear; absent when it never was. */
  readonly expectedFromMs?: number;
  /** Time in which the leg was neither held by the SRC nor paused by us. */
  readonly expectedMs?: number;
  /** Length of the audio that its packets held. */
  readonly receivedMs?: number;
  /** True when the sender sends nothing while nobody speaks: it said so by comfort noise, or its numbers go on over such times. */
  readonly silenceSuppressed?: boolean;
  /** Call clock: the first audio that is not silence; absent when all of it is. */
  readonly firstAudioMs?: number;
  /** Time in the leg's file that is not silence. */
  readonly audibleMs?: number;
  /** Share of the leg's file that is silence, gaps, holds and pauses included: 1 is an empty recording. */
  readonly silenceRatio?: number;
  /** RMS of what is not silence, in dB below full scale; absent when all is. */
  readonly levelDbfs?: number;
  /** The highest sample that was looked at, in dB below full scale; absent when all are zero. */
  readonly peakDbfs?: number;
  /** The suite of SRTP that it came with, the last one when that changed. */
  readonly srtp?: SrtpSuiteName;
  /** How much faster the sender's clock runs than ours; absent when too little came to tell. */
  readonly clockSkewPpm?: number;
  /** Samples said twice or left out, one between two packets, to keep the leg on the call clock. */
  readonly slippedSamples?: number;
  /** Hz, of its file. */
  readonly sampleRate?: number;
  /** Codecs that were heard, in the order of their first use. */
  readonly codecs?: readonly string[];
  /** Frames that ffmpeg was given and gave no samples of; absent when there were none. */
  readonly undecoded?: number;
}
