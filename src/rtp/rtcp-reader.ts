import { ntpToEpoch, type ReportBlock, type RtcpPacket, type SenderReport } from './rtcp-packet.js';

const HEADER_BYTES = 4;
const BLOCK_BYTES = 24;
/** No honest compound is of more packets; a datagram could hold 16,000. */
const MAX_PACKETS = 64;
const SDES_CNAME = 1;
/** A receiver's question for its round trip, and the answer of a sender (RFC 3611 §4.4, §4.5). */
const XR_REFERENCE_TIME = 4;
const XR_DLRR = 5;
const XR_DLRR_BYTES = 12;

/**
 * Reads a compound RTCP datagram (RFC 3550 §6.1), a reduced-size one too (RFC 5506). Types and blocks that nobody here knows are
 * passed over (RFC 3611 §3). Undefined when a length, a version or the padding of any part is wrong: who gets one wrong is not
 * believed in the others (RFC 3550 §A.2).
 */
export function readRtcp(bytes: Uint8Array): readonly RtcpPacket[] | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const packets: RtcpPacket[] = [];
  let at = 0;
  while (at < view.byteLength) {
    const packet = packets.length < MAX_PACKETS ? readPacket(view, at) : undefined;
    if (packet === undefined) return undefined;
    packets.push(packet);
    at += HEADER_BYTES + 4 * view.getUint16(at + 2);
  }
  return packets.length > 0 ? packets : undefined;
}

function readPacket(view: DataView, at: number): RtcpPacket | undefined {
  if (at + HEADER_BYTES > view.byteLength) return undefined;
  const first = view.getUint8(at);
  const next = at + HEADER_BYTES + 4 * view.getUint16(at + 2);
  if (first >> 6 !== 2 || next > view.byteLength) return undefined;
  let end = next;
  if (first & 0x20) {
    // Only the last packet is padded; the last octet counts the padding, itself included, in whole words (§6.4.1).
    const padding = view.getUint8(next - 1);
    if (next !== view.byteLength || padding === 0 || padding % 4 !== 0) return undefined;
    end -= padding;
    if (end < at + HEADER_BYTES) return undefined;
  }
  return readBody(new DataView(view.buffer, view.byteOffset + at, end - at), view.getUint8(at + 1), first & 0x1f);
}

/** @param packet with its header, without padding; a whole number of words */
function readBody(packet: DataView, type: number, count: number): RtcpPacket | undefined {
  switch (type) {
    case 200:
      return readSenderReport(packet, count);
    case 201: {
      const blocks = readBlocks(packet, 8, count);
      return blocks && { kind: 'rr', ssrc: packet.getUint32(4), blocks };
    }
    case 202:
      return readDescription(packet, count);
    case 203:
      return readGoodbye(packet, count);
    case 204:
      return packet.byteLength < 12 ? undefined : { kind: 'app' };
    case 205:
    case 206:
      return packet.byteLength < 12 ? undefined : { kind: 'feedback' };
    case 207:
      return readExtendedReport(packet);
    default:
      // RFC 5761 §4 keeps 192 to 223 for RTCP.
      return type >= 192 && type <= 223 ? { kind: 'other' } : undefined;
  }
}

function readSenderReport(packet: DataView, count: number): SenderReport | undefined {
  const blocks = readBlocks(packet, 28, count);
  if (!blocks) return undefined;
  const [seconds, fraction] = [packet.getUint32(8), packet.getUint32(12)];
  return {
    kind: 'sr',
    ssrc: packet.getUint32(4),
    // A sender without a clock says zero (§6.4.1).
    ...(seconds === 0 && fraction === 0 ? {} : { ntpMs: ntpToEpoch(seconds, fraction) }),
    ntpMiddle: packet.getUint32(10),
    rtpTimestamp: packet.getUint32(16),
    packets: packet.getUint32(20),
    bytes: packet.getUint32(24),
    blocks,
  };
}

/** What may follow the blocks is an extension of some profile. Undefined when the packet is too short for them. */
function readBlocks(packet: DataView, from: number, count: number): ReportBlock[] | undefined {
  if (packet.byteLength < from + count * BLOCK_BYTES) return undefined;
  return Array.from({ length: count }, (_, index) => {
    const at = from + index * BLOCK_BYTES;
    return {
      ssrc: packet.getUint32(at),
      fractionLost: packet.getUint8(at + 4),
      cumulativeLost: (packet.getInt16(at + 5) << 8) | packet.getUint8(at + 7),
      highest: packet.getUint32(at + 8),
      jitter: packet.getUint32(at + 12),
      lastSr: packet.getUint32(at + 16),
      delaySinceLastSr: packet.getUint32(at + 20),
    };
  });
}

function readDescription(packet: DataView, count: number): RtcpPacket | undefined {
  const chunks: { ssrc: number; cname?: string }[] = [];
  let at = HEADER_BYTES;
  for (let n = 0; n < count; n++) {
    if (at + 4 > packet.byteLength) return undefined;
    const ssrc = packet.getUint32(at);
    let cname: string | undefined;
    at += 4;
    // Items end with a zero octet and are filled up to a word; a last chunk that ends with its packet is let pass without one.
    while (at < packet.byteLength && packet.getUint8(at) !== 0) {
      if (at + 2 > packet.byteLength) return undefined;
      const [type, length] = [packet.getUint8(at), packet.getUint8(at + 1)];
      at += 2;
      if (at + length > packet.byteLength) return undefined;
      if (type === SDES_CNAME) cname = Buffer.from(packet.buffer, packet.byteOffset + at, length).toString('utf8');
      at += length;
    }
    chunks.push({ ssrc, ...(cname === undefined ? {} : { cname }) });
    at = Math.min(packet.byteLength, (at + 4) & ~3);
  }
  return { kind: 'sdes', chunks };
}

function readGoodbye(packet: DataView, count: number): RtcpPacket | undefined {
  const end = HEADER_BYTES + 4 * count;
  if (end > packet.byteLength) return undefined;
  // A reason may follow; it is words, and nobody here reads them.
  if (end < packet.byteLength && end + 1 + packet.getUint8(end) > packet.byteLength) return undefined;
  return { kind: 'bye', sources: Array.from({ length: count }, (_, n) => packet.getUint32(HEADER_BYTES + 4 * n)) };
}

function readExtendedReport(packet: DataView): RtcpPacket | undefined {
  if (packet.byteLength < 8) return undefined;
  const delays: { ssrc: number; lastRr: number; delay: number }[] = [];
  let referenceTime: number | undefined;
  let at = 8;
  while (at < packet.byteLength) {
    const end = at + 4 + 4 * packet.getUint16(at + 2);
    if (end > packet.byteLength) return undefined;
    if (packet.getUint8(at) === XR_REFERENCE_TIME && end === at + 12) referenceTime = packet.getUint32(at + 6);
    if (packet.getUint8(at) === XR_DLRR) {
      for (let part = at + 4; part + XR_DLRR_BYTES <= end; part += XR_DLRR_BYTES) {
        delays.push({
          ssrc: packet.getUint32(part),
          lastRr: packet.getUint32(part + 4),
          delay: packet.getUint32(part + 8),
        });
      }
    }
    at = end;
  }
  return {
    kind: 'xr',
    ssrc: packet.getUint32(4),
    ...(referenceTime === undefined ? {} : { referenceTime }),
    delays,
  };
}
