import type { PcmRing } from './pcm-ring.js';

/**
 * Twice the sample rate. Every second sample of the result is one of the input, untouched; those between are a Kaiser-windowed sinc of
 * their neighbours (a half-band filter, 80 dB, flat to 3.4 kHz when 8 kHz become 16). A sample depends on its neighbours only, so any
 * stretch can be made anew later, out of the same input, with the same result.
 */

/** Input samples on either side that a sample of the result depends on. */
export const HALF_BAND_REACH = 17;
const KAISER_BETA = 7.86;

const taps = new Float64Array(HALF_BAND_REACH);

function bessel0(x: number): number {
  let sum = 1;
  let term = 1;
  for (let k = 1; term > sum * 1e-12; k += 1) {
    term *= (x * x) / 4 / (k * k);
    sum += term;
  }
  return sum;
}

/** Tap k weighs the input samples k + ½ steps before and after. Their sum is ½, so that a constant stays what it is. */
function fillTaps(): void {
  let sum = 0;
  for (let k = 0; k < HALF_BAND_REACH; k++) {
    const t = k + 0.5;
    const window = bessel0(KAISER_BETA * Math.sqrt(1 - (t / HALF_BAND_REACH) ** 2));
    taps[k] = (Math.sin(Math.PI * t) / (Math.PI * t)) * window;
    sum += taps[k] as number;
  }
  for (let k = 0; k < HALF_BAND_REACH; k++) taps[k] = (taps[k] as number) / sum / 2;
}
fillTaps();

/**
 * Makes `2 * length` samples out of `length` of the input from index `from`, and puts them into every `stride`-th element of `target`,
 * beginning at `at`. The input must reach `HALF_BAND_REACH` samples further on either side.
 */
export function doubleRate(
  input: Int16Array,
  from: number,
  length: number,
  target: Int16Array,
  at = 0,
  stride = 1,
): void {
  for (let i = from, index = at; i < from + length; i++, index += 2 * stride) {
    target[index] = input[i] as number;
    let sum = 0;
    for (let k = 0; k < HALF_BAND_REACH; k++) {
      sum += ((input[i - k] as number) + (input[i + 1 + k] as number)) * (taps[k] as number);
    }
    target[index + stride] = sum > 32_767 ? 32_767 : sum < -32_768 ? -32_768 : Math.round(sum);
  }
}

/** Puts what a ring holds before `head` into another one at twice the rate. */
export function doubleRing(ring: PcmRing, head: number, target: PcmRing): void {
  const from = Math.max(0, head - ring.capacity);
  const length = head - from;
  const input = new Int16Array(length + 2 * HALF_BAND_REACH);
  ring.copyInto(input, from, head, HALF_BAND_REACH);
  const output = new Int16Array(2 * length);
  doubleRate(input, HALF_BAND_REACH, length, output);
  target.write(2 * from, output, 0, output.length);
}
