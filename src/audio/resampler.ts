/**
 * Rational polyphase resampling of 16-bit speech. The low-pass is a Kaiser-windowed sinc of 80 dB whose transition lies between
 * 85 % and 100 % of the lower Nyquist frequency: at 8 kHz the telephone band up to 3.4 kHz passes and nothing folds back.
 */
const STOPBAND_DB = 80;
const PASS_EDGE = 0.85;
const MIN_RATE = 1000;
const MAX_RATE = 384_000;
/** Ratios without a common factor need one filter phase per output rate unit; a few tables are enough for a whole process. */
const TABLES_KEPT = 8;

interface FilterTable {
  /** Output samples per cycle of phases. */
  readonly up: number;
  /** Input samples per cycle of phases. */
  readonly down: number;
  /** Input samples on each side of the centre. */
  readonly half: number;
  /** `up` phases of `2 * half` coefficients. */
  readonly taps: Float64Array;
}

const tables = new Map<string, FilterTable>();

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}

/** Modified Bessel function of the first kind and order 0, by its power series. */
function bessel0(x: number): number {
  let sum = 1;
  let term = 1;
  const quarter = (x * x) / 4;
  for (let k = 1; term > sum * 1e-12; k += 1) {
    term *= quarter / (k * k);
    sum += term;
  }
  return sum;
}

function checkRate(rate: number): void {
  if (!Number.isInteger(rate) || rate < MIN_RATE || rate > MAX_RATE) {
    throw new RangeError(`a sample rate must be a whole number from ${MIN_RATE} to ${MAX_RATE} Hz, not ${rate}`);
  }
}

function makeTable(fromRate: number, toRate: number): FilterTable {
  const divisor = gcd(fromRate, toRate);
  const [up, down] = [toRate / divisor, fromRate / divisor];
  // Frequencies below are in cycles per input sample.
  const nyquist = Math.min(1, toRate / fromRate) / 2;
  const cutoff = (nyquist * (1 + PASS_EDGE)) / 2;
  const transition = nyquist * (1 - PASS_EDGE);
  const half = Math.ceil((STOPBAND_DB - 7.95) / (14.36 * transition) / 2);
  const beta = 0.1102 * (STOPBAND_DB - 8.7);
  const window0 = bessel0(beta);
  const taps = new Float64Array(up * 2 * half);
  for (let phase = 0; phase < up; phase += 1) {
    const base = phase * 2 * half;
    let sum = 0;
    for (let k = 0; k < 2 * half; k += 1) {
      // Distance of the input sample from the output's instant.
      const t = k - half + 1 - phase / up;
      const inside = 1 - (t / half) ** 2;
      const sinc = t === 0 ? 2 * cutoff : Math.sin(2 * Math.PI * cutoff * t) / (Math.PI * t);
      const value = inside < 0 ? 0 : (sinc * bessel0(beta * Math.sqrt(inside))) / window0;
      taps[base + k] = value;
      sum += value;
    }
    // Every phase passes a constant unchanged; otherwise DC would ripple at the output rate.
    for (let k = 0; k < 2 * half; k += 1) taps[base + k] = (taps[base + k] ?? 0) / sum;
  }
  return { up, down, half, taps };
}

function tableFor(fromRate: number, toRate: number): FilterTable {
  const divisor = gcd(fromRate, toRate);
  const key = `${fromRate / divisor}:${toRate / divisor}`;
  const known = tables.get(key);
  if (known) return known;
  const made = makeTable(fromRate, toRate);
  const oldest = tables.keys().next().value;
  if (tables.size >= TABLES_KEPT && oldest !== undefined) tables.delete(oldest);
  tables.set(key, made);
  return made;
}

/** One resampling, cut in pieces by the caller, so that a long utterance need not hold up an event loop. */
export class Resampling {
  readonly output: Int16Array;
  readonly #table: FilterTable;
  readonly #padded: Float64Array;
  #done = 0;

  /** Throws RangeError for a rate that is not a whole number of Hz from 1,000 to 384,000. */
  constructor(samples: Int16Array, fromRate: number, toRate: number) {
    checkRate(fromRate);
    checkRate(toRate);
    this.output = new Int16Array(Math.round((samples.length * toRate) / fromRate));
    this.#table = tableFor(fromRate, toRate);
    // Silence before and after spares the inner loop every check of bounds; one more for a rounded-up length.
    this.#padded = new Float64Array(samples.length + 2 * this.#table.half + this.#table.down + 1);
    this.#padded.set(samples, this.#table.half - 1);
  }

  /** Makes up to `count` more output samples; true when all are made. */
  advance(count: number): boolean {
    const { up, down, half, taps } = this.#table;
    const { output } = this;
    const padded = this.#padded;
    const width = 2 * half;
    const end = Math.min(output.length, this.#done + count);
    for (let m = this.#done; m < end; m += 1) {
      const position = m * down;
      const phase = position % up;
      const start = (position - phase) / up;
      const base = phase * width;
      let sum = 0;
      for (let k = 0; k < width; k += 1) sum += (padded[start + k] as number) * (taps[base + k] as number);
      output[m] = sum > 32_767 ? 32_767 : sum < -32_768 ? -32_768 : Math.round(sum);
    }
    this.#done = end;
    return end === output.length;
  }
}

/**
 * Mono samples at another rate, without delay: output sample m is the input at time m / toRate.
 * The result has `round(n * toRate / fromRate)` samples. Equal rates give the samples themselves, not a copy.
 */
export function resample(samples: Int16Array, fromRate: number, toRate: number): Int16Array {
  if (fromRate === toRate) {
    checkRate(fromRate);
    return samples;
  }
  const work = new Resampling(samples, fromRate, toRate);
  work.advance(work.output.length);
  return work.output;
}
