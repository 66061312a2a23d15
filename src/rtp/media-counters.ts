import { RTP_DROP_REASONS, type RtpDropReason } from '../core/metrics.js';
import type { CutReason } from '../core/model.js';
import { RtcpCounters, type RtcpCountersDelta } from './rtcp-counters.js';

/** What a worker counts between two reports to the main thread. */
export interface MediaCountersDelta {
  readonly packets: number;
  readonly bytes: number;
  readonly lost: number;
  readonly recordingErrors: number;
  /** ms of audio that were given up, because the disk did not take them in time. */
  readonly unwrittenMs: number;
  readonly dropped: Readonly<Record<RtpDropReason, number>>;
  readonly utterances: Readonly<Record<CutReason, number>>;
  readonly rtcp?: RtcpCountersDelta;
}

export function noDrops(): Record<RtpDropReason, number> {
  return {
    ...{ malformed: 0, unknown_payload: 0, late: 0, early: 0, duplicate: 0, stranger: 0, inactive: 0, paused: 0 },
    ...{ unauthenticated: 0, replayed: 0 },
  };
}

/** The counters of one media worker: plain fields on the hot path, reported as differences. */
export class MediaCounters {
  packets = 0;
  bytes = 0;
  lost = 0;
  recordingErrors = 0;
  readonly rtcp = new RtcpCounters();
  unwrittenMs = 0;
  dropped = noDrops();
  utterances: Record<CutReason, number> = { silence: 0, max_length: 0, hold: 0, end: 0 };

  /** What was counted since the last time, or undefined when nothing was. */
  take(): MediaCountersDelta | undefined {
    const { packets, bytes, lost, recordingErrors, unwrittenMs, dropped, utterances } = this;
    const drops = RTP_DROP_REASONS.some((reason) => dropped[reason] > 0);
    const cuts = Object.values(utterances).some((count) => count > 0);
    const rtcp = this.rtcp.take();
    const counted = packets + bytes + lost + recordingErrors + unwrittenMs;
    if (counted === 0 && !drops && !cuts && !rtcp) return undefined;
    this.packets = 0;
    this.bytes = 0;
    this.lost = 0;
    this.recordingErrors = 0;
    this.unwrittenMs = 0;
    this.dropped = noDrops();
    this.utterances = { silence: 0, max_length: 0, hold: 0, end: 0 };
    const sums = { packets, bytes, lost, recordingErrors, unwrittenMs };
    return { ...sums, dropped, utterances, ...(rtcp ? { rtcp } : {}) };
  }
}
