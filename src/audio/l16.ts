import type { PayloadDecoder } from './payload-decoder.js';

/** 20 ms at 16 kHz. */
const USUAL_SAMPLES = 320;

/**
 * L16 (RFC 3551 §4.5.11): 16-bit samples, the high byte first, channels interleaved. Of several channels the mean is taken: what was said
 * on either of them is heard.
 */
export class L16Decoder implements PayloadDecoder {
  readonly sampleRate: number;
  readonly #channels: number;
  #samples = new Int16Array(USUAL_SAMPLES);

  constructor(sampleRate: number, channels = 1) {
    this.sampleRate = sampleRate;
    this.#channels = channels;
  }

  decode(payload: Uint8Array, offset: number, length: number): Int16Array {
    const channels = this.#channels;
    // Half a frame at the end is no sample.
    const count = Math.floor(length / (2 * channels));
    if (this.#samples.length < count) this.#samples = new Int16Array(count);
    const samples = this.#samples;
    for (let i = 0, at = offset; i < count; i++) {
      let sum = 0;
      for (let channel = 0; channel < channels; channel++, at += 2) {
        sum += (((payload[at] as number) << 24) >> 16) | (payload[at + 1] as number);
      }
      samples[i] = channels === 1 ? sum : Math.round(sum / channels);
    }
    return samples.subarray(0, count);
  }
}
