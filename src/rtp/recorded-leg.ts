import { LevelMeter } from '../audio/level-meter.js';
import type { RtpDropReason } from '../core/metrics.js';
import type { LegCutter } from './leg-cutter.js';
import { type DecodedLeg, LegDecoding } from './leg-decoding.js';
import type { LegDigits } from './leg-digits.js';
import { LegSecurity } from './leg-security.js';
import { LegSources } from './leg-sources.js';
import { LegTimeline } from './leg-timeline.js';
import { LegWatch, watchedFigures } from './leg-watch.js';
import { LossCount } from './loss-count.js';
import { type MediaCounters, noDrops } from './media-counters.js';
import type { FinishedLeg, LegChange } from './media-plane.js';
import { PauseMemory } from './pause-memory.js';
import { Payload } from './payload.js';
import { type PayloadTable, payloadTable, samplesOf } from './payload-table.js';
import { Reception } from './reception.js';
import { type LastingLegOptions, lastingOptions, type RecordedLegOptions } from './recorded-leg-options.js';
import type { ReportBlock, SenderReport } from './rtcp-packet.js';
import { type ReportedLeg, RtcpSession } from './rtcp-session.js';
import { emptyRtpHeader, isRtcp, parseRtp } from './rtp-packet.js';
import { timestampDistance } from './sequence.js';
import { type AnnouncedSource, announcedSource, SourceLatch } from './source-latch.js';

/** libuv reads at most 32 packets of a socket per turn: that many mean that more are waiting. */
const READS_PER_TURN = 32;
const MAX_PAYLOAD = 8000; // 1 s of G.711; a datagram may be 8 s long.
/** A former SSRC is taken back only when the present one has been silent for so many ticks, so that senders on one port do not flap. */
const FORMER_SOURCE_TICKS = 2;
/** A sender that moves behind a NAT loses a few packets; further ahead in numbers or in time than this is somebody else's guess. */
const MAX_AHEAD = 64;
const MAX_AHEAD_TIMESTAMP = 2 ** 20;
const STRANGERS_TOLD = 10;

const header = emptyRtpHeader();
const payload = new Payload();

/** One leg in its worker: datagrams in, samples on the timeline, figures. Knows no sockets and no files. */
export class RecordedLeg implements ReportedLeg, DecodedLeg {
  readonly leg: number;
  readonly timeline: LegTimeline;
  readonly cutter: LegCutter | undefined;
  readonly decoding: LegDecoding;
  readonly raise: DecodedLeg['raise'];
  readonly digits: LegDigits | undefined;
  /** Fed by whoever hears that samples are final. */
  readonly meter: LevelMeter;
  readonly watch = new LegWatch();
  readonly #counters: MediaCounters;
  readonly rtcp: RtcpSession;
  readonly security: LegSecurity;
  readonly #reception = new Reception();
  readonly #latch: SourceLatch;
  readonly #options: LastingLegOptions;
  #strangersTold = false;
  #tickedAt = 0;
  readonly #dropped = noDrops();
  readonly #sources = new LegSources();
  #table: PayloadTable;
  #active: boolean;
  #paused: boolean;
  readonly #skipped = new PauseMemory();
  #newestTimestamp = 0;
  #silentTicks = 0;
  readonly #losses = new LossCount();
  /** Sequence numbers that are missing since the last packet that was heard, see `GapBook.filled`. */
  #missing = 0;
  #packets = 0;
  #bytes = 0;
  #turnPackets = 0;

  constructor(options: RecordedLegOptions) {
    this.leg = options.leg;
    this.#options = lastingOptions(options);
    this.#latch = new SourceLatch(announcedSource(options.remote));
    this.security = new LegSecurity(options.leg, options.warn);
    const { remote, cname, epoch, counters } = options;
    this.rtcp = new RtcpSession({ leg: this, remote, cname, epoch, counters: counters.rtcp, security: this.security });
    this.#counters = options.counters;
    this.#table = payloadTable(options.formats);
    this.decoding = new LegDecoding(this, options.decoders);
    this.raise = options.raise;
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

  /** Packets that never came, as far as is known now. */
  get lost(): number {
    return this.#losses.ended + this.#losses.sequence.lost;
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
    return this.#sources.present;
  }

  reportBlock(now: number): ReportBlock | undefined {
    return this.#reception.fresh ? this.#reception.block(this.#sources.present, this.#losses.sequence, now) : undefined;
  }

  senderReport(report: SenderReport, now: number): void {
    this.#reception.senderReport(report, now);
    if (report.ntpMs !== undefined) this.timeline.senderReport(report.rtpTimestamp, report.ntpMs);
  }

  /** Ends nothing (RFC 7866 §10), but the next source may be one that was there before, and at another address. */
  goodbye(ssrc: number): void {
    if (ssrc !== this.#sources.present) return;
    this.#sources.forgetFormer();
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
    if (fault) this.drop(fault);
    // What must not be kept is not left lying in memory that a core dump would show.
    if (fault === 'paused' || this.#held) bytes.fill(0);
  }

  update(change: LegChange): void {
    if (change.keys !== undefined) this.security.change(change.keys);
    if (change.formats) {
      this.#table = payloadTable(change.formats, this.#table);
      this.digits?.accept(change.formats);
    }
    this.#latch.reopen(change.remote && announcedSource(change.remote));
    if (change.remote) this.rtcp.update(change.remote);
    if (change.active === undefined || change.active === this.#active) return;
    this.#active = change.active;
    this.#expect(this.#options.hooks.wallMs());
    // What is sent while on hold is not heard, so the numbering begins anew after it.
    this.#endSource();
    this.#sources.present = -1;
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
      this.#skipped.resumed(wallMs);
      this.timeline.bar(wallMs);
      this.digits?.bar(this.timeline.floorMs);
      this.timeline.gaps.leave('pause', this.timeline.at(this.timeline.floorMs));
    }
    this.#expect(wallMs);
    // The cutter keeps nothing over the seam: neither pre-roll out of a pause nor an utterance across it.
    this.silence('hold');
  }

  /** Commits what is there, and ends utterance and key press. */
  silence(reason: 'hold' | 'end'): void {
    this.digits?.close();
    this.timeline.commitTo(this.timeline.newestEnd);
    this.cutter?.flush(reason);
  }

  /** Frees decoders and the voice detector, and ends children. Idempotent. */
  release(): void {
    this.decoding.close();
    this.cutter?.close();
  }

  /** The leg hears no more; its file goes on as silence. */
  close(): void {
    this.#active = false;
    this.decoding.retire();
    this.timeline.gaps.enter('absent', this.timeline.present);
    this.#expect(this.#options.hooks.wallMs());
    this.silence('end');
  }

  /** Gives the packets that wait their place. @param force whether nothing may wait on */
  settle(wallMs: number, force = false): void {
    if (force) this.decoding.restart();
    for (let early = this.timeline.settle(wallMs, force); early > 0; early--) this.drop('early');
    for (let barred = this.timeline.takeBarred(); barred > 0; barred--) this.drop('paused');
  }

  tick(wallMs: number): void {
    this.#silentTicks++;
    this.security.tick();
    this.#latch.tick();
    this.#reception.tick(this.#tickedAt, wallMs);
    this.#tickedAt = wallMs;
    this.settle(wallMs);
    this.#skipped.tick(wallMs, this.#paused);
    this.timeline.tick(wallMs, this.#active && !this.#paused);
    this.digits?.tick(wallMs);
    this.#counters.lost += this.#losses.report();
  }

  statistics(file: string, { startedAt, endMs }: { startedAt: number; endMs: number }): FinishedLeg {
    this.#endSource();
    this.#counters.lost += this.#losses.report();
    const { firstStart } = this.timeline;
    const firstPacketMs = this.timeline.msAt(firstStart);
    return {
      leg: this.leg,
      packets: this.#packets,
      bytes: this.#bytes,
      lost: this.#losses.ended,
      dropped: { ...this.#dropped },
      sources: this.#sources.count,
      ...(this.digits && this.digits.omitted > 0 ? { digitsOmitted: this.digits.omitted } : {}),
      ...(firstStart >= 0 ? { firstPacketMs, firstSampleAt: Math.round(startedAt + firstPacketMs) } : {}),
      ...this.#reception.statistics(this.#losses.ended),
      ...this.rtcp.statistics(),
      ...this.security.statistics(),
      ...this.timeline.statistics(endMs),
      ...watchedFigures(this.watch, this.meter, endMs),
      ...this.decoding.statistics(),
      file,
    };
  }

  #take(bytes: Uint8Array, address: string, port: number): RtpDropReason | undefined {
    if (!this.#active) return 'inactive';
    if (!parseRtp(bytes, header)) return 'malformed';
    const { ssrc, sequence, timestamp, payloadOffset, payloadLength } = header;
    if (payloadLength > MAX_PAYLOAD) return 'malformed';
    const table = this.#table[header.payloadType];
    const audio = typeof table === 'object';
    if (table === undefined) return this.#unusable('unknown_payload');
    const same = ssrc === this.#sources.present;
    // A sender that has said nothing yet is there all the same.
    if (table === 'ignored' && (same || this.#sources.present < 0)) this.watch.comfort();
    if (!same && table === 'ignored') return this.#held ? 'paused' : undefined;
    if (!this.#latch.hears(address, port)) {
      const goesOn = this.security.proves || (same && this.#goesOn(sequence, timestamp));
      if (!this.#latch.accepts(address, port, goesOn)) return 'stranger';
    }
    // Events that somebody put in between have an SSRC of their own beside that of the audio, which goes on.
    if (!same && table === 'telephone-event') return this.#held ? 'paused' : this.digits?.packet(header, bytes);
    if (!same) {
      if (this.#silentTicks < FORMER_SOURCE_TICKS && this.#sources.wasThere(ssrc)) return 'stranger';
      this.#follow(ssrc);
    }
    const order = this.#losses.sequence.accept(sequence);
    if (order === 'duplicate') {
      this.#reception.duplicate();
      return 'duplicate';
    }
    if (order === 'newest') this.#newestTimestamp = timestamp;
    if (audio) this.#reception.clock(table.clockRate);
    this.#reception.packet(timestamp, audio);
    if (header.contributors > 0) this.#reception.contributors(bytes, header.contributors);
    this.#silentTicks = 0;
    const { missing: gap } = this.#losses.sequence;
    if (this.#missing >= 0) this.#missing = gap < 0 ? -1 : this.#missing + gap;
    if (this.#held) return this.#skip(ssrc, timestamp, audio ? samplesOf(table, payloadLength, this.timeline.rate) : 0);
    const newest = order === 'newest';
    if (!audio || payloadLength === 0) this.decoding.pass(sequence, timestamp, newest);
    if (table === 'ignored') this.timeline.gaps.enter('silence_suppressed', this.timeline.present);
    if (table === 'ignored' || payloadLength === 0) return undefined;
    if (this.#skipped.holds(ssrc, timestamp, audio ? table.clockRate : 8000)) return 'paused';
    if (table === 'telephone-event') return this.digits?.packet(header, bytes);
    if (!audio) return undefined;
    const missing = newest ? this.#missing : 0;
    if (newest) this.#missing = 0;
    if (!table.table || this.decoding.live || this.timeline.rate !== table.sampleRate) {
      return this.decoding.take(sequence, timestamp, table, bytes, payloadOffset, payloadLength, newest);
    }
    // G.711 on a narrow-band leg needs neither order nor memory: straight into the ring.
    this.decoding.note(table);
    return this.#place(
      sequence,
      timestamp,
      payload.coded(table.table, bytes, payloadOffset, payloadLength),
      newest,
      missing,
    );
  }

  hear(sequence: number, timestamp: number, decoded: Payload, missing: number): boolean {
    const fault = this.#place(sequence, timestamp, decoded, true, missing);
    if (fault) this.drop(fault);
    return !fault;
  }

  #place(
    sequence: number,
    timestamp: number,
    audio: Payload,
    newest: boolean,
    missing: number,
  ): RtpDropReason | undefined {
    const placement = this.timeline.packet(timestamp, audio, newest, missing);
    if (placement === 'barred') return 'paused';
    if (placement === 'early') return this.#unusable('early');
    if (placement === 'late') return placement;
    this.watch.packet(sequence, timestamp, this.timeline.msAt(audio.length), audio.clockRate);
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
    this.#skipped.note(ssrc, timestamp);
    this.timeline.skip(timestamp, length);
    this.timeline.gaps.mark('pause', this.timeline.present, this.timeline.present);
    return 'paused';
  }

  /** Whether a packet of the present SSRC is what its sender would send next, which nobody knows who does not hear the stream. */
  #goesOn(sequence: number, timestamp: number): boolean {
    const ahead = this.#losses.sequence.ahead(sequence);
    const later = timestampDistance(this.#newestTimestamp, timestamp);
    return ahead > 0 && ahead <= MAX_AHEAD && later >= 0 && later <= MAX_AHEAD_TIMESTAMP;
  }

  /** Where a timestamp lies on the call clock, in ms, when it is one of the source that is heard. */
  placeMs(ssrc: number, timestamp: number): number | undefined {
    return ssrc === this.#sources.present ? this.timeline.placeMs(timestamp) : undefined;
  }

  #follow(ssrc: number): void {
    if (this.#sources.present >= 0) {
      this.#endSource();
      this.timeline.newSource();
    }
    this.#sources.follow(ssrc);
  }

  #endSource(): void {
    this.decoding.restart();
    const { sequence } = this.#losses;
    this.#losses.endSource();
    this.#reception.finish(sequence);
    this.#missing = 0;
  }

  drop(reason: RtpDropReason): void {
    this.#dropped[reason]++;
    this.#counters.dropped[reason]++;
    if (reason !== 'stranger' || this.#strangersTold || this.#dropped.stranger < STRANGERS_TOLD) return;
    this.#strangersTold = true;
    this.#options.warn?.({ code: 'rtp_stranger', detail: `leg ${this.leg}` });
  }
}
