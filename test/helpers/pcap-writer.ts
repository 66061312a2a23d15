/**
 * RTP packets as a classic pcap file, with Ethernet, IPv4 and UDP around them, so that SIPp's `play_pcap_audio`, Wireshark
 * and tcpreplay take it. Pure: packets in, bytes out. https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap-04.html
 */
export interface CapturedPacket {
  /** Ms since the first packet. */
  readonly atMs: number;
  readonly sourcePort: number;
  readonly destinationPort: number;
  /** What UDP carries: RTP header and payload. */
  readonly payload: Uint8Array;
}

export interface CaptureOptions {
  readonly sourceAddress?: string;
  readonly destinationAddress?: string;
  /** Epoch ms of the first packet. */
  readonly startedAt?: number;
}

const GLOBAL_HEADER_BYTES = 24;
const RECORD_HEADER_BYTES = 16;
const ETHERNET_BYTES = 14;
const IP_BYTES = 20;
const UDP_BYTES = 8;
const FRAME_BYTES = ETHERNET_BYTES + IP_BYTES + UDP_BYTES;
const LINK_TYPE_ETHERNET = 1;
const MAX_UDP_PAYLOAD = 65_507;

/** Throws RangeError when a payload does not fit into UDP or an address is not IPv4. */
export function writePcap(packets: readonly CapturedPacket[], options: CaptureOptions = {}): Buffer {
  const source = ipv4Bytes(options.sourceAddress ?? '127.0.0.1');
  const destination = ipv4Bytes(options.destinationAddress ?? '127.0.0.1');
  const ordered = [...packets].sort((a, b) => a.atMs - b.atMs);
  const size = ordered.reduce((sum, { payload }) => sum + RECORD_HEADER_BYTES + FRAME_BYTES + payload.length, 0);
  const out = Buffer.alloc(GLOBAL_HEADER_BYTES + size);
  // The magic number tells microsecond times in the byte order of the writer.
  out.writeUInt32LE(0xa1b2c3d4, 0);
  out.writeUInt16LE(2, 4);
  out.writeUInt16LE(4, 6);
  out.writeUInt32LE(65_535, 16);
  out.writeUInt32LE(LINK_TYPE_ETHERNET, 20);
  let at = GLOBAL_HEADER_BYTES;
  for (const [index, packet] of ordered.entries()) {
    if (packet.payload.length > MAX_UDP_PAYLOAD) throw new RangeError(`payload of ${packet.payload.length} bytes`);
    const length = FRAME_BYTES + packet.payload.length;
    const microseconds = Math.round(((options.startedAt ?? 0) + packet.atMs) * 1000);
    out.writeUInt32LE(Math.floor(microseconds / 1_000_000), at);
    out.writeUInt32LE(microseconds % 1_000_000, at + 4);
    out.writeUInt32LE(length, at + 8);
    out.writeUInt32LE(length, at + 12);
    writeFrame(
      out.subarray(at + RECORD_HEADER_BYTES, at + RECORD_HEADER_BYTES + length),
      packet,
      source,
      destination,
      index,
    );
    at += RECORD_HEADER_BYTES + length;
  }
  return out;
}

function writeFrame(frame: Buffer, packet: CapturedPacket, source: Buffer, destination: Buffer, index: number): void {
  frame.writeUInt8(2, 0);
  frame.writeUInt8(2, 6);
  frame.writeUInt16BE(0x0800, 12);
  const ip = frame.subarray(ETHERNET_BYTES);
  ip.writeUInt8(0x45, 0);
  ip.writeUInt16BE(IP_BYTES + UDP_BYTES + packet.payload.length, 2);
  ip.writeUInt16BE(index & 0xffff, 4);
  // Don't fragment.
  ip.writeUInt16BE(0x4000, 6);
  ip.writeUInt8(64, 8);
  ip.writeUInt8(17, 9);
  source.copy(ip, 12);
  destination.copy(ip, 16);
  ip.writeUInt16BE(checksum([ip.subarray(0, IP_BYTES)]), 10);
  const udp = ip.subarray(IP_BYTES);
  udp.writeUInt16BE(packet.sourcePort, 0);
  udp.writeUInt16BE(packet.destinationPort, 2);
  udp.writeUInt16BE(UDP_BYTES + packet.payload.length, 4);
  udp.set(packet.payload, UDP_BYTES);
  const pseudo = Buffer.concat([source, destination, Buffer.from([0, 17]), udp.subarray(4, 6)]);
  // A sum of zero is sent as all ones, because zero means "no checksum" (RFC 768).
  udp.writeUInt16BE(checksum([pseudo, udp]) || 0xffff, 6);
}

/** The ones' complement sum of RFC 1071. Only the last part may have an odd length. */
function checksum(parts: readonly Buffer[]): number {
  let sum = 0;
  for (const part of parts) {
    for (let i = 0; i < part.length; i += 2) sum += ((part[i] ?? 0) << 8) | (part[i + 1] ?? 0);
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  return ~sum & 0xffff;
}

function ipv4Bytes(address: string): Buffer {
  const bytes = address.split('.').map(Number);
  if (bytes.length !== 4 || bytes.some((byte) => !Number.isInteger(byte) || byte < 0 || byte > 255)) {
    throw new RangeError(`"${address}" is not an IPv4 address`);
  }
  return Buffer.from(bytes);
}
