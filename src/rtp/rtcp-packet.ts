/** The packets of RTCP as they are read, without what nobody here asks for. */
export type RtcpPacket =
  | SenderReport
  | ReceiverReport
  | SourceDescription
  | Goodbye
  | ExtendedReport
  | { readonly kind: 'app' | 'feedback' | 'other' };

/** What one source is told about its packets (RFC 3550 §6.4.1). */
export interface ReportBlock {
  readonly ssrc: number;
  /** Since the report before, in 1/256. */
  readonly fractionLost: number;
  /** Since the beginning; negative when duplicates outnumber losses. */
  readonly cumulativeLost: number;
  /** The highest sequence number, with the cycles above it. */
  readonly highest: number;
  /** In units of the timestamp. */
  readonly jitter: number;
  /** The middle 32 bits of the newest SR's NTP time, 0 before any. */
  readonly lastSr: number;
  /** Between that SR and this report, in 1/65536 s. */
  readonly delaySinceLastSr: number;
}

export interface SenderReport {
  readonly kind: 'sr';
  readonly ssrc: number;
  /** Epoch ms by the sender's clock; absent when it has none and says zero. */
  readonly ntpMs?: number;
  /** The middle 32 bits of the same. */
  readonly ntpMiddle: number;
  /** The instant above on the clock of the stream. */
  readonly rtpTimestamp: number;
  /** RTP packets and payload bytes that it had sent by then. */
  readonly packets: number;
  readonly bytes: number;
  readonly blocks: readonly ReportBlock[];
}

export interface ReceiverReport {
  readonly kind: 'rr';
  readonly ssrc: number;
  readonly blocks: readonly ReportBlock[];
}

export interface SourceDescription {
  readonly kind: 'sdes';
  readonly chunks: readonly { readonly ssrc: number; readonly cname?: string }[];
}

export interface Goodbye {
  readonly kind: 'bye';
  readonly sources: readonly number[];
}

/** RFC 3611. Only what gives a receiver its round trip is read. */
export interface ExtendedReport {
  readonly kind: 'xr';
  readonly ssrc: number;
  /** The middle 32 bits of a receiver's clock, who asks for its round trip with it: §4.4. */
  readonly referenceTime?: number;
  /** When receivers sent their reference times, and how long those lay here: §4.5. */
  readonly delays: readonly { readonly ssrc: number; readonly lastRr: number; readonly delay: number }[];
}

/** Seconds from 1900, where NTP begins, to 1970. */
const NTP_TO_EPOCH = 2_208_988_800;
const TWO_32 = 2 ** 32;

/** An NTP time as epoch ms. The seconds run over in 2036: a time whose first bit is 0 is after that (RFC 4330 §3). */
export function ntpToEpoch(seconds: number, fraction: number): number {
  const since1900 = seconds < TWO_32 / 2 ? seconds + TWO_32 : seconds;
  return (since1900 - NTP_TO_EPOCH) * 1000 + (fraction * 1000) / TWO_32;
}

export interface NtpTime {
  readonly seconds: number;
  readonly fraction: number;
  /** The middle 32 bits: seconds modulo 65536, and 1/65536 s. */
  readonly middle: number;
}

/** @param epochMs may have a fraction */
export function epochToNtp(epochMs: number): NtpTime {
  const whole = Math.floor(epochMs / 1000);
  const seconds = (whole + NTP_TO_EPOCH) % TWO_32;
  const fraction = Math.min(TWO_32 - 1, Math.floor(((epochMs - whole * 1000) / 1000) * TWO_32));
  return { seconds, fraction, middle: (seconds % 0x10000) * 0x10000 + Math.floor(fraction / 0x10000) };
}
