import { doubleRing } from '../audio/half-band.js';
import { PcmRing } from '../audio/pcm-ring.js';
import { GapBook } from './gap-book.js';
import type { Payload } from './payload.js';

/** Rates of legs are multiples of this, so that every multiple of 125 µs is a sample of every leg. */
const RATE_UNIT = 8000;
/**
 * 1.5 s at 8 kHz: what the files may be behind. They are flushed every 0.9 s, and a leg whose sender says nothing is kept 0.6 s behind.
 * Packets that come later than that are written past the ring.
 */
const RING_SAMPLES = 12_288;
/** How far back a late packet still finds its place. */
export const MAX_LATE_MS = 10_000;

export interface AudioHooks {
  /** `[from, to)` is complete as far as live use goes. In order, without holes. */
  committed(from: number, to: number): void;
  /** A late packet changed `[from, to)` after it was committed. */
  changed(from: number, to: number): void;
  /** `length` samples of a late packet, from its sample `first` on, belong at `from`, which the ring does not hold any more. */
  past(from: number, payload: Payload, first: number, length: number): void;
  /** Slots below `before` are needed again: write them, then raise `kept`. */
  makeRoom(before: number): void;
}

/** The samples of one leg: the last of them in a ring, what of them is final, and the book of its gaps. Places are in samples. */
export class LegAudio {
  readonly gaps: GapBook;
  /** Lowest position that the ring must still hold for its owner. */
  kept: number;
  readonly #hooks: AudioHooks;
  #ring: PcmRing;
  #rate: number;
  #origin: number;
  #head: number;
  #committed: number;
  #newestEnd = -1;
  #firstStart = -1;

  /** @param rate samples per second, a multiple of 8000 */
  constructor(hooks: AudioHooks, rate: number, originMs: number, capacity = ringSamples(rate)) {
    this.#hooks = hooks;
    this.#rate = checkedRate(rate);
    this.#ring = new PcmRing(capacity);
    this.#origin = Math.round((originMs * rate) / 1000);
    this.#head = this.#origin;
    this.#committed = this.#head;
    this.kept = this.#head;
    this.gaps = new GapBook(rate, this.#head);
  }

  get ring(): PcmRing {
    return this.#ring;
  }

  get rate(): number {
    return this.#rate;
  }

  /** Where the leg begins. */
  get origin(): number {
    return this.#origin;
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

  /** Changes the rate, and with it all places. What the ring holds is interpolated when the rate is doubled; otherwise it is silence. */
  rerate(rate: number): void {
    const factor = checkedRate(rate) / this.#rate;
    const ring = new PcmRing(ringSamples(rate));
    if (factor === 2) doubleRing(this.#ring, this.#head, ring);
    this.#rate = rate;
    this.#ring = ring;
    if (this.#firstStart >= 0) this.#firstStart *= factor;
    if (this.#newestEnd >= 0) this.#newestEnd *= factor;
    this.#origin = Math.round(this.#origin * factor);
    this.#head = Math.round(this.#head * factor);
    this.#committed = Math.round(this.#committed * factor);
    this.kept = Math.round(this.kept * factor);
    this.gaps.rerate(rate);
  }

  /**
   * Puts a payload in its place. False when that is too far back.
   *
   * @param missing sequence numbers that are missing right before its packet, see `GapBook.filled`
   */
  put(position: number, payload: Payload, missing: number): boolean {
    const { length } = payload;
    const end = position + length;
    if (end > this.#head) this.#extend(end, position);
    const before = Math.max(0, -position);
    const skip = Math.max(before, this.#head - this.#ring.capacity - position);
    const late = skip > before && before < length && this.#head - position <= (MAX_LATE_MS * this.#rate) / 1000;
    if (late) this.#hooks.past(position + before, payload, before, Math.min(skip, length) - before);
    if (skip >= length && !late) return false;
    this.gaps.filled(position + (late ? before : skip), end, missing);
    if (skip >= length) return true;
    const from = position + skip;
    payload.intoRing(this.#ring, from, skip);
    if (this.#firstStart < 0) this.#firstStart = from;
    if (end > this.#newestEnd) this.#newestEnd = end;
    if (from < this.#committed) this.#hooks.changed(from, Math.min(end, this.#committed));
    return true;
  }

  /** Says the last sample before the end once more, at the end: the clock of the sender is slow. */
  repeatLast(): void {
    const at = this.#newestEnd;
    this.#extend(at + 1);
    this.#ring.copyInto(this.#ring.samples, at - 1, at, at % this.#ring.capacity);
    this.gaps.filled(at, at + 1, 0);
    this.#newestEnd = at + 1;
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

  /**
   * Moves the head to `to`, over silence. What the ring would forget is committed and written first.
   *
   * @param filled from where on the caller puts samples itself, so that no silence need be there
   */
  #extend(to: number, filled = to): void {
    const { capacity } = this.#ring;
    while (this.#head < to) {
      const next = Math.min(to, this.#head + (capacity >> 1));
      if (next - capacity > this.#committed) this.commitTo(next - capacity);
      if (next - capacity > this.kept) this.#hooks.makeRoom(next - capacity);
      const silent = Math.min(next, filled);
      if (silent > this.#head) this.#ring.silence(this.#head, silent);
      this.#head = next;
    }
  }
}

function checkedRate(rate: number): number {
  if (rate <= 0 || rate % RATE_UNIT !== 0) throw new RangeError('the rate of a leg must be a multiple of 8000');
  return rate;
}

/** For at least the same time at every rate. */
function ringSamples(rate: number): number {
  return RING_SAMPLES * 2 ** Math.ceil(Math.log2(rate / RATE_UNIT));
}
