import type { PcmRing } from '../audio/pcm-ring.js';
import type { GapReport } from '../core/gap.js';
import { ClockSkew, type SkewFigures } from './clock-skew.js';
import type { GapBook } from './gap-book.js';
import { type AudioHooks, LegAudio, MAX_LATE_MS } from './leg-audio.js';
import type { Payload } from './payload.js';
import { StreamClock } from './stream-clock.js';
import { type Run, WaitingRoom } from './waiting-room.js';

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

export interface TimelineHooks extends AudioHooks {
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
 * is taken to end now. From there on only timestamps count, and what `ClockSkew` finds out about them.
 */
export class LegTimeline {
  readonly skew = new ClockSkew();
  readonly #hooks: TimelineHooks;
  readonly #audio: LegAudio;
  /** Samples per ms. */
  #perMs: number;
  readonly #clock = new StreamClock();
  readonly #waiting: WaitingRoom;
  #idleTicks = 0;
  #placedSinceTick = false;
  /** Nothing before it is written any more: the end of the last pause of ours. */
  #floor = 0;
  /** Where the newest packet of a pause would have ended, -1 before any. */
  #skippedEnd = -1;
  #skippedSinceTick = false;
  /** Packets of a replay that lay before the floor. */
  #barred = 0;
  /** How far this leg's newest sample is behind the wall clock while packets flow: the lesser of the last two ticks, as one may be late. */
  #lag = 0;
  #lastLag = 0;
  /** The wall clock at the last tick. */
  #now: number;
  /** From here on a decoder owes samples: `tick` commits nothing beyond. */
  owedFrom = Number.POSITIVE_INFINITY;
  /** No sample lies beyond this. Asked of the wall clock once a tick, and when something comes near it. */
  #ceiling = 0;

  /**
   * @param rate samples per second, a multiple of 8000
   * @param originMs place of the first sample: 0, or the present for a leg that joins later
   */
  constructor(hooks: TimelineHooks, rate = 8000, originMs = 0, capacity?: number) {
    this.#hooks = hooks;
    this.#audio = new LegAudio(hooks, rate, originMs, capacity);
    this.#perMs = rate / 1000;
    this.#now = this.at(originMs);
    this.#waiting = new WaitingRoom(rate);
  }

  get ring(): PcmRing {
    return this.#audio.ring;
  }

  /** Samples per second. */
  get rate(): number {
    return this.#audio.rate;
  }

  /** Why the file is silent where nothing was. */
  get gaps(): GapBook {
    return this.#audio.gaps;
  }

  /** End of what the ring holds; `head - ring.capacity` is its beginning. */
  get head(): number {
    return this.#audio.head;
  }

  get committed(): number {
    return this.#audio.committed;
  }

  /** Lowest position that the ring must still hold for its owner. */
  get kept(): number {
    return this.#audio.kept;
  }

  set kept(position: number) {
    this.#audio.kept = position;
  }

  /** End of the newest audio, -1 before the first. */
  get newestEnd(): number {
    return this.#audio.newestEnd;
  }

  /** Start of the first audio, -1 before it. */
  get firstStart(): number {
    return this.#audio.firstStart;
  }

  /** Where on the leg the present is: at its newest audio, or as far on as the clock went since, known to a tick. */
  get present(): number {
    return Math.max(this.newestEnd, this.#now - this.#lag, this.#audio.origin);
  }

  /** End of the last pause of ours, in ms: nothing before it is written any more. */
  get floorMs(): number {
    return this.msAt(this.#floor);
  }

  /** Where a timestamp of the present source lies on the call clock, in ms; undefined while that is not known. */
  placeMs(timestamp: number): number | undefined {
    if (!this.#clock.anchored || !this.#waiting.empty) return undefined;
    return this.msAt(this.#clock.placeOf(timestamp));
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
    return this.firstStart < 0 && this.#waiting.empty;
  }

  /** Changes the rate of an untouched leg, or doubles that of one that holds audio, which is interpolated. All places change, exactly. */
  rerate(rate: number): void {
    const factor = rate / this.rate;
    if (factor === 1) return;
    if (!this.untouched && factor !== 2) throw new RangeError('a leg that holds audio can only be doubled');
    this.#audio.rerate(rate);
    this.#perMs = rate / 1000;
    this.#waiting.rerate(rate);
    this.#clock.rerate(factor);
    this.#floor = Math.round(this.#floor * factor);
    this.#now = Math.round(this.#now * factor);
    this.#lag *= factor;
    this.#skippedEnd *= factor;
  }

  /**
   * Takes the payload of a packet that is not a duplicate; it is read at once or copied. `newest` tells that no higher sequence number
   * came before: only such a packet can move the clock of the stream, others are merely late. `missing` is for the book of gaps.
   */
  packet(timestamp: number, payload: Payload, newest = true, missing = 0): Placement {
    return this.#take(timestamp, payload, newest, missing, false);
  }

  /** @param believed whether the timestamp is known to be on the clock of the stream */
  #take(timestamp: number, payload: Payload, newest: boolean, missing: number, believed: boolean): Placement {
    const clock = this.#clock;
    const changed = payload.clockRate !== clock.clockRate;
    // A timestamp of another clock has nothing to do with the former ones: the stream begins anew.
    if (changed && newest && clock.anchored && this.#waiting.empty) this.newSource();
    if (!clock.anchored || !this.#waiting.empty) return this.#waiting.add(timestamp, payload, newest, missing);
    if (changed) return 'late';
    const step = clock.stepTo(timestamp);
    let position = clock.after(step);
    if (!newest) {
      if (step > 0 || step < -MAX_LATE_MS * this.#perMs) return 'late';
      position = clock.placeOf(timestamp);
    } else if (!believed && !this.#believable(step, position + payload.length)) {
      return this.#waiting.add(timestamp, payload, newest, missing);
    } else if (this.skew.dueMs !== 0 && step > 0) position += this.#slip(timestamp, Math.round(position));
    const end = position + payload.length;
    if (end > this.#ceiling && end > this.#raiseCeiling(this.at(this.#hooks.wallMs()))) return 'early';
    if (step > 0) clock.advance(timestamp, position);
    if (position < this.#floor) return 'barred';
    if (!this.#audio.put(Math.round(position), payload, missing)) return 'late';
    this.#placedSinceTick = true;
    payload.place?.set(Math.round(position), payload.length, this.rate);
    return 'placed';
  }

  /** Puts samples over those of a packet that has its place. */
  mend(position: number, payload: Payload): void {
    this.#audio.put(position, payload, 0);
  }

  /** A sender report (RFC 3550 §6.4.1): this timestamp was now, on the sender's wall clock. */
  senderReport(timestamp: number, ntpMs: number): void {
    this.#clock.report(timestamp, ntpMs);
    this.skew.report(this.#clock.reportedMs, this.#clock.reportedNtpMs);
  }

  /**
   * Notes when a packet of a pause was spoken, which tells where the stream is on its clock. Of its payload only the length is known,
   * in samples of the leg.
   */
  skip(timestamp: number, length: number): void {
    if (!this.#clock.anchored || !this.#waiting.empty) return;
    const end = Math.round(this.#clock.placeOf(timestamp)) + length;
    if (end <= this.#skippedEnd || !this.#nearWall(end, NEAR_WALL_MS)) return;
    this.#skippedEnd = end;
    this.#skippedSinceTick = true;
  }

  /** A pause ends: what belongs before the present is silence for good, however late it comes. */
  bar(wallMs: number): void {
    this.#floor = Math.max(this.at(wallMs) - this.#lastLag, this.#skippedEnd, this.newestEnd, this.committed);
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
    this.#clock.anchored = false;
    this.#waiting.newRun();
  }

  /**
   * Anchors what waits. To be called when the sockets are drained; `force` leaves nothing waiting. Returns the number of packets that
   * were dropped because they would lie too far ahead of the wall clock.
   */
  settle(wallMs: number, force = false): number {
    if (this.#waiting.empty) return 0;
    const [wall, only] = [this.at(wallMs), this.#waiting.only];
    if (this.#clock.anchored && only && only.clockRate === this.#clock.clockRate) {
      if (this.#near(wall, this.#clock.placeOf(only.base) + only.high, SAME_CLOCK_MS)) {
        this.#release();
        return this.#replay(only);
      }
      if (this.#fitsOldClock(only) && !force && this.#waiting.ticks < RESUME_TICKS) return 0;
    }
    return this.#anchor(wall);
  }

  statistics(endMs: number): GapReport & SkewFigures {
    return { ...this.gaps.report(this.at(endMs)), ...this.skew.figures };
  }

  /** One tick of the loop is over: commits what is old enough. `listening` is false for a leg on hold or in a pause. */
  tick(wallMs: number, listening: boolean): void {
    const wall = this.at(wallMs);
    this.#now = wall;
    this.#raiseCeiling(wall);
    if (this.#placedSinceTick) {
      this.#idleTicks = 0;
      const lag = wall - this.newestEnd;
      this.#lag = Math.min(lag, this.#lastLag);
      this.#lastLag = lag;
      this.skew.observe(wallMs, lag / this.#perMs);
    } else {
      if (this.#skippedSinceTick) this.#lastLag = this.#lag = wall - this.#skippedEnd;
      this.#idleTicks++;
    }
    this.#placedSinceTick = false;
    this.#skippedSinceTick = false;
    this.#waiting.ticks++;
    let horizon = this.newestEnd - REORDER_MS * this.#perMs;
    if (!listening || (this.#idleTicks >= IDLE_TICKS && this.#waiting.empty)) {
      horizon = Math.max(horizon, wall - Math.max(0, this.#lag) - SILENT_BEHIND_MS * this.#perMs);
    }
    this.commitTo(Math.min(horizon, this.owedFrom));
  }

  /** Commits everything up to `position`; where nothing came there is silence. */
  commitTo(position: number): void {
    this.#audio.commitTo(position);
  }

  /** Whether the newest packet, `step` samples from the one before, may be on the known clock. */
  #believable(step: number, end: number): boolean {
    if (step < -MAX_BACK_MS * this.#perMs) return false;
    if (step > MAX_AHEAD_MS * this.#perMs && !this.#nearWall(end, NEAR_WALL_MS)) return false;
    return this.#idleTicks < IDLE_TICKS || this.#nearWall(end, SAME_CLOCK_MS);
  }

  /**
   * Moves the packets from this one on, because the sender's clock is known to be off. Between two packets it is by one sample, said
   * twice or left out, which nobody hears; in a silence between them it is all that is due. Returns the samples.
   */
  #slip(timestamp: number, position: number): number {
    const due = this.skew.dueMs * this.#perMs;
    if (Math.abs(due) < 1) return 0;
    const room = position - this.newestEnd;
    let samples = 0;
    if (room === 0 && this.committed < position) {
      samples = Math.sign(due);
      if (samples > 0) this.#audio.repeatLast();
    } else if (room > 0) samples = Math.max(Math.trunc(due), -room);
    if (samples === 0) return 0;
    this.#clock.slip(timestamp, samples);
    this.skew.moved(samples / this.#perMs, room === 0 ? 1 : 0);
    return samples;
  }

  #fitsOldClock(run: Run): boolean {
    if (run.clockRate !== this.#clock.clockRate) return false;
    const step = this.#clock.stepTo(run.base);
    return step >= -MAX_BACK_MS * this.#perMs && step <= MAX_AHEAD_MS * this.#perMs;
  }

  /** What waits is on a new clock: its newest packet is taken to end now, or it follows what was there without a seam. */
  #anchor(wall: number): number {
    const lag = Math.min(Math.max(this.#lag, 0), MAX_NEW_LAG_MS * this.#perMs);
    const { newestEnd } = this;
    let start = wall - lag - this.#waiting.samples;
    if (newestEnd >= 0 && Math.abs(start - newestEnd) <= SEAMLESS_MS * this.#perMs) start = newestEnd;
    start = Math.max(start, newestEnd, 0);
    if (newestEnd >= 0) {
      const { only } = this.#waiting;
      this.gaps.because(this.#clock.anchored && only && this.#fitsOldClock(only) ? 'no_rtp' : 'source_change');
    }
    this.skew.restart();
    const ceiling = this.#raiseCeiling(wall);
    let early = 0;
    for (const run of this.#release()) {
      if (start >= ceiling) {
        early += run.packets.length;
        continue;
      }
      const first = (run.base + Math.round((run.low * run.clockRate) / this.rate)) >>> 0;
      this.#clock.anchor(first, start, run.clockRate, this.rate);
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
    for (const { timestamp, payload, missing } of run.packets) {
      const placement = this.#take(timestamp, payload, true, missing, true);
      if (placement === 'early') early++;
      else if (placement === 'barred') this.#barred++;
    }
    return early;
  }

  #nearWall(end: number, toleranceMs: number): boolean {
    return this.#near(this.at(this.#hooks.wallMs()), end, toleranceMs);
  }

  /** Whether a newest sample that ends here is of the present: of the time since the sockets were last drained, which may be long ago. */
  #near(wall: number, end: number, toleranceMs: number): boolean {
    const [behind, tolerance] = [wall - this.#lag - end, toleranceMs * this.#perMs];
    return behind >= -tolerance && behind <= tolerance + wall - this.#now;
  }

  #raiseCeiling(wall: number): number {
    this.#ceiling = wall + wall / EARLY_PART + MAX_EARLY_MS * this.#perMs;
    return this.#ceiling;
  }
}
