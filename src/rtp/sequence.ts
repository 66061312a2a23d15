/** RTP sequence numbers are compared modulo 2^16 (RFC 3550 §A.1): the shorter way round, negative for "before". */
export function sequenceDistance(from: number, to: number): number {
  return ((to - from) << 16) >> 16;
}

/** RTP timestamps are compared modulo 2^32, the shorter way round. */
export function timestampDistance(from: number, to: number): number {
  return (to - from) | 0;
}

/** How many numbers back a packet is remembered: 20 s of 20 ms packets. */
const REMEMBERED = 1024;
/** A packet is counted as lost when this many newer numbers came: 1.3 s. If it comes after all, the count is taken back. */
const GIVEN_UP_AFTER = 64;
/** A larger step is a restart of the numbering, not a loss (RFC 3550 §A.1, MAX_DROPOUT). */
const MAX_DROPOUT = 3000;

/** The sequence numbers of one SSRC: what is a duplicate, and how many never came. */
export class SequenceTracker {
  /** A bit for each number. */
  readonly #seen = new Int32Array(REMEMBERED / 32);
  #newest = -1;
  #span = 0;
  #lost = 0;
  /** Times that the numbers began again at 0, and numbers of earlier numberings of this source. */
  #cycles = 0;
  #expectedBefore = 0;
  /** Numbers that are missing right before the last accepted packet, when it is the newest; -1 when the numbering began anew. */
  missing = 0;

  /** Numbers that are given up now. May fall when a very late packet comes. */
  get lost(): number {
    return this.#lost;
  }

  /** The newest number, and above its 16 bits the times that they ran over (RFC 3550 §6.4.1). */
  get highest(): number {
    return ((this.#cycles << 16) | (this.#newest & 0xffff)) >>> 0;
  }

  /** Numbers from the lowest to the newest: packets that should have come. */
  get expected(): number {
    return this.#expectedBefore + this.#span;
  }

  /** How many numbers after the newest one this is; negative for one from before it. 0 before any. */
  ahead(sequence: number): number {
    return this.#newest < 0 ? 0 : sequenceDistance(this.#newest, sequence);
  }

  /** Notes a packet: the newest so far (or the first of a new numbering), one from before it, or a number that was seen. */
  accept(sequence: number): 'newest' | 'older' | 'duplicate' {
    this.missing = 0;
    if (this.#newest < 0) {
      this.#restart(sequence);
      return 'newest';
    }
    const ahead = sequenceDistance(this.#newest, sequence);
    if (ahead > 0 && ahead < MAX_DROPOUT) {
      this.missing = ahead - 1;
      this.#advance(ahead);
      this.#note(sequence);
      return 'newest';
    }
    if (ahead <= 0 && ahead > -REMEMBERED) {
      if (this.#has(sequence)) return 'duplicate';
      this.#note(sequence);
      // Within the first packets, an older number than the first one is no loss taken back.
      if (-ahead >= GIVEN_UP_AFTER && -ahead < this.#span) this.#lost--;
      else if (-ahead >= this.#span) this.#widen(-ahead + 1);
      return 'older';
    }
    this.#settle();
    this.#restart(sequence);
    this.missing = -1;
    return 'newest';
  }

  /** Counts what is still missing as lost and forgets the source. */
  finish(): number {
    this.#settle();
    this.#newest = -1;
    return this.#lost;
  }

  #restart(sequence: number): void {
    this.#seen.fill(0);
    this.#newest = sequence;
    this.#note(sequence);
    this.#span = 1;
  }

  #advance(steps: number): void {
    for (let step = 0; step < steps; step++) {
      this.#newest = (this.#newest + 1) & 0xffff;
      if (this.#newest === 0) this.#cycles++;
      this.#forget(this.#newest);
      this.#span++;
      if (this.#span > GIVEN_UP_AFTER && this.#missing(GIVEN_UP_AFTER)) this.#lost++;
    }
  }

  /** A packet from before the first one: those between are expected too. */
  #widen(span: number): void {
    for (let back = Math.max(this.#span, GIVEN_UP_AFTER); back < span - 1; back++)
      if (this.#missing(back)) this.#lost++;
    this.#span = span;
  }

  #missing(back: number): boolean {
    return !this.#has(this.#newest - back);
  }

  #has(sequence: number): boolean {
    return (((this.#seen[wordOf(sequence)] as number) >>> (sequence & 31)) & 1) === 1;
  }

  #note(sequence: number): void {
    const word = wordOf(sequence);
    this.#seen[word] = (this.#seen[word] as number) | (1 << (sequence & 31));
  }

  #forget(sequence: number): void {
    const word = wordOf(sequence);
    this.#seen[word] = (this.#seen[word] as number) & ~(1 << (sequence & 31));
  }

  #settle(): void {
    const open = Math.min(this.#span, GIVEN_UP_AFTER);
    for (let back = 0; back < open; back++) if (this.#missing(back)) this.#lost++;
    this.#expectedBefore += this.#span;
    this.#span = 0;
  }
}

/** Where the bit of a number lies; a number below zero is one from before the numbers ran over. */
function wordOf(sequence: number): number {
  return (sequence & (REMEMBERED - 1)) >> 5;
}
