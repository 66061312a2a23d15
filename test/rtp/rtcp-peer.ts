import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { LegRemote } from '../../src/rtp/media-plane.js';
import type { RtcpPacket } from '../../src/rtp/rtcp-packet.js';
import { readRtcp } from '../../src/rtp/rtcp-reader.js';
import { writeRtcp } from '../../src/rtp/rtcp-writer.js';
import { rtpPacket } from './rtp-sender.js';

/** A sender with its two ports, as an SRC has them: RTP and sender reports out, reports of the other side in. */
export class RtcpPeer {
  readonly heard: { readonly bytes: Buffer; readonly by: 'rtp' | 'rtcp' }[] = [];
  readonly rtp: Socket;
  readonly rtcp: Socket;
  ssrc = 0xdecafbad;
  sequence = 65_520;
  timestamp = 0xffff_f000;
  packets = 0;
  bytes = 0;

  private constructor(rtp: Socket, rtcp: Socket) {
    this.rtp = rtp;
    this.rtcp = rtcp;
    rtp.on('message', (bytes) => this.heard.push({ bytes, by: 'rtp' }));
    rtcp.on('message', (bytes) => this.heard.push({ bytes, by: 'rtcp' }));
  }

  /** @param rtpPort any by default */
  static async open(rtpPort = 0): Promise<RtcpPeer> {
    const sockets = [createSocket('udp4'), createSocket('udp4')] as const;
    for (const [index, socket] of sockets.entries()) {
      socket.bind(index === 0 ? rtpPort : 0, '127.0.0.1');
      await once(socket, 'listening');
    }
    return new RtcpPeer(...sockets);
  }

  /** As the SDP of this peer would say it. */
  get remote(): LegRemote {
    return { address: '127.0.0.1', port: this.rtp.address().port, rtcp: { port: this.rtcp.address().port } };
  }

  /** The packets of what was heard, datagram by datagram. */
  get reports(): (readonly RtcpPacket[])[] {
    return this.heard.map(({ bytes }) => readRtcp(bytes) ?? []);
  }

  /** The next packet of the stream, or one that is lost on the way. */
  async send(port: number, payload: Uint8Array, lost = false, contributors: readonly number[] = []): Promise<void> {
    const { ssrc, sequence, timestamp } = this;
    const packet = rtpPacket({ ssrc, sequence, timestamp }, payload);
    this.sequence = (sequence + 1) & 0xffff;
    this.timestamp = (timestamp + payload.length) >>> 0;
    this.packets += 1;
    this.bytes += payload.length;
    if (lost) return;
    const list = Buffer.alloc(4 * contributors.length);
    for (const [n, id] of contributors.entries()) list.writeUInt32BE(id, 4 * n);
    packet[0] = 0x80 | contributors.length;
    await post(this.rtp, Buffer.concat([packet.subarray(0, 12), list, packet.subarray(12)]), port);
  }

  /** @param port of RTCP, or of RTP when they share it */
  async report(port: number, options: { readonly mux?: boolean; readonly bye?: boolean } = {}): Promise<void> {
    const { ssrc, packets, bytes, timestamp: rtpTimestamp } = this;
    const sent = { epochMs: Date.now(), rtpTimestamp, packets, bytes };
    const datagram = writeRtcp({ ssrc, cname: 'peer@example', blocks: [], sent, bye: options.bye === true });
    await post(options.mux ? this.rtp : this.rtcp, datagram, port);
  }

  async close(): Promise<void> {
    for (const socket of [this.rtp, this.rtcp]) await new Promise<void>((done) => socket.close(() => done()));
  }
}

export function post(socket: Socket, bytes: Uint8Array, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.send(bytes, port, '127.0.0.1', (error) => (error ? reject(error) : resolve()));
  });
}
