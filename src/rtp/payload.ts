import { doubleRate, HALF_BAND_REACH } from '../audio/half-band.js';
import type { PcmRing } from '../audio/pcm-ring.js';

const NOTHING = new Uint8Array(0);
const NO_SAMPLES = new Int16Array(0);

/** Where a payload came to stand on its leg, for whoever has something to put there later. */
export class PayloadPlace {
  #position = -1;
  #length = 0;
  #rate = 0;

  get known(): boolean {
    return this.#position >= 0;
  }

  set(position: number, length: number, rate: number): void {
    this.#position = position;
    this.#length = length;
    this.#rate = rate;
  }

  forget(): void {
    this.#position = -1;
  }

  /** Its position when the leg has this rate. */
  at(rate: number): number {
    return (this.#position * rate) / this.#rate;
  }

  lengthAt(rate: number): number {
    return (this.#length * rate) / this.#rate;
  }
}

/**
 * What a packet holds, on its way to the ring: either bytes that a table decodes, one sample each (G.711), or samples that a decoder
 * made. One object is filled again for every packet; it keeps only references, and they are good until the next packet comes.
 */
export class Payload {
  /** In samples of the leg. */
  length = 0;
  /** What the timestamp of the packet counts, in Hz: the clock of the payload type (RFC 3551 §4.1), not always the rate of its samples. */
  clockRate = 8000;
  /** Is told where the payload comes to stand. */
  place: PayloadPlace | undefined;
  #table: Int16Array | undefined;
  #bytes: Uint8Array = NOTHING;
  #samples: Int16Array = NO_SAMPLES;
  #offset = 0;

  /** Bytes to be decoded through a table of 256 samples, one sample each, at the rate of the leg. */
  coded(table: Int16Array, bytes: Uint8Array, offset: number, length: number, clockRate = 8000): this {
    this.place = undefined;
    this.#table = table;
    this.#bytes = bytes;
    this.#offset = offset;
    this.length = length;
    this.clockRate = clockRate;
    return this;
  }

  /** Samples at the rate of the leg. They are read at once or copied. */
  decoded(samples: Int16Array, offset: number, length: number, clockRate: number): this {
    this.place = undefined;
    this.#table = undefined;
    this.#samples = samples;
    this.#offset = offset;
    this.length = length;
    this.clockRate = clockRate;
    return this;
  }

  /** The same in memory of its own, for a packet that has to wait. */
  copy(): Payload {
    const from = this.#offset;
    const to = from + this.length;
    const copy = this.#table
      ? new Payload().coded(this.#table, this.#bytes.slice(from, to), 0, this.length, this.clockRate)
      : new Payload().decoded(this.#samples.slice(from, to), 0, this.length, this.clockRate);
    copy.place = this.place;
    return copy;
  }

  /** The same at twice the rate, in memory of its own, as if silence were around it. */
  doubled(): Payload {
    const { length } = this;
    const around = new Int16Array(length + 2 * HALF_BAND_REACH);
    this.copyInto(around, 0, length, HALF_BAND_REACH);
    const samples = new Int16Array(2 * length);
    doubleRate(around, HALF_BAND_REACH, length, samples);
    const doubled = new Payload().decoded(samples, 0, 2 * length, this.clockRate);
    doubled.place = this.place;
    return doubled;
  }

  /** Puts the samples from `first` on into the ring, the first of them at `position`. */
  intoRing(ring: PcmRing, position: number, first = 0): void {
    const at = this.#offset + first;
    if (this.#table) ring.decode(position, this.#table, this.#bytes, at, this.length - first);
    else ring.write(position, this.#samples, at, this.length - first);
  }

  /** Copies `[from, to)` into every `stride`-th element of `target`, beginning at `at`: one channel of an interleaved block. */
  copyInto(target: Int16Array, from: number, to: number, at = 0, stride = 1): void {
    const table = this.#table;
    const offset = this.#offset;
    for (let i = from, index = at; i < to; i++, index += stride) {
      const sample = table ? table[this.#bytes[offset + i] as number] : this.#samples[offset + i];
      target[index] = sample as number;
    }
  }
}
