import type { RtcpDropReason } from '../core/metrics.js';
import type { LegSecurity } from './leg-security.js';
import type { LegRemote } from './media-plane.js';
import { canonicalAddress } from './network-address.js';
import type { RtcpCounters } from './rtcp-counters.js';
import { epochToNtp, type ReportBlock, type RtcpPacket, type SenderReport } from './rtcp-packet.js';
import { readRtcp } from './rtcp-reader.js';
import { writeRtcp } from './rtcp-writer.js';
import type { AnnouncedSource } from './source-latch.js';

/** RFC 3550 §6.2: five seconds at least, half of it before the first, from half to one and a half of that at random (§6.3.1). */
const INTERVAL_MS = 5000;
const FIRST_MS = 2500;
/** Datagrams that are read in one tick. An honest sender needs one in five seconds. */
const PER_TICK = 8;
/** Canonical names that are told apart. */
const MAX_NAMES = 8;
/** Reference times of ours that an answer may still be about. */
const MAX_ASKED = 4;
const MS_PER_UNIT = 1 / 65.536;

/** By which socket of ours: RTCP leaves from the port on which its answers come (RFC 4961). */
export type RtcpWay = 'rtp' | 'rtcp';

export interface OutgoingRtcp {
  readonly bytes: Uint8Array;
  readonly way: RtcpWay;
  readonly address: string;
  readonly port: number;
}

/** What a report is about. */
export interface ReportedLeg {
  /** Who is heard; undefined before the first packet. */
  readonly source: AnnouncedSource | undefined;
  /** -1 before the first packet. */
  readonly ssrc: number;
  /** Undefined when nothing came since the last one. */
  reportBlock(now: number): ReportBlock | undefined;
  senderReport(report: SenderReport, now: number): void;
  /** The sender says that it stops. Nothing ends by it. */
  goodbye(ssrc: number): void;
}

export interface RtcpSessionOptions {
  readonly leg: ReportedLeg;
  readonly remote?: LegRemote | undefined;
  /** One for all legs of a call (RFC 7022 §4.2). */
  readonly cname: string;
  readonly counters: RtcpCounters;
  /** Of the leg, when it may be protected. */
  readonly security?: LegSecurity;
  /** Epoch ms. */
  readonly epoch: () => number;
  /** Below 1, at random. */
  readonly random?: () => number;
}

/** What came and went, for the record. */
export interface RtcpStatistics {
  /** Datagrams that were read, and those that were not: `malformed`, from strangers, or too many at once. */
  readonly received: number;
  readonly dropped: number;
  readonly sent: number;
  /** Distinct canonical names. The names themselves may be those of people and hosts, and are not kept. */
  readonly names: number;
}

/**
 * The RTCP of one leg: reads what its sender says, and says when to send what. Knows no sockets and no clocks.
 *
 * Nothing goes to anybody who has not sent to us: reports go to where valid RTCP came from; before that, with rtcp-mux, to where RTP comes
 * from, and without it to the RTCP port of the SDP when RTP comes from that very address. A leg that nobody sends to sends nothing, and
 * one that is on hold goes on, which keeps the way through a NAT open (RFC 6263 §4.1).
 */
export class RtcpSession {
  readonly #options: RtcpSessionOptions;
  readonly #random: () => number;
  #remote: LegRemote | undefined;
  /** Where the SDP wants RTCP. */
  #announced: AnnouncedSource | undefined;
  /** Where RTCP came from last. */
  #peer: { readonly address: string; readonly port: number; readonly way: RtcpWay } | undefined;
  #ssrc: number;
  #nextAt = Number.NaN;
  #budget = PER_TICK;
  #received = 0;
  #dropped = 0;
  #sent = 0;
  #names: Set<string> | undefined;
  #asked: { readonly middle: number; readonly at: number }[] = [];
  #roundTripMs: number | undefined;

  constructor(options: RtcpSessionOptions) {
    this.#options = options;
    this.#random = options.random ?? Math.random;
    this.#ssrc = this.#newSsrc();
    this.update(options.remote);
  }

  /** A new offer. */
  update(remote: LegRemote | undefined): void {
    this.#remote = remote;
    const address = canonicalAddress(remote?.rtcp?.address ?? remote?.address);
    const port = remote?.rtcp?.port ?? (remote?.port ?? 0) + 1;
    this.#announced = address !== undefined && port > 1 && port < 65_536 ? { address, port } : undefined;
  }

  /** A datagram that is RTCP or came to the port for it. Never throws for what is in it. @param now monotonic ms */
  receive(bytes: Uint8Array, address: string, port: number, way: RtcpWay, now: number): void {
    if (!this.#isKnown(address)) this.#drop('stranger');
    else if (this.#budget <= 0) this.#drop('flood');
    else {
      this.#budget--;
      const { security } = this.#options;
      const opened = security ? security.openRtcp(bytes) : bytes;
      const packets = opened && readRtcp(opened);
      if (!opened) this.#drop('unauthenticated');
      else if (!packets) this.#drop('malformed');
      else {
        this.#received++;
        this.#peer = { address, port, way };
        for (const packet of packets) this.#take(packet, now);
      }
    }
  }

  /** One tick of the loop is over; returns what is to be sent. @param now monotonic ms */
  tick(now: number): OutgoingRtcp | undefined {
    this.#budget = PER_TICK;
    if (Number.isNaN(this.#nextAt)) {
      if (this.#options.leg.source || this.#peer) this.#nextAt = now + FIRST_MS * (0.5 + this.#random());
      return undefined;
    }
    if (now < this.#nextAt) return undefined;
    this.#nextAt = now + INTERVAL_MS * (0.5 + this.#random());
    return this.#report(now, false);
  }

  /** The last report, with a BYE; nothing when there never was one (RFC 3550 §6.3.7). */
  goodbye(now: number): OutgoingRtcp | undefined {
    return this.#sent > 0 ? this.#report(now, true) : undefined;
  }

  statistics(): { readonly rtcp?: RtcpStatistics; readonly rttMs?: number } {
    const [received, dropped, sent, names] = [this.#received, this.#dropped, this.#sent, this.#names?.size ?? 0];
    const rtt = this.#roundTripMs;
    return {
      ...(received + dropped + sent > 0 ? { rtcp: { received, dropped, sent, names } } : {}),
      ...(rtt === undefined ? {} : { rttMs: Math.round(rtt * 10) / 10 }),
    };
  }

  #take(packet: RtcpPacket, now: number): void {
    this.#options.counters.received[packet.kind]++;
    const { leg } = this.#options;
    switch (packet.kind) {
      case 'sr':
        if (packet.ssrc === leg.ssrc) leg.senderReport(packet, now);
        return;
      case 'sdes':
        for (const { cname } of packet.chunks) {
          if (cname === undefined) continue;
          this.#names ??= new Set();
          if (this.#names.size < MAX_NAMES) this.#names.add(cname);
        }
        return;
      case 'bye':
        for (const ssrc of packet.sources) leg.goodbye(ssrc);
        return;
      case 'xr':
        for (const answer of packet.delays) {
          if (answer.ssrc === this.#ssrc) this.#answered(answer.lastRr, answer.delay, now);
        }
    }
  }

  /** What the sender kept of the round trip is not part of it; what the answer waited for our tick is, and the least of all is told. */
  #answered(middle: number, delay: number, now: number): void {
    const asked = this.#asked.find((one) => one.middle === middle);
    if (!asked) return;
    const ms = Math.max(0, now - asked.at - delay * MS_PER_UNIT);
    this.#roundTripMs = Math.min(ms, this.#roundTripMs ?? ms);
  }

  #report(now: number, bye: boolean): OutgoingRtcp | undefined {
    const to = this.#destination();
    if (!to) return undefined;
    const { leg, cname, counters, epoch, security } = this.#options;
    // RFC 3550 §8.2: two who have one number cannot be told apart.
    if (this.#ssrc === leg.ssrc) this.#ssrc = this.#newSsrc();
    const block = leg.reportBlock(now);
    const asks = this.#remote?.rtcp?.roundTrip === true && !bye;
    const referenceTime = epoch();
    if (asks) {
      const { middle } = epochToNtp(referenceTime);
      this.#asked = [...this.#asked.slice(1 - MAX_ASKED), { middle, at: now }];
    }
    const bytes = writeRtcp({
      ssrc: this.#ssrc,
      cname,
      blocks: block ? [block] : [],
      ...(asks ? { referenceTime } : {}),
      bye,
    });
    this.#sent++;
    counters.sent++;
    return { bytes: security ? security.sealRtcp(bytes) : bytes, ...to };
  }

  #destination(): Omit<OutgoingRtcp, 'bytes'> | undefined {
    const { source } = this.#options.leg;
    const rtcp = this.#remote?.rtcp;
    if (rtcp?.unwanted === true) return undefined;
    // The source may have moved away from where its RTCP came from.
    if (this.#peer && !this.#isKnown(this.#peer.address)) this.#peer = undefined;
    // What shares the port of RTP moves with it.
    if (source && (this.#peer ? this.#peer.way === 'rtp' : rtcp?.mux === true)) return { ...source, way: 'rtp' };
    if (this.#peer) return this.#peer;
    const told = this.#announced;
    const same = source && told && canonicalAddress(source.address) === told.address;
    return same ? { ...told, way: 'rtcp' } : undefined;
  }

  /** RTCP is believed from where RTP comes, and from where the SDP says that RTCP does. */
  #isKnown(address: string): boolean {
    const plain = canonicalAddress(address);
    const { source } = this.#options.leg;
    return plain === this.#announced?.address || (source !== undefined && plain === canonicalAddress(source.address));
  }

  #drop(reason: RtcpDropReason): void {
    this.#dropped++;
    this.#options.counters.dropped[reason]++;
  }

  #newSsrc(): number {
    return Math.floor(this.#random() * 2 ** 32);
  }
}
