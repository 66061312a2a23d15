import { PcmRing } from '../audio/pcm-ring.js';
import { timestampDistance } from './sequence.js';

/** G.711's clock: samples per ms. */
export const SAMPLES_PER_MS = 8;
/** 2 s: what the files may be behind. Packets that come later than that are written past the ring. */
export const RING_SAMPLES = 16_384;
/** 10 s: how far back a late packet still finds its place. */
const MAX_LATE = 80_000;
/** 100 ms: what packets may overtake each other before live users see the samples. */
const REORDER_SAMPLES = 800;
/** Ticks without a packet after which a leg is taken to be silent, and the wall clock moves it on. Ticks, so that a stall of ours is no silence. */
const IDLE_TICKS = 10;
/** 500 ms: how far behind the wall clock a silent leg is kept, for packets that come after all. */
const SILENT_BEHIND = 4000;
/** 1 s: a packet that is newest by its number and further back than this by its timestamp is on a new clock. */
const MAX_BACK = 8000;
/** 2 s: a step ahead that is believed without asking the wall clock. */
const MAX_AHEAD = 16_000;
/** 1 s: a larger step is believed when it lands this near to the wall clock: silence suppression with a running clock. */
const NEAR_WALL = 8000;
/** 300 ms: a stream that comes back is on its old clock when its newest packet lands this near to the present. */
const SAME_CLOCK = 2400;
/** Ticks that a returning stream gets to show which clock it is on: a sender that was stalled catches up within them. */
const RESUME_TICKS = 5;
/** 200 ms: a new source that begins this near to the end of the old one follows it without a seam. */
const SEAMLESS = 1600;
/** 5 s: packets further apart than this are not one run. */
const RUN_SAMPLES = 40_000;
/** Packets and samples that wait for an anchor at most: two full socket buffers. */
const MAX_WAITING = 512;
const MAX_WAITING_SAMPLES = 82_000;
/**
 * 5 s, and a sixteenth of the call: how far ahead of the wall clock a leg may be. No sender's clock is that wrong; without the bound a
 * flood, or timestamps that run away, would make the files grow without end.
 */
const MAX_EARLY = 40_000;
const EARLY_PART = 16;
/** 200 ms: what a leg that is anchored anew may be behind the wall clock, whatever it was before. */
const MAX_NEW_LAG = 1600;

export interface TimelineHooks {
  /** `[from, to)` is complete as far as live use goes. In order, without holes. */
  committed(from: number, to: number): void;
  /** A late packet changed `[from, to)` after it was committed. */
  changed(from: number, to: number): void;
  /** A late packet's samples belong at `from`, which the ring does not hold any more. */
  past(from: number, table: Int16Array, bytes: Uint8Array, offset: number, length: number): void;
  /** Slots below `before` are needed again: write them, then raise `kept`. */
  makeRoom(before: number): void;
  /** Where the call clock is now, in samples. Asked only on the rare paths. */
  wall(): number;
}

/** `late`: too old for any place; `early`: further ahead of the wall clock than any real sender; `barred`: its place lies in a pause. */
export type Placement = 'placed' | 'waiting' | 'late' | 'early' | 'barred';

interface WaitingPacket {
  readonly timestamp: number;
  readonly table: Int16Array;
  readonly payload: Uint8Array;
}

/** Packets of one source that wait for their anchor; `low` and `high` bound their samples, relative to `base`. */
interface Run {
  readonly base: number;
  readonly packets: WaitingPacket[];
  low: number;
  high: number;
}

/**
 * Where the samples of one leg lie on the call clock. A packet's place is its RTP timestamp: no queue, no jitter buffer, the payload is
 * decoded straight into the ring. Loss and pauses are the silence between. Pure: the clock is asked through a hook.
 *
 * Arrival times are only known to a tick, so the first packets of a source wait until the sockets are drained; then the newest of them
 * is taken to end now. From there on only timestamps count.
 */
export class LegTimeline {
  readonly ring: PcmRing;
  /** Lowest position that the ring must still hold for its owner. */
  kept: number;
  readonly #hooks: TimelineHooks;
  #head: number;
  #committed: number;
  #newestEnd = -1;
  #firstStart = -1;
  #anchored = false;
  #refTimestamp = 0;
  #refPosition = 0;
  #runs: Run[] = [];
  #waiting = 0;
  #waitingPayload = 0;
  #waitingTicks = 0;
  #newRun = false;
  #idleTicks = 0;
  #placedSinceTick = false;
  /** Nothing before it is written any more: the end of the last pause of ours. */
  #floor = 0;
  /** Where the newest packet of a pause would have ended, -1 before any. */
  #skippedEnd = -1;
  #skippedSinceTick = false;
  /** Packets of a replay that lay before the floor. */
  #barred = 0;
  /** How far this leg's newest sample is behind the wall clock while packets flow. */
  #lag = 0;
  /** No sample lies beyond this. Asked of the wall clock once a tick, and when something comes near it. */
  #ceiling = 0;

  /** @param origin position of the first sample: 0, or the present for a leg that joins later */
  constructor(hooks: TimelineHooks, origin = 0, capacity = RING_SAMPLES) {
    this.#hooks = hooks;
    this.ring = new PcmRing(capacity);
    this.#head = origin;
    this.#committed = origin;
    this.kept = origin;
  }

  /** End of what the ring holds; `head - ring.capacity` is its beginning. */
  get head(): number {
    return this.#head;
  }

  get committed(): number {
    return this.#committed;
  }

  /** End of the newest audio, -1 before the first. */
  get newestEnd(): number {
    return this.#newestEnd;
  }

  /** Start of the first audio, -1 before it. */
  get firstStart(): number {
    return this.#firstStart;
  }

  /** Samples that wait for an anchor. */
  get waitingSamples(): number {
    return this.#runs.reduce((sum, run) => sum + run.high - run.low, 0);
  }

  /**
   * Takes the payload of a packet that is not a duplicate. `table` decodes it; `newest` tells that no higher sequence number came before:
   * only such a packet can move the clock of the stream, others are merely late.
   */
  packet(
    timestamp: number,
    table: Int16Array,
    bytes: Uint8Array,
    offset: number,
    length: number,
    newest = true,
  ): Placement {
    if (!this.#anchored || this.#waiting > 0) return this.#wait(timestamp, table, bytes, offset, length);
    const step = timestampDistance(this.#refTimestamp, timestamp);
    const position = this.#refPosition + step;
    const end = position + length;
    if (!newest) {
      if (step > 0 || step < -MAX_LATE) return 'late';
    } else if (step < -MAX_BACK || (step > MAX_AHEAD && !this.#nearWall(end, NEAR_WALL))) {
      return this.#wait(timestamp, table, bytes, offset, length);
    } else if (this.#idleTicks >= IDLE_TICKS && !this.#nearWall(end, SAME_CLOCK)) {
      return this.#wait(timestamp, table, bytes, offset, length);
    }
    if (end > this.#ceiling && end > this.#raiseCeiling(this.#hooks.wall())) return 'early';
    if (step > 0) {
      this.#refTimestamp = timestamp;
      this.#refPosition = position;
    }
    if (position < this.#floor) return 'barred';
    return this.#place(position, table, bytes, offset, length);
  }

  /** Notes when a packet of a pause was spoken, which tells where the stream is on its clock. Of its payload only the length is known. */
  skip(timestamp: number, length: number): void {
    if (!this.#anchored || this.#waiting > 0) return;
    const end = this.#refPosition + timestampDistance(this.#refTimestamp, timestamp) + length;
    if (end <= this.#skippedEnd || !this.#nearWall(end, NEAR_WALL)) return;
    this.#skippedEnd = end;
    this.#skippedSinceTick = true;
  }

  /** A pause ends: what belongs before the present is silence for good, however late it comes. */
  bar(wall: number): void {
    this.#floor = Math.max(wall - this.#lag, this.#skippedEnd, this.#newestEnd, this.#committed);
    this.commitTo(this.#floor);
  }

  /** Packets that waited for an anchor and then lay before the end of a pause, since the last time. */
  takeBarred(): number {
    const barred = this.#barred;
    this.#barred = 0;
    return barred;
  }

  /** Another SSRC, or a leg that comes back from hold: its timestamps have nothing to do with the former ones (RFC 3550 §8). */
  newSource(): void {
    this.#anchored = false;
    this.#newRun = true;
  }

  /**
   * Anchors what waits. To be called when the sockets are drained; `force` leaves nothing waiting. Returns the number of packets that
   * were dropped because they would lie too far ahead of the wall clock.
   */
  settle(wall: number, force = false): number {
    if (this.#waiting === 0) return 0;
    const runs = this.#runs;
    const only = runs.length === 1 ? runs[0] : undefined;
    if (this.#anchored && only && this.#fitsOldClock(only)) {
      const end = this.#refPosition + timestampDistance(this.#refTimestamp, only.base) + only.high;
      const onOldClock = Math.abs(wall - this.#lag - end) <= SAME_CLOCK;
      if (!onOldClock && !force && this.#waitingTicks < RESUME_TICKS) return 0;
      if (onOldClock) {
        this.#release();
        return this.#replay(only);
      }
    }
    const lag = Math.min(Math.max(this.#lag, 0), MAX_NEW_LAG);
    let start = wall - lag - this.waitingSamples;
    if (this.#newestEnd >= 0 && Math.abs(start - this.#newestEnd) <= SEAMLESS) start = this.#newestEnd;
    start = Math.max(start, this.#newestEnd, 0);
    this.#release();
    const ceiling = this.#raiseCeiling(wall);
    let early = 0;
    for (const run of runs) {
      if (start >= ceiling) {
        early += run.packets.length;
        continue;
      }
      this.#anchored = true;
      this.#refTimestamp = (run.base + run.low) >>> 0;
      this.#refPosition = start;
      start += run.high - run.low;
      early += this.#replay(run);
    }
    return early;
  }

  /** One tick of the loop is over: commits what is old enough. `listening` is false for a leg on hold or in a pause. */
  tick(wall: number, listening: boolean): void {
    this.#raiseCeiling(wall);
    if (this.#placedSinceTick) {
      this.#idleTicks = 0;
      this.#lag = wall - this.#newestEnd;
    } else {
      if (this.#skippedSinceTick) this.#lag = wall - this.#skippedEnd;
      this.#idleTicks++;
    }
    this.#placedSinceTick = false;
    this.#skippedSinceTick = false;
    if (this.#waiting > 0) this.#waitingTicks++;
    let horizon = this.#newestEnd - REORDER_SAMPLES;
    if (!listening || (this.#idleTicks >= IDLE_TICKS && this.#waiting === 0)) {
      horizon = Math.max(horizon, wall - Math.max(0, this.#lag) - SILENT_BEHIND);
    }
    this.commitTo(horizon);
  }

  /** Commits everything up to `position`; where nothing came there is silence. */
  commitTo(position: number): void {
    while (this.#committed < position) {
      const from = this.#committed;
      const to = Math.min(position, from + (this.ring.capacity >> 1));
      this.#extend(to);
      this.#committed = to;
      this.#hooks.committed(from, to);
    }
  }

  #wait(timestamp: number, table: Int16Array, bytes: Uint8Array, offset: number, length: number): Placement {
    if (this.#waiting >= MAX_WAITING || this.#waitingPayload + length > MAX_WAITING_SAMPLES) return 'late';
    let run = this.#runs.at(-1);
    const at = run ? timestampDistance(run.base, timestamp) : 0;
    if (!run || this.#newRun || Math.abs(at) > RUN_SAMPLES) {
      if (!run) this.#waitingTicks = 0;
      run = { base: timestamp, packets: [], low: 0, high: length };
      this.#runs.push(run);
      this.#newRun = false;
    } else {
      run.low = Math.min(run.low, at);
      run.high = Math.max(run.high, at + length);
    }
    run.packets.push({ timestamp, table, payload: bytes.slice(offset, offset + length) });
    this.#waiting++;
    this.#waitingPayload += length;
    return 'waiting';
  }

  #fitsOldClock(run: Run): boolean {
    const step = timestampDistance(this.#refTimestamp, run.base);
    return step >= -MAX_BACK && step <= MAX_AHEAD;
  }

  #release(): void {
    this.#runs = [];
    this.#waiting = 0;
    this.#waitingPayload = 0;
    this.#newRun = false;
    this.#idleTicks = 0;
  }

  #replay(run: Run): number {
    let early = 0;
    for (const { timestamp, table, payload } of run.packets) {
      const placement = this.packet(timestamp, table, payload, 0, payload.length);
      if (placement === 'early') early++;
      else if (placement === 'barred') this.#barred++;
    }
    return early;
  }

  #nearWall(end: number, tolerance: number): boolean {
    return Math.abs(this.#hooks.wall() - this.#lag - end) <= tolerance;
  }

  #raiseCeiling(wall: number): number {
    this.#ceiling = wall + wall / EARLY_PART + MAX_EARLY;
    return this.#ceiling;
  }

  #place(position: number, table: Int16Array, bytes: Uint8Array, offset: number, length: number): Placement {
    const end = position + length;
    if (end > this.#head) this.#extend(end);
    this.#placedSinceTick = true;
    const before = Math.max(0, -position);
    const skip = Math.max(before, this.#head - this.ring.capacity - position);
    if (skip > before && this.#head - position <= MAX_LATE && before < length) {
      this.#hooks.past(position + before, table, bytes, offset + before, Math.min(skip, length) - before);
      if (skip >= length) return 'placed';
    }
    if (skip >= length) return 'late';
    const from = position + skip;
    this.ring.decode(from, table, bytes, offset + skip, length - skip);
    if (this.#firstStart < 0) this.#firstStart = from;
    if (end > this.#newestEnd) this.#newestEnd = end;
    if (from < this.#committed) this.#hooks.changed(from, Math.min(end, this.#committed));
    return 'placed';
  }

  /** Moves the head to `to`, over silence. What the ring would forget is committed and written first. */
  #extend(to: number): void {
    const { capacity } = this.ring;
    while (this.#head < to) {
      const next = Math.min(to, this.#head + (capacity >> 1));
      if (next - capacity > this.#committed) this.commitTo(next - capacity);
      if (next - capacity > this.kept) this.#hooks.makeRoom(next - capacity);
      this.ring.silence(this.#head, next);
      this.#head = next;
    }
  }
}
