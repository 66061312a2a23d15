import { randomInt } from 'node:crypto';
import { type Clock, systemClock } from '../core/clock.js';
import type { RtcpPacket } from '../rtp/rtcp-packet.js';
import { readRtcp } from '../rtp/rtcp-reader.js';
import { writeRtcp } from '../rtp/rtcp-writer.js';
import type { LegProtection } from './leg-protection.js';
import type { RtpStream } from './rtp-stream.js';
import type { UdpSocket } from './udp-socket.js';

/** RFC 3550 §6.2. The first goes out with the first packet, so that the SRS has the wall clock at once (RFC 6051 §2.1). */
const INTERVAL_MS = 5000;

export interface ReportsHeard {
  /** Sender reports of ours. */
  readonly sent: number;
  /** Datagrams of the SRS with a report about our stream, and what the last one said. */
  readonly received: number;
  readonly lost?: number;
  readonly jitterMs?: number;
  readonly said?: 'goodbye';
}

/** The RTCP of one leg that we send: sender reports out, receiver reports in. */
export class LegReports {
  readonly #stream: RtpStream;
  readonly #socket: UdpSocket;
  readonly #target: { readonly address: string; readonly port: number };
  readonly #cname: string;
  readonly #protection: LegProtection | undefined;
  readonly #clock: Clock;
  #nextAt = 0;
  #heard: ReportsHeard = { sent: 0, received: 0 };
  /** The question of the SRS that is to be answered next. */
  #asked: { readonly ssrc: number; readonly lastRr: number; readonly at: number } | undefined;

  /** @param socket that of RTP, when it shares it, else the one after it */
  constructor(
    stream: RtpStream,
    socket: UdpSocket,
    target: { readonly address: string; readonly port: number },
    cname: string,
    protection?: LegProtection,
    clock: Clock = systemClock,
  ) {
    this.#stream = stream;
    this.#socket = socket;
    this.#target = target;
    this.#cname = cname;
    this.#protection = protection;
    this.#clock = clock;
    socket.onMessage = (bytes) => {
      const opened = protection ? protection.openRtcp(bytes) : bytes;
      this.#take((opened && readRtcp(opened)) ?? []);
    };
  }

  get heard(): ReportsHeard {
    return this.#heard;
  }

  /** A packet has just been sent, the last of the stream so far. */
  sent(): void {
    const now = this.#clock.monotonic();
    if (now < this.#nextAt) return;
    this.#nextAt = now + (INTERVAL_MS * randomInt(500, 1500)) / 1000;
    this.#send(false);
  }

  /** Says that no more will be sent. */
  goodbye(): void {
    if (this.#heard.sent > 0) this.#send(true);
  }

  #send(bye: boolean): void {
    const { ssrc, lastTimestamp, sourcePackets: packets, sourceBytes: bytes } = this.#stream;
    const asked = this.#asked;
    this.#asked = undefined;
    const delays = asked && [{ ...asked, delay: Math.round((this.#clock.monotonic() - asked.at) * 65.536) }];
    const report = writeRtcp({
      ssrc,
      cname: this.#cname,
      blocks: [],
      sent: { epochMs: this.#clock.now(), rtpTimestamp: lastTimestamp, packets, bytes },
      ...(delays ? { delays } : {}),
      bye,
    });
    this.#heard = { ...this.#heard, sent: this.#heard.sent + 1 };
    const sealed = this.#protection ? this.#protection.sealRtcp(report) : report;
    this.#socket.send(sealed, this.#target.port, this.#target.address);
  }

  #take(packets: readonly RtcpPacket[]): void {
    for (const packet of packets) {
      if (packet.kind === 'rr') {
        const block = packet.blocks.find(({ ssrc }) => ssrc === this.#stream.ssrc);
        if (!block) continue;
        const { cumulativeLost: lost, jitter } = block;
        this.#heard = { ...this.#heard, received: this.#heard.received + 1, lost, jitterMs: jitter / 8 };
      } else if (packet.kind === 'bye') this.#heard = { ...this.#heard, said: 'goodbye' };
      else if (packet.kind === 'xr' && packet.referenceTime !== undefined) {
        this.#asked = { ssrc: packet.ssrc, lastRr: packet.referenceTime, at: this.#clock.monotonic() };
        // An answer that waits five seconds is worth as much, but a short call would be over before.
        this.#send(false);
      }
    }
  }
}
