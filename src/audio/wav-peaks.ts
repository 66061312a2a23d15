import { WAV_HEADER_BYTES } from './wav-writer.js';

/** Points a second: fine enough to see words, and 1 MB of JSON for an hour of stereo. */
const PEAKS_PER_SECOND = 20;

/** The lowest and highest sample of each stretch of a recording, in the JSON that BBC's audiowaveform writes (version 2). */
export interface Peaks {
  readonly version: 2;
  readonly channels: number;
  /** Hz. */
  readonly sample_rate: number;
  /** Frames of a point. */
  readonly samples_per_pixel: number;
  /** A sample is given by its upper 8 bits, -128 to 127. */
  readonly bits: 8;
  /** Points. */
  readonly length: number;
  /** Of every point and channel, in this order: lowest, highest. */
  readonly data: readonly number[];
}

/** Makes the peaks of a WAV of ours out of its bytes, whatever pieces they come in. Pure. */
export class WavPeaks {
  readonly #header = Buffer.alloc(WAV_HEADER_BYTES);
  #headerBytes = 0;
  #channels = 0;
  #rate = 0;
  #perPoint = 0;
  readonly #data: number[] = [];
  /** Of the point that is under way, by channel. */
  #low: Int16Array = new Int16Array(0);
  #high: Int16Array = new Int16Array(0);
  #frames = 0;
  #channel = 0;
  /** The first byte of a sample whose second one is still to come, -1 for none. */
  #half = -1;

  push(bytes: Uint8Array): void {
    let at = 0;
    if (this.#headerBytes < WAV_HEADER_BYTES) {
      at = Math.min(bytes.length, WAV_HEADER_BYTES - this.#headerBytes);
      this.#header.set(bytes.subarray(0, at), this.#headerBytes);
      this.#headerBytes += at;
      if (this.#headerBytes < WAV_HEADER_BYTES) return;
      if (this.#channels === 0) this.#begin();
    }
    if (this.#half >= 0 && at < bytes.length) {
      this.#sample(((this.#half | ((bytes[at++] as number) << 8)) << 16) >> 16);
      this.#half = -1;
    }
    for (; at + 1 < bytes.length; at += 2) {
      this.#sample((((bytes[at] as number) | ((bytes[at + 1] as number) << 8)) << 16) >> 16);
    }
    if (at < bytes.length) this.#half = bytes[at] as number;
  }

  /** Undefined when it was no WAV of 16 bits. */
  finish(): Peaks | undefined {
    if (this.#channels === 0) return undefined;
    if (this.#frames > 0) this.#point();
    return {
      version: 2,
      channels: this.#channels,
      sample_rate: this.#rate,
      samples_per_pixel: this.#perPoint,
      bits: 8,
      length: this.#data.length / (2 * this.#channels),
      data: this.#data,
    };
  }

  #begin(): void {
    const header = this.#header;
    const wave = header.toString('latin1', 0, 4) === 'RIFF' && header.toString('latin1', 8, 16) === 'WAVEfmt ';
    const channels = header.readUInt16LE(22);
    if (!wave || header.readUInt16LE(34) !== 16 || channels === 0) return;
    this.#channels = channels;
    this.#rate = header.readUInt32LE(24);
    this.#perPoint = Math.max(1, Math.round(this.#rate / PEAKS_PER_SECOND));
    this.#low = new Int16Array(channels).fill(0x7fff);
    this.#high = new Int16Array(channels).fill(-0x8000);
  }

  #sample(sample: number): void {
    const channel = this.#channel;
    if (sample < (this.#low[channel] as number)) this.#low[channel] = sample;
    if (sample > (this.#high[channel] as number)) this.#high[channel] = sample;
    if (++this.#channel < this.#channels) return;
    this.#channel = 0;
    if (++this.#frames === this.#perPoint) this.#point();
  }

  #point(): void {
    for (let channel = 0; channel < this.#channels; channel++) {
      this.#data.push((this.#low[channel] as number) >> 8, (this.#high[channel] as number) >> 8);
    }
    this.#low.fill(0x7fff);
    this.#high.fill(-0x8000);
    this.#frames = 0;
  }
}
