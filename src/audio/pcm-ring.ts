/**
 * The last stretch of one leg's samples, addressed by position on the call clock: sample `p` lies in slot `p mod capacity`.
 * It knows nothing of what is valid; its owner keeps that book.
 */
export class PcmRing {
  readonly capacity: number;
  /** The slots. */
  readonly samples: Int16Array;
  /** The same memory as bytes, for writing to files without a copy. WAV is little-endian, as every machine that runs Node. */
  readonly bytes: Uint8Array;
  readonly #pairs: Int32Array;

  /** @param capacity in samples; even, and at least two */
  constructor(capacity: number) {
    if (capacity < 2 || capacity % 2 !== 0) throw new RangeError('the capacity must be even');
    this.capacity = capacity;
    this.samples = new Int16Array(capacity);
    this.bytes = new Uint8Array(this.samples.buffer);
    this.#pairs = new Int32Array(this.samples.buffer);
  }

  /** Decodes `length` bytes of `payload` through a table of 256 samples, straight into place. */
  decode(position: number, table: Int16Array, payload: Uint8Array, offset: number, length: number): void {
    const slot = position % this.capacity;
    const first = Math.min(length, this.capacity - slot);
    this.#decodePiece(slot, table, payload, offset, first);
    if (first < length) this.#decodePiece(0, table, payload, offset + first, length - first);
  }

  /** Two samples are stored at a time: measured, that takes a third off the dearest loop of the media plane. */
  #decodePiece(slot: number, table: Int16Array, payload: Uint8Array, offset: number, length: number): void {
    const { samples } = this;
    const pairs = this.#pairs;
    const end = offset + length;
    let at = offset;
    if ((slot & 1) === 1 && at < end) samples[slot++] = table[payload[at++] as number] as number;
    let pair = slot >> 1;
    for (const last = end - 1; at < last; at += 2, pair++) {
      const low = table[payload[at] as number] as number;
      const high = table[payload[at + 1] as number] as number;
      pairs[pair] = (low & 0xffff) | (high << 16);
    }
    if (at < end) samples[pair << 1] = table[payload[at] as number] as number;
  }

  /** Copies `length` samples into place. */
  write(position: number, from: Int16Array, offset: number, length: number): void {
    const slot = position % this.capacity;
    const first = Math.min(length, this.capacity - slot);
    this.samples.set(from.subarray(offset, offset + first), slot);
    if (first < length) this.samples.set(from.subarray(offset + first, offset + length), 0);
  }

  /** Zeroes the positions from `from` up to, not including, `to`. */
  silence(from: number, to: number): void {
    if (to - from >= this.capacity) {
      this.samples.fill(0);
      return;
    }
    const slot = from % this.capacity;
    const end = slot + to - from;
    this.samples.fill(0, slot, Math.min(end, this.capacity));
    if (end > this.capacity) this.samples.fill(0, 0, end - this.capacity);
  }

  /** Calls `visit` with the one or two runs of slots that hold `[from, to)`, and the position of each. */
  eachPiece(from: number, to: number, visit: (slot: number, length: number, position: number) => void): void {
    for (let position = from; position < to; ) {
      const slot = position % this.capacity;
      const length = Math.min(to - position, this.capacity - slot);
      visit(slot, length, position);
      position += length;
    }
  }

  /** Puts `[from, to)` of this ring and of another into `target`, a frame of both in each element: this one's sample comes first. */
  interleave(other: PcmRing, target: Int32Array, from: number, to: number): void {
    const { samples, capacity } = this;
    const others = other.samples;
    let slot = from % capacity;
    let otherSlot = from % other.capacity;
    for (let position = from, index = 0; position < to; position++, index++) {
      target[index] = ((samples[slot] as number) & 0xffff) | ((others[otherSlot] as number) << 16);
      if (++slot === capacity) slot = 0;
      if (++otherSlot === other.capacity) otherSlot = 0;
    }
  }

  /** Copies `[from, to)` into every `stride`-th element of `target`, beginning at `at`: one channel of an interleaved block. */
  copyInto(target: Int16Array, from: number, to: number, at = 0, stride = 1): void {
    const { samples, capacity } = this;
    let index = at;
    let slot = from % capacity;
    for (let position = from; position < to; position++, index += stride) {
      target[index] = samples[slot] as number;
      if (++slot === capacity) slot = 0;
    }
  }
}
