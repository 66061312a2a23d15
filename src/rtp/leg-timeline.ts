import { PcmRing } from '../audio/pcm-ring.js';
import { checkedRate, RATE_UNIT, ringSamples } from './leg-rate.js';
import type { Payload } from './payload.js';
import { timestampDistance } from './sequence.js';
import { type Run, WaitingRoom } from './waiting-room.js';

/** How far back a late packet still finds its place. */
const MAX_LATE_MS = 10_000;
/** What packets may overtake each other before live users see the samples. */
const REORDER_MS = 100;
/** Ticks without a packet after which a leg is taken to be silent, and the wall clock moves it on. Ticks, so that a stall of ours is no silence. */
const IDLE_TICKS = 10;
/** How far behind the wall clock a silent leg is kept, for packets that come after all. */
const SILENT_BEHIND_MS = 500;
/** A packet that is newest by its number and further back than this by its timestamp is on a new clock. */
const MAX_BACK_MS = 1000;
/** A step ahead that is believed without asking the wall clock. */
const MAX_AHEAD_MS = 2000;
/** A larger step is believed when it lands this near to the wall clock: silence suppression with a running clock. */
const NEAR_WALL_MS = 1000;
/** A stream that comes back is on its old clock when its newest packet lands this near to the present. */
const SAME_CLOCK_MS = 300;
/** Ticks that a returning stream gets to show which clock it is on: a sender that was stalled catches up within them. */
const RESUME_TICKS = 5;
/** A new source that begins this near to the end of the old one follows it without a seam. */
const SEAMLESS_MS = 200;
/** And a sixteenth of the call: how far ahead of the wall clock a leg may be. No sender's clock is that wrong; a flood's may be. */
const MAX_EARLY_MS = 5000;
const EARLY_PART = 16;
/** What a leg that is anchored anew may be behind the wall clock, whatever it was before. */
const MAX_NEW_LAG_MS = 200;

export interface TimelineHooks {
  /** `[from, to)` is complete as far as live use goes. In order, without holes. */
  committed(from: number, to: number): void;
  /** A late packet changed `[from, to)` after it was committed. */
  changed(from: number, to: number): void;
  /** The first `length` samples of a late packet belong at `from`, which the ring does not hold any more; `first` are left out before them. */
  past(from: number, payload: Payload, first: number, length: number): void;
  /** Slots below `before` are needed again: write them, then raise `kept`. */
  makeRoom(before: number): void;
  /** Where the call clock is now, in ms. Asked only on the rare paths. */
  wallMs(): number;
}

/** `late`: too old for any place; `early`: further ahead of the wall clock than any real sender; `barred`: its place lies in a pause. */
export type Placement = 'placed' | 'waiting' | 'late' | 'early' | 'barred';

/**
 * Where the samples of one leg lie on the call clock. A packet's place is its RTP timestamp: no queue, no jitter buffer, the payload is
 * decoded straight into the ring. Loss and pauses are the silence between. Pure: the clock is asked through a hook.
 *
 * Places are in samples of the leg, the call clock is in ms, and timestamps count the clock of the payload type. Legs of different
 * rates share the call clock.
 *
 * Arrival times are only known to a tick, so the first packets of a source wait until the sockets are drained; then the newest of them
 * is taken to end now. From there on only timestamps count.
 */
export class LegTimeline {
  readonly #hooks: TimelineHooks;
  #ring: PcmRing;
  #rate: number;
  /** Samples per ms. */
  #perMs: number;
  /** Lowest position that the ring must still hold for its owner. */
  kept: number;
  #head: number;
  #committed: number;
  #newestEnd = -1;
  #firstStart = -1;
  #anchored = false;
  #refTimestamp = 0;
  #refPosition = 0;
  /** The clock of the timestamps, and samples per count of it. */
  #clockRate = 0;
  #perCount = 1;
  #waiting: WaitingRoom;
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

  /**
   * @param rate samples per second, a multiple of 8000
   * @param originMs place of the first sample: 0, or the present for a leg that joins later
   */
  constructor(hooks: TimelineHooks, rate = RATE_UNIT, originMs = 0, capacity = ringSamples(rate)) {
    this.#hooks = hooks;
    this.#rate = checkedRate(rate);
    this.#perMs = rate / 1000;
    this.#ring = new PcmRing(capacity);
    this.#waiting = new WaitingRoom(rate);
    this.#head = this.at(originMs);
    this.#committed = this.#head;
    this.kept = this.#head;
  }

  get ring(): PcmRing {
    return this.#ring;
  }

  /** Samples per second. */
  get rate(): number {
    return this.#rate;
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

  /** Length of the audio that waits for an anchor. */
  get waitingMs(): number {
    return this.#waiting.samples / this.#perMs;
  }

  /** The sample at a time of the call clock. */
  at(ms: number): number {
    return Math.round(ms * this.#perMs);
  }

  /** The time of a sample on the call clock. */
  msAt(position: number): number {
    return position / this.#perMs;
  }

  /** Whether nothing but silence is here and nothing waits: the rate may still be chosen. */
  get untouched(): boolean {
    return this.#firstStart < 0 && this.#waiting.empty;
  }

  /** End of the last pause, in ms: nothing before it is written any more. */
  get floorMs(): number {
    return this.msAt(this.#floor);
  }

  /** Where a timestamp of the present source lies on the call clock, in ms; undefined while its clock is not known. */
  placeMs(timestamp: number): number | undefined {
    if (!this.#anchored || !this.#waiting.empty) return undefined;
    return this.msAt(this.#refPosition + timestampDistance(this.#refTimestamp, timestamp) * this.#perCount);
  }

  /**
   * Chooses the rate of an untouched leg anew. All places change with it, exactly: silence is committed at multiples of 125 µs.
   * What was written of it so far is for the owner to write again.
   */
  rerate(rate: number): void {
    if (rate === this.#rate) return;
    if (!this.untouched) throw new RangeError('a leg that holds audio keeps its rate');
    const factor = checkedRate(rate) / this.#rate;
    this.#rate = rate;
    this.#perMs = rate / 1000;
    this.#ring = new PcmRing(ringSamples(rate));
    this.#waiting = new WaitingRoom(rate);
    this.#head = Math.round(this.#head * factor);
    this.#committed = Math.round(this.#committed * factor);
    this.kept = Math.round(this.kept * factor);
    this.#floor = Math.round(this.#floor * factor);
    this.#anchored = false;
    this.#lag = 0;
    this.#skippedEnd = -1;
  }

  /**
   * Takes the payload of a packet that is not a duplicate; it is read at once or copied. `newest` tells that no higher sequence number
   * came before: only such a packet can move the clock of the stream, others are merely late.
   */
  packet(timestamp: number, payload: Payload, newest = true): Placement {
    const changed = payload.clockRate !== this.#clockRate;
    // A timestamp of another clock has nothing to do with the former ones: the stream begins anew.
    if (changed && newest && this.#anchored && this.#waiting.empty) this.newSource();
    if (!this.#anchored || !this.#waiting.empty) return this.#wait(timestamp, payload, newest);
    if (changed) return 'late';
    const step = timestampDistance(this.#refTimestamp, timestamp) * this.#perCount;
    const position = this.#refPosition + step;
    const end = position + payload.length;
    if (!newest) {
      if (step > 0 || step < -MAX_LATE_MS * this.#perMs) return 'late';
    } else if (!this.#believable(step, end)) {
      return this.#wait(timestamp, payload, newest);
    }
    if (end > this.#ceiling && end > this.#raiseCeiling(this.at(this.#hooks.wallMs()))) return 'early';
    if (step > 0) {
      this.#refTimestamp = timestamp;
      this.#refPosition = position;
    }
    if (position < this.#floor) return 'barred';
    return this.#place(Math.round(position), payload);
  }

  /**
   * Notes when a packet of a pause was spoken, which tells where the stream is on its clock. Of its payload only the length is known,
   * in samples of the leg.
   */
  skip(timestamp: number, length: number): void {
    if (!this.#anchored || !this.#waiting.empty) return;
    const step = timestampDistance(this.#refTimestamp, timestamp) * this.#perCount;
    const end = Math.round(this.#refPosition + step) + length;
    if (end <= this.#skippedEnd || !this.#nearWall(end, NEAR_WALL_MS)) return;
    this.#skippedEnd = end;
    this.#skippedSinceTick = true;
  }

  /** A pause ends: what belongs before the present is silence for good, however late it comes. */
  bar(wallMs: number): void {
    this.#floor = Math.max(this.at(wallMs) - this.#lag, this.#skippedEnd, this.#newestEnd, this.#committed);
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
    this.#waiting.newRun();
  }

  /**
   * Anchors what waits. To be called when the sockets are drained; `force` leaves nothing waiting. Returns the number of packets that
   * were dropped because they would lie too far ahead of the wall clock.
   */
  settle(wallMs: number, force = false): number {
    if (this.#waiting.empty) return 0;
    const wall = this.at(wallMs);
    const { only } = this.#waiting;
    if (this.#anchored && only && this.#fitsOldClock(only)) {
      const step = timestampDistance(this.#refTimestamp, only.base) * this.#perCount;
      const onOldClock = this.#near(wall, this.#refPosition + step + only.high, SAME_CLOCK_MS);
      if (!onOldClock && !force && this.#waiting.ticks < RESUME_TICKS) return 0;
      if (onOldClock) {
        this.#release();
        return this.#replay(only);
      }
    }
    return this.#anchor(wall);
  }

  /** One tick of the loop is over: commits what is old enough. `listening` is false for a leg on hold or in a pause. */
  tick(wallMs: number, listening: boolean): void {
    const wall = this.at(wallMs);
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
    this.#waiting.ticks++;
    let horizon = this.#newestEnd - REORDER_MS * this.#perMs;
    if (!listening || (this.#idleTicks >= IDLE_TICKS && this.#waiting.empty)) {
      horizon = Math.max(horizon, wall - Math.max(0, this.#lag) - SILENT_BEHIND_MS * this.#perMs);
    }
    this.commitTo(horizon);
  }

  /** Commits everything up to `position`; where nothing came there is silence. */
  commitTo(position: number): void {
    while (this.#committed < position) {
      const from = this.#committed;
      const to = Math.min(position, from + (this.#ring.capacity >> 1));
      this.#extend(to);
      this.#committed = to;
      this.#hooks.committed(from, to);
    }
  }

  /** Whether the newest packet, `step` samples from the one before, may be on the known clock. */
  #believable(step: number, end: number): boolean {
    if (step < -MAX_BACK_MS * this.#perMs) return false;
    if (step > MAX_AHEAD_MS * this.#perMs && !this.#nearWall(end, NEAR_WALL_MS)) return false;
    return this.#idleTicks < IDLE_TICKS || this.#nearWall(end, SAME_CLOCK_MS);
  }

  #wait(timestamp: number, payload: Payload, newest: boolean): Placement {
    return this.#waiting.add(timestamp, payload, newest) ? 'waiting' : 'late';
  }

  #fitsOldClock(run: Run): boolean {
    if (run.clockRate !== this.#clockRate) return false;
    const step = timestampDistance(this.#refTimestamp, run.base) * this.#perCount;
    return step >= -MAX_BACK_MS * this.#perMs && step <= MAX_AHEAD_MS * this.#perMs;
  }

  /** What waits is on a new clock: its newest packet is taken to end now, or it follows what was there without a seam. */
  #anchor(wall: number): number {
    const lag = Math.min(Math.max(this.#lag, 0), MAX_NEW_LAG_MS * this.#perMs);
    let start = wall - lag - this.#waiting.samples;
    const seam = Math.abs(start - this.#newestEnd) <= SEAMLESS_MS * this.#perMs;
    if (this.#newestEnd >= 0 && seam) start = this.#newestEnd;
    start = Math.max(start, this.#newestEnd, 0);
    const ceiling = this.#raiseCeiling(wall);
    let early = 0;
    for (const run of this.#release()) {
      if (start >= ceiling) {
        early += run.packets.length;
        continue;
      }
      this.#anchored = true;
      this.#clockRate = run.clockRate;
      this.#perCount = this.#rate / run.clockRate;
      this.#refTimestamp = (run.base + Math.round(run.low / this.#perCount)) >>> 0;
      this.#refPosition = start;
      start += run.high - run.low;
      early += this.#replay(run);
    }
    return early;
  }

  #release(): Run[] {
    this.#idleTicks = 0;
    return this.#waiting.take();
  }

  #replay(run: Run): number {
    let early = 0;
    for (const { timestamp, payload } of run.packets) {
      const placement = this.packet(timestamp, payload);
      if (placement === 'early') early++;
      else if (placement === 'barred') this.#barred++;
    }
    return early;
  }

  #nearWall(end: number, toleranceMs: number): boolean {
    return this.#near(this.at(this.#hooks.wallMs()), end, toleranceMs);
  }

  #near(wall: number, end: number, toleranceMs: number): boolean {
    return Math.abs(wall - this.#lag - end) <= toleranceMs * this.#perMs;
  }

  #raiseCeiling(wall: number): number {
    this.#ceiling = wall + wall / EARLY_PART + MAX_EARLY_MS * this.#perMs;
    return this.#ceiling;
  }

  #place(position: number, payload: Payload): Placement {
    const { length } = payload;
    const end = position + length;
    if (end > this.#head) this.#extend(end);
    this.#placedSinceTick = true;
    const before = Math.max(0, -position);
    const skip = Math.max(before, this.#head - this.#ring.capacity - position);
    if (skip > before && this.#head - position <= MAX_LATE_MS * this.#perMs && before < length) {
      this.#hooks.past(position + before, payload, before, Math.min(skip, length) - before);
      if (skip >= length) return 'placed';
    }
    if (skip >= length) return 'late';
    const from = position + skip;
    payload.intoRing(this.#ring, from, skip);
    if (this.#firstStart < 0) this.#firstStart = from;
    if (end > this.#newestEnd) this.#newestEnd = end;
    if (from < this.#committed) this.#hooks.changed(from, Math.min(end, this.#committed));
    return 'placed';
  }

  /** Moves the head to `to`, over silence. What the ring would forget is committed and written first. */
  #extend(to: number): void {
    const { capacity } = this.#ring;
    while (this.#head < to) {
      const next = Math.min(to, this.#head + (capacity >> 1));
      if (next - capacity > this.#committed) this.commitTo(next - capacity);
      if (next - capacity > this.kept) this.#hooks.makeRoom(next - capacity);
      this.#ring.silence(this.#head, next);
      this.#head = next;
    }
  }
}
