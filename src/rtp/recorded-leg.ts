import { LevelMeter } from '../audio/level-meter.js';
import type { UtteranceCutter } from '../audio/utterance-cutter.js';
import type { RtpDropReason } from '../core/metrics.js';
import type { MediaFormat } from '../core/model.js';
import type { Warning } from '../core/warning.js';
import type { LegDigits } from './leg-digits.js';
import { LegSecurity } from './leg-security.js';
import { LegTimeline, type TimelineHooks } from './leg-timeline.js';
import { LegWatch, watchedFigures } from './leg-watch.js';
import { type MediaCounters, noDrops } from './media-counters.js';
import type { FinishedLeg, LegChange, LegRemote } from './media-plane.js';
import type { PauseGate } from './pause-gate.js';
import { Payload } from './payload.js';
import { type PayloadTable, payloadTable } from './payload-table.js';
import { Reception } from './reception.js';
import type { ReportBlock, SenderReport } from './rtcp-packet.js';
import { type ReportedLeg, RtcpSession } from './rtcp-session.js';
import { emptyRtpHeader, isRtcp, parseRtp } from './rtp-packet.js';
import { SequenceTracker, timestampDistance } from './sequence.js';
import { type AnnouncedSource, announcedSource, SourceLatch } from './source-latch.js';

/** libuv reads at most 32 packets of a socket per turn: that many mean that more are waiting. */
const READS_PER_TURN = 32;
/** Distinct SSRCs are counted up to this. */
const MAX_SOURCES = 1000;
/** 1 s: no packet is longer than that; a datagram may be 8 s long. */
const MAX_PAYLOAD = 8000;
/** A former SSRC is taken back only when the present one has been silent for so many ticks, so that senders on one port do not flap. */
const FORMER_SOURCE_TICKS = 2;
/** Former SSRCs that are remembered for that. */
const MAX_FORMER = 4;
/** A sender that moves behind a NAT loses a few packets; further ahead in numbers or in time than this is somebody else's guess. */
const MAX_AHEAD = 64;
const MAX_AHEAD_TIMESTAMP = 2 ** 20;
/** Fewer packets of strangers are an accident that nobody need hear of. */
const STRANGERS_TOLD = 10;
/** How long after a pause, and how far back, a packet is known by its timestamp to be one of the pause. */
const PAUSE_MEMORY_MS = 10_000;

export interface RecordedLegOptions {
  readonly leg: number;
  readonly formats: readonly MediaFormat[];
  readonly active: boolean;
  /** Place of the first sample on the call clock. */
  readonly originMs: number;
  readonly counters: MediaCounters;
  /** Whether the call is paused already; a leg of a paused call begins so. */
  readonly paused?: boolean;
  readonly gate?: PauseGate;
  /** What the SDP says about the other end. */
  readonly remote?: LegRemote | undefined;
  /** Our canonical name in RTCP. */
  readonly cname: string;
  /** Monotonic ms. */
  readonly clock: () => number;
  /** Epoch ms. */
  readonly epoch: () => number;
  readonly warn?: (warning: Warning) => void;
  readonly hooks: TimelineHooks;
  /** Makes the cutter when speech is to be cut. */
  readonly cutter?: UtteranceCutter;
  /** Hears key presses; absent when nobody asks for them. */
  readonly digits?: LegDigits;
}

const header = emptyRtpHeader();
const payload = new Payload();

/** One leg in its worker: datagrams in, samples on the timeline, figures. Knows no sockets and no files. */
export class RecordedLeg implements ReportedLeg {
  readonly leg: number;
  readonly timeline: LegTimeline;
  readonly cutter: UtteranceCutter | undefined;
  readonly digits: LegDigits | undefined;
  /** Fed by whoever hears that samples are final. */
  readonly meter: LevelMeter;
  readonly watch = new LegWatch();
  readonly #counters: MediaCounters;
  readonly rtcp: RtcpSession;
  readonly security: LegSecurity;
  readonly #reception = new Reception();
  readonly #latch: SourceLatch;
  readonly #options: RecordedLegOptions;
  #strangersTold = false;
  #tickedAt = 0;
  readonly #dropped = noDrops();
  readonly #sources = new Set<number>();
  #table: PayloadTable;
  #active: boolean;
  #paused: boolean;
  /** The newest packet that was dropped in a pause: who sent it and when it was spoken. */
  #skippedSsrc = -1;
  #skippedTimestamp = 0;
  /** Until this time of the call clock the above is remembered. */
  #rememberUntil = 0;
  #ssrc = -1;
  /** The newest first. */
  #formerSsrcs: number[] = [];
  #newestTimestamp = 0;
  #silentTicks = 0;
  #sequence = new SequenceTracker();
  #lostBefore = 0;
  #lostReported = 0;
  /** Sequence numbers that are missing since the last packet that was heard, see `GapBook.filled`. */
  #missing = 0;
  #packets = 0;
  #bytes = 0;
  #turnPackets = 0;

  constructor(options: RecordedLegOptions) {
    this.leg = options.leg;
    this.#options = options;
    this.#latch = new SourceLatch(announcedSource(options.remote));
    this.security = new LegSecurity(options.leg, options.warn);
    const { remote, cname, epoch, counters } = options;
    this.rtcp = new RtcpSession({ leg: this, remote, cname, epoch, counters: counters.rtcp, security: this.security });
    this.#counters = options.counters;
    this.#table = payloadTable(options.formats);
    this.#active = options.active;
    this.#paused = options.paused ?? false;
    this.cutter = options.cutter;
    this.digits = options.digits;
    this.digits?.accept(options.formats);
    this.timeline = new LegTimeline(options.hooks, 8000, options.originMs);
    const { gaps, present } = this.timeline;
    if (!this.#active) gaps.enter('hold', present);
    if (this.#paused) gaps.enter('pause', present);
    this.meter = new LevelMeter(this.timeline.rate, this.timeline.committed);
    this.#expect(options.originMs);
  }

  get active(): boolean {
    return this.#active;
  }

  /** Packets that never came, as far as is known now. */
  get lost(): number {
    return this.#lostBefore + this.#sequence.lost;
  }

  /** Whether the socket has more than it could hand over in this turn. Asking begins the next turn. */
  takeBacklog(): boolean {
    const more = this.#turnPackets >= READS_PER_TURN;
    this.#turnPackets = 0;
    return more;
  }

  get source(): AnnouncedSource | undefined {
    return this.#latch.source;
  }

  get ssrc(): number {
    return this.#ssrc;
  }

  reportBlock(now: number): ReportBlock | undefined {
    return this.#reception.fresh ? this.#reception.block(this.#ssrc, this.#sequence, now) : undefined;
  }

  senderReport(report: SenderReport, now: number): void {
    this.#reception.senderReport(report, now);
    if (report.ntpMs !== undefined) this.timeline.senderReport(report.rtpTimestamp, report.ntpMs);
  }

  /** Ends nothing (RFC 7866 §10), but the next source may be one that was there before, and at another address. */
  goodbye(ssrc: number): void {
    if (ssrc !== this.#ssrc) return;
    this.#formerSsrcs = [];
    this.#latch.release();
  }

  /** A datagram of the RTP port. Never throws for what a sender can put into it. */
  receive(bytes: Uint8Array, address: string, port: number): void {
    this.#turnPackets++;
    if (isRtcp(bytes)) {
      this.rtcp.receive(bytes, address, port, 'rtp', this.#options.clock());
      return;
    }
    this.#packets++;
    this.#bytes += bytes.length;
    this.#counters.packets++;
    this.#counters.bytes += bytes.length;
    const opened = this.security.inForce ? this.security.openRtp(bytes) : bytes;
    const fault = typeof opened === 'string' ? opened : this.#take(opened, address, port);
    if (fault) this.#drop(fault);
    // What must not be kept is not left lying in memory that a core dump would show.
    if (fault === 'paused' || this.#held) bytes.fill(0);
  }

  /** A datagram that nobody could read, by an exception of ours. */
  poisoned(): void {
    this.#drop('malformed');
  }

  update(change: LegChange): void {
    if (change.keys !== undefined) this.security.change(change.keys);
    if (change.formats) {
      this.#table = payloadTable(change.formats);
      this.digits?.accept(change.formats);
    }
    this.#latch.reopen(change.remote && announcedSource(change.remote));
    if (change.remote) this.rtcp.update(change.remote);
    if (change.active === undefined || change.active === this.#active) return;
    this.#active = change.active;
    this.#expect(this.#options.hooks.wallMs());
    // What is sent while on hold is not heard, so the numbering begins anew after it.
    this.#endSource();
    this.#ssrc = -1;
    this.timeline.newSource();
    const { gaps, present } = this.timeline;
    if (change.active) {
      gaps.leave('hold', present);
      this.digits?.bar();
    } else {
      gaps.enter('hold', present);
      this.silence('hold');
    }
  }

  /**
   * Begins or ends a pause of ours, which knows nothing of the SRC's hold: the leg is written when neither is there. To be called when
   * the sockets are drained.
   */
  setPaused(paused: boolean, wallMs: number): void {
    if (paused === this.#paused) return;
    if (paused) {
      this.settle(wallMs, true);
      this.#paused = true;
      this.timeline.gaps.enter('pause', this.timeline.present);
    } else {
      this.#paused = false;
      this.#rememberUntil = wallMs + PAUSE_MEMORY_MS;
      this.timeline.bar(wallMs);
      this.digits?.bar(this.timeline.floorMs);
      this.timeline.gaps.leave('pause', this.timeline.at(this.timeline.floorMs));
    }
    this.#expect(wallMs);
    // The cutter keeps nothing over the seam: neither pre-roll out of a pause nor an utterance across it.
    this.silence('hold');
  }

  /** Commits what is there, and ends the utterance and the key press in progress. */
  silence(reason: 'hold' | 'end'): void {
    this.digits?.close();
    this.timeline.commitTo(this.timeline.newestEnd);
    this.cutter?.flush(reason);
  }

  /** The leg hears no more; its file goes on as silence. */
  close(): void {
    this.#active = false;
    this.timeline.gaps.enter('absent', this.timeline.present);
    this.#expect(this.#options.hooks.wallMs());
    this.silence('end');
  }

  /** Gives the packets that wait their place. @param force whether nothing may wait on */
  settle(wallMs: number, force = false): void {
    for (let early = this.timeline.settle(wallMs, force); early > 0; early--) this.#drop('early');
    for (let barred = this.timeline.takeBarred(); barred > 0; barred--) this.#drop('paused');
  }

  tick(wallMs: number): void {
    this.#silentTicks++;
    this.security.tick();
    this.#latch.tick();
    this.#reception.tick(this.#tickedAt, wallMs);
    this.#tickedAt = wallMs;
    this.settle(wallMs);
    if (wallMs > this.#rememberUntil && !this.#paused) this.#skippedSsrc = -1;
    this.timeline.tick(wallMs, this.#active && !this.#paused);
    this.digits?.tick(wallMs);
    this.#reportLost();
  }

  /** @param recording epoch ms of the call clock's zero, and the length of the files */
  statistics(file: string, { startedAt, endMs }: { startedAt: number; endMs: number }): FinishedLeg {
    this.#endSource();
    this.#reportLost();
    const { firstStart } = this.timeline;
    const firstPacketMs = this.timeline.msAt(firstStart);
    return {
      leg: this.leg,
      packets: this.#packets,
      bytes: this.#bytes,
      lost: this.#lostBefore,
      dropped: { ...this.#dropped },
      sources: this.#sources.size,
      ...(this.digits && this.digits.omitted > 0 ? { digitsOmitted: this.digits.omitted } : {}),
      ...(firstStart >= 0 ? { firstPacketMs, firstSampleAt: Math.round(startedAt + firstPacketMs) } : {}),
      ...this.#reception.statistics(this.#lostBefore),
      ...this.rtcp.statistics(),
      ...this.security.statistics(),
      ...this.timeline.statistics(endMs),
      ...watchedFigures(this.watch, this.meter, endMs),
      file,
    };
  }

  #take(bytes: Uint8Array, address: string, port: number): RtpDropReason | undefined {
    if (!this.#active) return 'inactive';
    if (!parseRtp(bytes, header)) return 'malformed';
    const { ssrc, sequence, timestamp, payloadOffset, payloadLength } = header;
    if (payloadLength > MAX_PAYLOAD) return 'malformed';
    const table = this.#table[header.payloadType];
    if (table === undefined) return this.#unusable('unknown_payload');
    const same = ssrc === this.#ssrc;
    // A sender that has said nothing yet is there all the same.
    if (table === 'ignored' && (same || this.#ssrc < 0)) this.watch.comfort();
    if (!same && table === 'ignored') return this.#held ? 'paused' : undefined;
    if (!this.#latch.hears(address, port)) {
      const goesOn = this.security.proves || (same && this.#goesOn(sequence, timestamp));
      if (!this.#latch.accepts(address, port, goesOn)) return 'stranger';
    }
    // Events that somebody put in between have an SSRC of their own beside that of the audio, which goes on.
    if (!same && table === 'telephone-event') return this.#held ? 'paused' : this.digits?.packet(header, bytes);
    if (!same) {
      if (this.#silentTicks < FORMER_SOURCE_TICKS && this.#formerSsrcs.includes(ssrc)) return 'stranger';
      this.#follow(ssrc);
    }
    const order = this.#sequence.accept(sequence);
    if (order === 'duplicate') {
      this.#reception.duplicate();
      return 'duplicate';
    }
    if (order === 'newest') this.#newestTimestamp = timestamp;
    this.#reception.packet(timestamp, table !== 'ignored' && table !== 'telephone-event');
    if (header.contributors > 0) this.#reception.contributors(bytes, header.contributors);
    this.#silentTicks = 0;
    if (this.#missing >= 0) this.#missing = this.#sequence.missing < 0 ? -1 : this.#missing + this.#sequence.missing;
    if (this.#held) return this.#skip(ssrc, timestamp, payloadLength);
    if (table === 'ignored') this.timeline.gaps.enter('silence_suppressed', this.timeline.present);
    if (table === 'ignored' || payloadLength === 0) return undefined;
    if (this.#wasSkipped(ssrc, timestamp)) return 'paused';
    if (table === 'telephone-event') return this.digits?.packet(header, bytes);
    payload.coded(table, bytes, payloadOffset, payloadLength);
    return this.#hear(timestamp, order === 'newest');
  }

  /** Gives the packet whose payload was read to the timeline. */
  #hear(timestamp: number, newest: boolean): RtpDropReason | undefined {
    const missing = newest ? this.#missing : 0;
    if (newest) this.#missing = 0;
    const placement = this.timeline.packet(timestamp, payload, newest, missing);
    if (placement === 'barred') return 'paused';
    if (placement === 'early') return this.#unusable('early');
    if (placement === 'late') return placement;
    this.watch.packet(header.sequence, timestamp, this.timeline.msAt(payload.length), payload.clockRate);
    return undefined;
  }

  #expect(wallMs: number): void {
    this.watch.expect(this.#active && !this.#paused, wallMs);
  }

  /** What such packets would have filled is no loss, and no silence of the sender's. */
  #unusable(reason: RtpDropReason): RtpDropReason {
    const { gaps, present } = this.timeline;
    gaps.mark('unusable', present, present);
    return reason;
  }

  get #held(): boolean {
    return this.#paused || this.#options.gate?.closed(this.leg) === true;
  }

  /** A packet in a pause: its header is read, so that the stream is known when the pause ends; its payload is not. */
  #skip(ssrc: number, timestamp: number, length: number): RtpDropReason {
    if (ssrc !== this.#skippedSsrc || timestampDistance(this.#skippedTimestamp, timestamp) > 0) {
      this.#skippedSsrc = ssrc;
      this.#skippedTimestamp = timestamp;
    }
    this.timeline.skip(timestamp, length);
    this.timeline.gaps.mark('pause', this.timeline.present, this.timeline.present);
    return 'paused';
  }

  /** Whether a packet after a pause is one that was overtaken in it. */
  #wasSkipped(ssrc: number, timestamp: number): boolean {
    if (ssrc !== this.#skippedSsrc) return false;
    const ahead = timestampDistance(this.#skippedTimestamp, timestamp);
    return ahead <= 0 && ahead > -PAUSE_MEMORY_MS * 8;
  }

  /** Whether a packet of the present SSRC is what its sender would send next, which nobody knows who does not hear the stream. */
  #goesOn(sequence: number, timestamp: number): boolean {
    const ahead = this.#sequence.ahead(sequence);
    const later = timestampDistance(this.#newestTimestamp, timestamp);
    return ahead > 0 && ahead <= MAX_AHEAD && later >= 0 && later <= MAX_AHEAD_TIMESTAMP;
  }

  /** Where a timestamp lies on the call clock, in ms, when it is one of the source that is heard. */
  placeMs(ssrc: number, timestamp: number): number | undefined {
    return ssrc === this.#ssrc ? this.timeline.placeMs(timestamp) : undefined;
  }

  #follow(ssrc: number): void {
    if (this.#ssrc >= 0) {
      this.#endSource();
      this.timeline.newSource();
    }
    // A call on hold has none.
    if (this.#ssrc >= 0) this.#formerSsrcs = [this.#ssrc, ...this.#formerSsrcs].slice(0, MAX_FORMER);
    this.#formerSsrcs = this.#formerSsrcs.filter((former) => former !== ssrc);
    this.#ssrc = ssrc;
    if (this.#sources.size < MAX_SOURCES) this.#sources.add(ssrc);
  }

  #endSource(): void {
    this.#lostBefore += this.#sequence.finish();
    this.#reception.finish(this.#sequence);
    this.#missing = 0;
    this.#sequence = new SequenceTracker();
  }

  /** A counter cannot fall: packets that came after they were given up are set off against the next losses. */
  #reportLost(): void {
    const { lost } = this;
    if (lost <= this.#lostReported) return;
    this.#counters.lost += lost - this.#lostReported;
    this.#lostReported = lost;
  }

  #drop(reason: RtpDropReason): void {
    this.#dropped[reason]++;
    this.#counters.dropped[reason]++;
    if (reason !== 'stranger' || this.#strangersTold || this.#dropped.stranger < STRANGERS_TOLD) return;
    this.#strangersTold = true;
    this.#options.warn?.({ code: 'rtp_stranger', detail: `leg ${this.leg}` });
  }
}
