import { ArrivalSpread } from './arrival-spread.js';
import type { ReportBlock, SenderReport } from './rtcp-packet.js';
import type { SequenceTracker } from './sequence.js';

/** Sources are described up to this, in a record as in memory. */
const MAX_CONTRIBUTORS = 32;
/** 1/65536 s, in which RTCP tells delays. */
const UNITS_PER_MS = 65.536;

/** What senders say they sent, beside what had come of it when they said so, and in the tick in which they did. */
export interface ToldBySender {
  /** By the first report of each source, and by its last. */
  readonly first: { readonly packets: number; readonly received: number };
  readonly last: { readonly packets: number; readonly received: number };
}

/** What came of the source that a leg hears, for its reports (RFC 3550 §6.4) and for the record. Pure; per packet it adds. */
export class Reception {
  readonly spread = new ArrivalSpread();
  /** Packets of the present source, duplicates too. */
  #received = 0;
  #duplicates = 0;
  #rate = 8000;
  #priorExpected = 0;
  #priorReceived = 0;
  #lastSr = 0;
  #lastSrAt = 0;
  /** A report of the sender that came since the sockets were drained: other packets may lie before it, in another socket. */
  #saying: number | undefined;
  #first: { packets: number; received: number } | undefined;
  #last: { packets: number; received: number } | undefined;
  #told: ToldBySender | undefined;
  #expected = 0;
  #contributors: number[] = [];

  /** A packet of the present source came; its place in the order is told by `SequenceTracker`. */
  packet(timestamp: number, audio: boolean): void {
    this.#received++;
    // The packets of a telephone event have its beginning for a timestamp (RFC 4733 §2.2.1), which is not when they are due.
    if (audio) this.spread.note(timestamp);
  }

  duplicate(): void {
    this.#received++;
    this.#duplicates++;
  }

  /** The timestamps of what is heard now have another rate. */
  clock(rate: number): void {
    if (rate === this.#rate) return;
    this.#rate = rate;
    this.spread.restart(rate);
  }

  /** Whoever is named in the list of a mixed packet has spoken in it (RFC 3550 §5.1). */
  contributors(bytes: Uint8Array, count: number): void {
    for (let at = 12; at < 12 + 4 * count; at += 4) {
      const id = new DataView(bytes.buffer, bytes.byteOffset + at, 4).getUint32(0);
      if (this.#contributors.length < MAX_CONTRIBUTORS && !this.#contributors.includes(id)) this.#contributors.push(id);
    }
  }

  /** @param now monotonic ms */
  senderReport(report: SenderReport, now: number): void {
    this.#lastSr = report.ntpMiddle;
    this.#lastSrAt = now;
    this.#saying = report.packets;
  }

  /** The sockets are drained: what is here arrived after `from` and not after `to`, in ms of any one clock. */
  tick(from: number, to: number): void {
    this.spread.tick(from, to);
    this.#note();
  }

  #note(): void {
    if (this.#saying === undefined) return;
    this.#last = { packets: this.#saying, received: this.#received - this.#duplicates };
    this.#first ??= this.#last;
    this.#saying = undefined;
  }

  /**
   * The report about the present source (RFC 3550 §6.4.1, §A.3). What came is counted as it came: duplicates and late packets too, so
   * that losses can be negative.
   *
   * @param now monotonic ms
   */
  block(ssrc: number, sequence: SequenceTracker, now: number): ReportBlock {
    const { expected } = sequence;
    const due = expected - this.#priorExpected;
    const missing = due - (this.#received - this.#priorReceived);
    this.#priorExpected = expected;
    this.#priorReceived = this.#received;
    const delay = this.#lastSr === 0 ? 0 : Math.round((now - this.#lastSrAt) * UNITS_PER_MS);
    return {
      ssrc,
      fractionLost: due <= 0 || missing <= 0 ? 0 : Math.min(255, Math.floor((missing * 256) / due)),
      cumulativeLost: expected - this.#received,
      highest: sequence.highest,
      jitter: Math.round((this.spread.recentMs * this.#rate) / 1000),
      lastSr: this.#lastSr,
      delaySinceLastSr: Math.min(0xffff_ffff, Math.max(0, delay)),
    };
  }

  /** Packets since the last report. */
  get fresh(): boolean {
    return this.#received !== this.#priorReceived;
  }

  /** The source is over; another one may come. */
  finish(sequence: SequenceTracker): void {
    this.#expected += sequence.expected;
    this.#note();
    if (this.#first && this.#last) this.#told = added(this.#told, this.#first, this.#last);
    this.#received = 0;
    this.#duplicates = 0;
    this.#priorExpected = 0;
    this.#priorReceived = 0;
    this.#lastSr = 0;
    this.#first = undefined;
    this.#last = undefined;
    this.spread.restart(this.#rate);
  }

  /** Of all sources that are over. */
  statistics(lost: number): {
    readonly lossRatio?: number;
    readonly jitterMs?: number;
    readonly contributors?: readonly number[];
    readonly toldBySender?: ToldBySender;
  } {
    const { ms } = this.spread;
    return {
      ...(this.#expected > 0 ? { lossRatio: Math.round((lost / this.#expected) * 1e6) / 1e6 } : {}),
      ...(ms === undefined ? {} : { jitterMs: Math.round(ms * 10) / 10 }),
      ...(this.#contributors.length > 0 ? { contributors: this.#contributors } : {}),
      ...(this.#told ? { toldBySender: this.#told } : {}),
    };
  }
}

function added(told: ToldBySender | undefined, first: ToldBySender['first'], last: ToldBySender['last']): ToldBySender {
  if (!told) return { first, last };
  const sum = (a: ToldBySender['first'], b: ToldBySender['first']) => ({
    packets: a.packets + b.packets,
    received: a.received + b.received,
  });
  return { first: sum(told.first, first), last: sum(told.last, last) };
}
