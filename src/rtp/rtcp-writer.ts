import { epochToNtp, type ReportBlock } from './rtcp-packet.js';

/** One compound datagram of ours (RFC 3550 §6.1): a report, our canonical name, and what else there is to say. */
export interface OwnReport {
  readonly ssrc: number;
  /** At most 255 bytes of UTF-8; RFC 7022 §4.2 wants it random, because a name of a person or a host is nobody's business. */
  readonly cname: string;
  /** 31 at most. */
  readonly blocks: readonly ReportBlock[];
  /** Makes it the report of a sender. */
  readonly sent?: {
    readonly epochMs: number;
    readonly rtpTimestamp: number;
    readonly packets: number;
    readonly bytes: number;
  };
  /** Epoch ms: asks senders for the round trip (RFC 3611 §4.4). */
  readonly referenceTime?: number;
  /** Answers to such (§4.5). */
  readonly delays?: readonly { readonly ssrc: number; readonly lastRr: number; readonly delay: number }[];
  /** The last report of this source (RFC 3550 §6.6). */
  readonly bye?: boolean;
}

const [SR, RR, SDES, BYE, XR] = [200, 201, 202, 203, 207];

export function writeRtcp(report: OwnReport): Buffer {
  const parts = [reportPacket(report), description(report)];
  if (report.referenceTime !== undefined || report.delays) parts.push(extendedReport(report));
  if (report.bye) parts.push(packet(BYE, 1, word(report.ssrc)));
  return Buffer.concat(parts);
}

function reportPacket({ ssrc, blocks, sent }: OwnReport): Buffer {
  const body = [word(ssrc)];
  if (sent) {
    const { seconds, fraction } = epochToNtp(sent.epochMs);
    body.push(...[seconds, fraction, sent.rtpTimestamp, sent.packets, sent.bytes].map(word));
  }
  return packet(sent ? SR : RR, blocks.length, ...body, ...blocks.map(reportBlock));
}

function reportBlock(block: ReportBlock): Buffer {
  const bytes = Buffer.alloc(24);
  bytes.writeUInt32BE(block.ssrc, 0);
  bytes.writeUInt8(Math.min(255, Math.max(0, block.fractionLost)), 4);
  // 24 bits with a sign: what does not fit stays at the end of the range (§6.4.1).
  bytes.writeIntBE(Math.min(0x7fffff, Math.max(-0x800000, block.cumulativeLost)), 5, 3);
  bytes.writeUInt32BE(block.highest, 8);
  bytes.writeUInt32BE(block.jitter, 12);
  bytes.writeUInt32BE(block.lastSr, 16);
  bytes.writeUInt32BE(block.delaySinceLastSr, 20);
  return bytes;
}

/** One chunk of one item, ended by at least one zero octet (§6.5). */
function description({ ssrc, cname }: OwnReport): Buffer {
  const text = Buffer.from(cname, 'utf8').subarray(0, 255);
  const items = Buffer.alloc((2 + text.length + 4) & ~3);
  items.writeUInt8(1, 0);
  items.writeUInt8(text.length, 1);
  text.copy(items, 2);
  return packet(SDES, 1, word(ssrc), items);
}

function extendedReport({ ssrc, referenceTime, delays }: OwnReport): Buffer {
  const blocks: Buffer[] = [];
  if (referenceTime !== undefined) {
    const { seconds, fraction } = epochToNtp(referenceTime);
    blocks.push(Buffer.from([4, 0, 0, 2]), word(seconds), word(fraction));
  }
  if (delays) {
    blocks.push(Buffer.from([5, 0, 0, delays.length * 3]));
    for (const { ssrc: to, lastRr, delay } of delays) blocks.push(word(to), word(lastRr), word(delay));
  }
  return packet(XR, 0, word(ssrc), ...blocks);
}

function packet(type: number, count: number, ...body: readonly Buffer[]): Buffer {
  const whole = Buffer.concat([Buffer.alloc(4), ...body]);
  whole.writeUInt8(0x80 | count, 0);
  whole.writeUInt8(type, 1);
  whole.writeUInt16BE(whole.length / 4 - 1, 2);
  return whole;
}

function word(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}
