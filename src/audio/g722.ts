import type { PayloadDecoder } from './payload-decoder.js';

/**
 * G.722 at 64 kbit/s (ITU-T G.722, 2012, mode 1): each byte is two samples at 16 kHz. Two bits are the upper half of the band, six the
 * lower; each half is ADPCM, and a pair of mirror filters joins them. Names in quotes are those of blocks of the Recommendation.
 *
 * The decoder is a fixed-point algorithm: ffmpeg's gives the same samples, bit for bit.
 */

/** Magnitudes of the 30 levels of the lower band's quantizer (QQ6), the loudest first. */
const LOW_LEVELS = [
  24_808, 21_904, 19_008, 16_704, 14_984, 13_512, 12_280, 11_192, 10_232, 9360, 8576, 7856, 7192, 6576, 6000, 5456,
  4944, 4464, 4008, 3576, 3168, 2776, 2400, 2032, 1688, 1360, 1040, 728, 432, 136,
];
/** The same with four bits (QQ4), from which the step size learns, so that a decoder that gets fewer bits stays in step. */
const LOW_LEVELS_OF_FOUR = [20_456, 12_896, 8968, 6288, 4240, 2584, 1200, 0];
/** Upper band (QQ2). */
const HIGH_LEVELS = [7408, 1616];
/** What a level does to the logarithm of the step size (WL, WH). */
const LOW_STEPS = [3042, 1198, 538, 334, 172, 58, -30, -60];
const HIGH_STEPS = [798, -214];
const MAX_LOW_LOG = 18_432;
const MAX_HIGH_LOG = 22_528;
/** Mantissas of the step sizes: 2048 · 2^(i/32) (ILB). */
const MANTISSAS = Int32Array.from({ length: 32 }, (_, i) => Math.round(2048 * 2 ** (i / 32)));

/** By the six bits of the lower band. The first four codes are not sent; a decoder takes them for the smallest level (table 7). */
const LOW = Int32Array.from({ length: 64 }, (_, code) => {
  if (code < 4) return -136;
  if (code < 32) return -(LOW_LEVELS[code - 4] as number);
  if (code < 62) return LOW_LEVELS[code - 32] as number;
  return -(LOW_LEVELS[code - 34] as number);
});
/** By the upper four of them. Code 0 is not sent. */
const LOW_OF_FOUR = Int32Array.from({ length: 16 }, (_, code) => {
  if (code === 0) return 0;
  return code < 8 ? -(LOW_LEVELS_OF_FOUR[code - 1] as number) : (LOW_LEVELS_OF_FOUR[code - 8] as number);
});
const LOW_STEP = Int32Array.from({ length: 16 }, (_, code) => {
  if (code === 0) return LOW_STEPS[7] as number;
  return LOW_STEPS[((code - 1) % 7) + (code === 15 ? 7 : 0)] as number;
});
const HIGH = Int32Array.from([0, 1, 2, 3], (code) => (HIGH_LEVELS[code & 1] as number) * (code < 2 ? -1 : 1));
const HIGH_STEP = Int32Array.from([0, 1, 2, 3], (code) => HIGH_STEPS[code & 1] as number);

/** One half of the mirror filter; the other is its reverse (table 4, H0 to H22 even). */
const MIRROR = Int32Array.of(3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11);
const MIRROR_PAIRS = MIRROR.length;
/** Frames of the filter's memory that are kept before it is moved back: moving it for every sample would cost more than filtering. */
const LINE = 1024;

/** 20 ms. */
const USUAL_SAMPLES = 320;

function clip16(value: number): number {
  return value > 32_767 ? 32_767 : value < -32_768 ? -32_768 : value;
}

/** One half of the band: an adaptive quantizer and a predictor of two poles and six zeros. */
class Band {
  /** The predicted sample (SL, SH). */
  predicted = 0;
  /** Step size (DETL, DETH, without their last two bits). */
  step: number;
  #log = 0;
  readonly #maxLog: number;
  readonly #smallest: number;
  /** Zeros: coefficients and the last differences, doubled. */
  readonly #zeros = new Int32Array(6);
  readonly #differences = new Int32Array(6);
  #zeroPart = 0;
  #pole1 = 0;
  #pole2 = 0;
  #reconstructed = 0;
  /** Whether the last two partly reconstructed samples were negative. */
  #negative1 = false;
  #negative2 = false;

  /** @param shift by which the step size is less than its mantissa at the logarithm zero */
  constructor(maxLog: number, shift: number) {
    this.#maxLog = maxLog;
    this.#smallest = shift;
    this.step = this.#stepOf(0);
  }

  /** "LOGSCL" and "SCALEL". */
  adapt(change: number): void {
    const log = ((this.#log * 127) >> 7) + change;
    this.#log = log < 0 ? 0 : log > this.#maxLog ? this.#maxLog : log;
    this.step = this.#stepOf(this.#log);
  }

  /** Takes the difference of the present sample and predicts the next one: block 4. */
  predict(difference: number): void {
    // "PARREC", "UPPOL2", "UPPOL1": the signs of what was reconstructed without the poles move the poles.
    const negative = this.#zeroPart + difference < 0;
    const sameAsLast = negative === this.#negative1;
    const pole1 = Math.max(-8191, Math.min(8191, this.#pole1));
    let pole2 = ((sameAsLast ? -pole1 : pole1) >> 5) + (negative === this.#negative2 ? 128 : -128);
    pole2 += (this.#pole2 * 127) >> 7;
    this.#pole2 = pole2 > 12_288 ? 12_288 : pole2 < -12_288 ? -12_288 : pole2;
    const limit = 15_360 - this.#pole2;
    const moved = (sameAsLast ? 192 : -192) + ((this.#pole1 * 255) >> 8);
    this.#pole1 = moved > limit ? limit : moved < -limit ? -limit : moved;
    this.#negative2 = this.#negative1;
    this.#negative1 = negative;
    this.#zeroPart = this.#filterZeros(difference);
    // "RECONS", "FILTEP", "PREDIC".
    const reconstructed = clip16((this.predicted + difference) * 2);
    const polePart = ((this.#pole1 * reconstructed) >> 15) + ((this.#pole2 * this.#reconstructed) >> 15);
    this.predicted = clip16(this.#zeroPart + polePart);
    this.#reconstructed = reconstructed;
  }

  /** "UPZERO" and "FILTEZ". */
  #filterZeros(difference: number): number {
    const zeros = this.#zeros;
    const differences = this.#differences;
    const pull = difference === 0 ? 0 : 128;
    let sum = 0;
    for (let i = 5; i >= 0; i--) {
      const old = differences[i] as number;
      const zero = (((zeros[i] as number) * 255) >> 8) + ((old ^ difference) < 0 ? -pull : pull);
      zeros[i] = zero;
      const next = i === 0 ? clip16(difference * 2) : (differences[i - 1] as number);
      differences[i] = next;
      sum += (next * zero) >> 15;
    }
    return sum;
  }

  #stepOf(log: number): number {
    const mantissa = MANTISSAS[(log >> 6) & 31] as number;
    const shift = this.#smallest - (log >> 11);
    return shift < 0 ? mantissa << -shift : mantissa >> shift;
  }
}

/** The decoder of one stream. It learns from every byte: packets must come in order, and a lost one is heard for some milliseconds. */
export class G722Decoder implements PayloadDecoder {
  readonly sampleRate = 16_000;
  readonly #low = new Band(MAX_LOW_LOG, 8);
  readonly #high = new Band(MAX_HIGH_LOG, 10);
  /** Sums and differences of both halves, newest last. */
  readonly #line = new Int32Array(LINE * 2);
  #at = (MIRROR_PAIRS - 1) * 2;
  #samples = new Int16Array(USUAL_SAMPLES);

  decode(payload: Uint8Array, offset: number, length: number): Int16Array {
    if (this.#samples.length < length * 2) this.#samples = new Int16Array(length * 2);
    const samples = this.#samples;
    for (let i = 0; i < length; i++) this.#take(payload[offset + i] as number, samples, i * 2);
    return length * 2 === samples.length ? samples : samples.subarray(0, length * 2);
  }

  #take(byte: number, samples: Int16Array, at: number): void {
    const low = this.#low;
    const high = this.#high;
    const lowCode = byte & 63;
    const highCode = byte >> 6;
    const lowSample = low.predicted + ((low.step * (LOW[lowCode] as number)) >> 13);
    const rl = lowSample > 16_383 ? 16_383 : lowSample < -16_384 ? -16_384 : lowSample;
    low.predict((low.step * (LOW_OF_FOUR[lowCode >> 2] as number)) >> 13);
    low.adapt(LOW_STEP[lowCode >> 2] as number);
    const difference = (high.step * (HIGH[highCode] as number)) >> 13;
    const highSample = high.predicted + difference;
    const rh = highSample > 16_383 ? 16_383 : highSample < -16_384 ? -16_384 : highSample;
    high.predict(difference);
    high.adapt(HIGH_STEP[highCode] as number);
    this.#join(rl + rh, rl - rh, samples, at);
  }

  /** "RECA", "RECB", "ACCUMC", "ACCUMD": the receiving half of the mirror filters. */
  #join(sum: number, difference: number, samples: Int16Array, at: number): void {
    const line = this.#line;
    if (this.#at + 2 > line.length) {
      line.copyWithin(0, line.length - (MIRROR_PAIRS - 1) * 2);
      this.#at = (MIRROR_PAIRS - 1) * 2;
    }
    line[this.#at] = sum;
    line[this.#at + 1] = difference;
    this.#at += 2;
    let first = 0;
    let second = 0;
    for (let tap = 0, slot = this.#at - MIRROR_PAIRS * 2; tap < MIRROR_PAIRS; tap++, slot += 2) {
      second += (line[slot] as number) * (MIRROR[tap] as number);
      first += (line[slot + 1] as number) * (MIRROR[MIRROR_PAIRS - 1 - tap] as number);
    }
    samples[at] = clip16(first >> 11);
    samples[at + 1] = clip16(second >> 11);
  }
}
