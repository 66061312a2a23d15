import { createSocket, type Socket } from 'node:dgram';

export interface PacketOptions {
  readonly payloadType?: number;
  readonly sequence: number;
  readonly timestamp: number;
  readonly ssrc?: number;
  readonly marker?: boolean;
}

/** The bytes of one RTP packet (RFC 3550 §5.1). */
export function rtpPacket(options: PacketOptions, payload: Uint8Array): Buffer {
  const packet = Buffer.alloc(12 + payload.length);
  packet[0] = 0x80;
  packet[1] = (options.marker ? 0x80 : 0) | (options.payloadType ?? 0);
  packet.writeUInt16BE(options.sequence & 0xffff, 2);
  packet.writeUInt32BE(options.timestamp >>> 0, 4);
  packet.writeUInt32BE((options.ssrc ?? 0x1234) >>> 0, 8);
  packet.set(payload, 12);
  return packet;
}

/** A stream of one SSRC that numbers its packets by itself, from a real UDP socket. */
export class RtpSender {
  readonly #socket: Socket = createSocket('udp4');
  readonly port: number;
  sequence: number;
  timestamp: number;
  ssrc: number;
  payloadType: number;

  constructor(
    port: number,
    options: { sequence?: number; timestamp?: number; ssrc?: number; payloadType?: number } = {},
  ) {
    this.port = port;
    this.sequence = options.sequence ?? 65_500;
    this.timestamp = options.timestamp ?? 0xffff_f000;
    this.ssrc = options.ssrc ?? 0xdecafbad;
    this.payloadType = options.payloadType ?? 0;
  }

  /** The next packet of the stream, not sent. */
  next(payload: Uint8Array): Buffer {
    const { sequence, timestamp, ssrc, payloadType } = this;
    const packet = rtpPacket({ sequence, timestamp, ssrc, payloadType }, payload);
    this.sequence = (sequence + 1) & 0xffff;
    this.timestamp = (timestamp + payload.length) >>> 0;
    return packet;
  }

  async send(payload: Uint8Array): Promise<void> {
    await this.sendRaw(this.next(payload));
  }

  sendRaw(packet: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.send(packet, this.port, '127.0.0.1', (error) => (error ? reject(error) : resolve()));
    });
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#socket.close(() => resolve());
    });
  }
}

/** Bytes that look like nothing else: every place of a stream can be told from every other. */
export function noise(length: number, seed: number): Uint8Array {
  let state = seed >>> 0 || 1;
  return Uint8Array.from({ length }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state & 0xff;
  });
}

export function pieces(payload: Uint8Array, size = 160): Uint8Array[] {
  const list: Uint8Array[] = [];
  for (let at = 0; at < payload.length; at += size) list.push(payload.subarray(at, at + size));
  return list;
}

/** Calls `send(i)` for `count` packets, `intervalMs` apart by the clock, catching up after a delay as a real sender does. */
export async function paced(count: number, intervalMs: number, send: (index: number) => Promise<void>): Promise<void> {
  const start = performance.now();
  for (let index = 0; index < count; index++) {
    const wait = start + index * intervalMs - performance.now();
    if (wait > 1) await new Promise((resolve) => setTimeout(resolve, wait));
    await send(index);
  }
}
