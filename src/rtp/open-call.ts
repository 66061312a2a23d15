import type { PacketSource } from './packet-source.js';
import type { PauseGate } from './pause-gate.js';
import type { RecordedCall } from './recorded-call.js';
import type { RecordedLeg } from './recorded-leg.js';
import type { OutgoingRtcp } from './rtcp-session.js';
import { sharedClock } from './worker-protocol.js';

/** A leg and the sockets that it hears from: RTP, then RTCP; none when it is closed. */
export interface OpenLeg {
  readonly recorded: RecordedLeg;
  sources: PacketSource[];
}

/** A call that is open in a media worker. */
export interface OpenCall {
  readonly call: number;
  readonly recorded: RecordedCall;
  readonly gate: PauseGate;
  readonly legs: Map<number, OpenLeg>;
  finishing: { readonly id: number; readonly at: number; readonly due: number } | undefined;
}

/** From the port on which its answer comes (RFC 4961). */
export function sendReport({ sources }: OpenLeg, report: OutgoingRtcp | undefined): void {
  if (report) sources[report.way === 'rtp' ? 0 : 1]?.send(report.bytes, report.address, report.port);
}

/** Says goodbye on every leg that is open (RFC 3550 §6.3.7). */
export function farewell({ legs }: OpenCall): void {
  const now = sharedClock();
  for (const leg of legs.values()) if (leg.sources.length > 0) sendReport(leg, leg.recorded.rtcp.goodbye(now));
}

/** Resolves when the ports are free. */
export async function closeSources(leg: OpenLeg): Promise<void> {
  const { sources } = leg;
  leg.sources = [];
  await Promise.all(sources.map((source) => source.close()));
}
