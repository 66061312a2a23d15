import type { RtpDropReason } from './metrics.js';

/**
 * What is known about the audio of one leg, from its worker to the record of the call. Every figure is optional in a record that an
 * older version wrote; a worker that died tells none.
 */
export interface LegStatistics {
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
  /** What came and is not in the file, because the disk did not take it in time. Absent when it took everything. */
  readonly unwrittenMs?: number;
}
