import type { Gap, GapCause } from '../../src/core/gap.js';
import { type ActKind, type Epoch, PER_MS, type SentPacket } from './network-model.js';

const FIRST_PACKET_MS = 500;
const MAX_BEFORE_MS = 1000;
const TOGETHER_MS = 20;
const SEAMLESS_MS = 200;
const MAX_NEW_LAG_MS = 200;
const RESUME_TICKS = 5;
const TAIL_MS = 300;

interface Placed {
  readonly at: number;
  readonly packet: SentPacket;
}

/**
 * What the rules of `docs/explanation/timeline.md` say about one leg, from what was really sent: it knows which packets belong together
 * and what their timestamps mean, so it has no use for sequence numbers, wraps and jumps.
 */
class LegRules {
  readonly placed: Placed[] = [];
  readonly #delivered = new Set<SentPacket>();
  readonly #skipped = new Set<SentPacket>();
  readonly #starts = new Map<Epoch, number>();
  #waiting: SentPacket[] = [];
  #waitedTicks = 0;
  newestEnd = -1;
  #lags: number[] = [0];
  #heardSinceTick = false;
  #skippedEnd = -1;
  #skippedSinceTick = false;
  #floor = 0;
  #held = false;
  #paused = false;

  /** How far the newest sample is behind the present while packets flow: the lesser of two ticks, because one may have been late. */
  get #lag(): number {
    return Math.min(...this.#lags.slice(-2));
  }

  get waitingMs(): number {
    if (this.#waiting.length === 0) return 0;
    const low = Math.min(...this.#waiting.map(({ media }) => media));
    return (Math.max(...this.#waiting.map(endOf)) - low) / PER_MS;
  }

  deliver(packet: SentPacket): void {
    if (this.#held || this.#delivered.has(packet)) return;
    this.#delivered.add(packet);
    const start = this.#starts.get(packet.epoch);
    if (this.#paused) {
      this.#skipped.add(packet);
      if (start === undefined || this.#waiting.length > 0) return;
      this.#skippedEnd = Math.max(this.#skippedEnd, start + endOf(packet));
      this.#skippedSinceTick = true;
    } else if (start === undefined) {
      if (this.#waiting.length === 0) this.#waitedTicks = 0;
      this.#waiting.push(packet);
    } else this.#place(start, packet);
  }

  /** @param wall the present in samples */
  act(kind: ActKind, wall: number): void {
    if (kind === 'hold') this.#held = true;
    if (kind === 'resume') this.#held = false;
    if (kind === 'pause') {
      this.settle(wall, true);
      this.#paused = true;
    }
    if (kind === 'unpause') {
      this.#paused = false;
      this.#floor = Math.max(wall - (this.#lags.at(-1) ?? 0), this.#skippedEnd, this.newestEnd);
    }
  }

  /** A new clock is anchored when the sockets are drained; a stream that stood still gets some ticks to show which clock it is on. */
  settle(wall: number, force = false): void {
    const [first] = this.#waiting;
    if (!first) return;
    if (first.epoch.kind === 'frozen' && !force && this.#waitedTicks < RESUME_TICKS) return;
    const lag = Math.min(Math.max(this.#lag, 0), MAX_NEW_LAG_MS * PER_MS);
    let start = wall - lag - this.waitingMs * PER_MS;
    if (this.newestEnd >= 0 && Math.abs(start - this.newestEnd) <= SEAMLESS_MS * PER_MS) start = this.newestEnd;
    start = Math.max(start, this.newestEnd, 0);
    const low = Math.min(...this.#waiting.map(({ media }) => media));
    this.#starts.set(first.epoch, start - low);
    for (const packet of this.#waiting) this.#place(start - low, packet);
    this.#waiting = [];
  }

  tick(wall: number): void {
    if (this.#heardSinceTick) this.#lags.push(wall - this.newestEnd);
    else if (this.#skippedSinceTick) this.#lags = [wall - this.#skippedEnd];
    this.#heardSinceTick = false;
    this.#skippedSinceTick = false;
    this.#waitedTicks++;
  }

  #place(start: number, packet: SentPacket): void {
    const at = start + packet.media;
    if (at < this.#floor) {
      this.#skipped.add(packet);
      return;
    }
    this.placed.push({ at, packet });
    this.newestEnd = Math.max(this.newestEnd, start + endOf(packet));
    this.#heardSinceTick = true;
  }

  samples(length: number): Int16Array {
    const file = new Int16Array(length);
    for (const { at, packet } of this.placed) {
      const from = Math.max(0, -at);
      file.set(packet.samples.subarray(from, Math.max(from, length - at)), at + from);
    }
    return file;
  }

  /** @param sent all packets of the leg, to tell what a silence was */
  gaps(length: number, sent: readonly SentPacket[]): Gap[] {
    const gaps: Gap[] = [];
    const add = (from: number, to: number, cause: GapCause): void => {
      if (to <= from) return;
      const last = gaps.at(-1);
      if (last && last.cause === cause && last.endMs === from / PER_MS) {
        gaps[gaps.length - 1] = { ...last, endMs: to / PER_MS };
      } else gaps.push({ startMs: from / PER_MS, endMs: to / PER_MS, cause });
    };
    let end = 0;
    let before: SentPacket | undefined;
    let newest = 0;
    for (const { at, packet } of [...this.placed].sort((a, b) => a.at - b.at)) {
      if (at > end && before?.epoch === packet.epoch) this.#within(end, at, packet, sent, add);
      // What is no longer than a packet, before the first one or after the last, is none.
      else if (before ? at > end : at > packet.samples.length)
        add(end, at, before ? beginning(packet.epoch) : 'no_rtp');
      if (at + packet.samples.length > end) newest = packet.samples.length + Math.min(at, 0);
      end = Math.max(end, at + packet.samples.length);
      before = packet;
    }
    if (length - end > newest) add(end, length, this.#held ? 'hold' : this.#paused ? 'pause' : 'no_rtp');
    return gaps;
  }

  /** A silence between two packets of one clock: lost packets, packets of a pause, and time in which nothing was sent. */
  #within(from: number, to: number, next: SentPacket, sent: readonly SentPacket[], add: Add): void {
    const start = this.#starts.get(next.epoch) ?? 0;
    const heard = new Set(this.placed.map(({ packet }) => packet));
    let at = from;
    for (const packet of sent) {
      const place = start + packet.media;
      if (packet.epoch !== next.epoch || place < from || place >= to || heard.has(packet)) continue;
      add(at, place, 'silence_suppressed');
      at = place + packet.samples.length;
      add(place, at, this.#skipped.has(packet) ? 'pause' : 'loss');
    }
    add(at, to, 'silence_suppressed');
  }
}

type Add = (from: number, to: number, cause: GapCause) => void;

function endOf(packet: SentPacket): number {
  return packet.media + packet.samples.length;
}

function beginning({ kind }: Epoch): GapCause {
  if (kind === 'after_hold') return 'hold';
  return kind === 'frozen' ? 'no_rtp' : 'source_change';
}

/** What the rules say about a whole call. Told the same instants as the recorder, in the same order. */
export class CallRules {
  readonly legs = new Map<number, LegRules>();
  readonly #openedAt: number;
  #zero: number | undefined;
  #firstZero: number | undefined;

  constructor(legs: readonly number[], openedAt: number) {
    for (const leg of legs) this.legs.set(leg, new LegRules());
    this.#openedAt = openedAt;
  }

  deliver(leg: number, packet: SentPacket): void {
    this.legs.get(leg)?.deliver(packet);
  }

  act(leg: number, kind: ActKind, now: number): void {
    if (kind === 'pause' || kind === 'unpause') this.#begin(now, true);
    this.legs.get(leg)?.act(kind, this.#wall(now));
  }

  tick(now: number): void {
    if (!this.#begin(now, false)) return;
    for (const leg of this.legs.values()) {
      leg.settle(this.#wall(now));
      leg.tick(this.#wall(now));
    }
  }

  /** Length of the files in samples, when the end was asked for at one time and came at another. */
  finish(now: number, endedAt: number): number {
    this.#begin(now, true);
    for (const leg of this.legs.values()) leg.settle(this.#wall(now), true);
    const newest = Math.max(0, ...[...this.legs.values()].map(({ newestEnd }) => newestEnd));
    const wall = Math.max(0, this.#wall(endedAt));
    return newest >= wall - TAIL_MS * PER_MS ? newest : wall;
  }

  /** True ms of the first sample. */
  get zero(): number {
    return this.#zero ?? Number.NaN;
  }

  #wall(now: number): number {
    return Math.round((now - (this.#zero ?? 0)) * PER_MS);
  }

  #begin(now: number, force: boolean): boolean {
    if (this.#zero !== undefined) return true;
    const legs = [...this.legs.values()];
    const most = Math.max(...legs.map(({ waitingMs }) => waitingMs));
    if (most > 0) {
      const before = Math.min(most, now - this.#openedAt + MAX_BEFORE_MS);
      const first = this.#firstZero;
      this.#firstZero ??= now - before;
      if (!force && first === undefined) return false;
      this.#zero = Math.min(now - before, first ?? now);
      for (const leg of legs) if (Math.abs(before - leg.waitingMs) <= TOGETHER_MS) leg.settle(leg.waitingMs * PER_MS);
      return true;
    }
    if (!force && now - this.#openedAt < FIRST_PACKET_MS) return false;
    this.#zero = this.#openedAt;
    return true;
  }
}
