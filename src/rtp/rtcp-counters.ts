import { RTCP_DROP_REASONS, RTCP_TYPES, type RtcpDropReason, type RtcpType } from '../core/metrics.js';

/** RTCP of one media worker between two reports to the main thread. */
export interface RtcpCountersDelta {
  readonly received: Readonly<Record<RtcpType, number>>;
  readonly dropped: Readonly<Record<RtcpDropReason, number>>;
  readonly sent: number;
}

export class RtcpCounters {
  received = zeros(RTCP_TYPES);
  dropped = zeros(RTCP_DROP_REASONS);
  sent = 0;

  /** What was counted since the last time, or undefined when nothing was. */
  take(): RtcpCountersDelta | undefined {
    const { received, dropped, sent } = this;
    const any = [sent, ...Object.values(received), ...Object.values(dropped)].some((count) => count > 0);
    if (!any) return undefined;
    this.received = zeros(RTCP_TYPES);
    this.dropped = zeros(RTCP_DROP_REASONS);
    this.sent = 0;
    return { received, dropped, sent };
  }
}

function zeros<T extends string>(names: readonly T[]): Record<T, number> {
  return Object.fromEntries(names.map((name) => [name, 0])) as Record<T, number>;
}
