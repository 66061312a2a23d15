/** One decision between sound and silence. */
const BLOCK_MS = 20;
/**
 * Below this level, as the mean of a block, there is silence: digital zero, the idle code of A-law (-72 dBFS), comfort noise as gateways
 * make it. The room of somebody who only listens lies above it. It is also what ffmpeg's `silencedetect` takes for silence unasked.
 */
export const SILENCE_DBFS = -60;
const FULL_SCALE = 32_768;
/**
 * Of seven samples of a block the first and the fourth are looked at: measured, looking at all of them was the dearest loop beside decoding,
 * and tells the same to a tenth of a dB. Steps of three and four by turns miss no tone, as steps of one length would.
 */
const SHORT_STEP = 3;
const PERIOD = 7;
const SILENCE_POWER = (FULL_SCALE * 10 ** (SILENCE_DBFS / 20)) ** 2;

/**
 * How loud one leg is and how much of it is silence, block by block as its samples become final. It keeps sums and no samples. What a
 * packet changes after that, because it came late, is in the files and not in these figures.
 */
export class LevelMeter {
  #block = 0;
  /** Samples of a block that are looked at. */
  #looked = 0;
  #silence = 0;
  #samplesPerMs = 1;
  /** Place of the block that is being filled, on the call clock. */
  #start: number;
  #filled = 0;
  #energy = 0;
  #peak = 0;
  #audible = 0;
  #power = 0;
  #firstAudible = -1;
  #lastAudible = -1;

  /** @param position of the first sample, in samples of the call clock */
  constructor(sampleRate: number, position = 0) {
    this.#start = position;
    this.#take(sampleRate);
  }

  /** The leg has another rate: until now it was silent, and its places change in proportion. */
  follow(sampleRate: number): void {
    if (sampleRate === this.#samplesPerMs * 1000) return;
    this.#start = ((this.#start + this.#filled) * sampleRate) / (this.#samplesPerMs * 1000);
    this.#filled = 0;
    this.#energy = 0;
    this.#take(sampleRate);
  }

  /** Time that is not silence. */
  get audibleMs(): number {
    return this.#audible / this.#samplesPerMs;
  }

  /** Start of the first block that is not silence, on the call clock; -1 before it. */
  get firstAudibleMs(): number {
    return this.#firstAudible < 0 ? -1 : this.#firstAudible / this.#samplesPerMs;
  }

  /** End of the last block that is not silence, on the call clock; -1 before the first. */
  get lastAudibleMs(): number {
    return this.#lastAudible < 0 ? -1 : this.#lastAudible / this.#samplesPerMs;
  }

  /** Mean level of what is not silence; undefined when everything is. A sine at full scale has -3. */
  get levelDbfs(): number | undefined {
    return this.#audible === 0 ? undefined : 10 * Math.log10(this.#power / this.#audible / FULL_SCALE ** 2);
  }

  /** Level of the highest sample that was looked at; undefined when all are zero. */
  get peakDbfs(): number | undefined {
    return this.#peak === 0 ? undefined : 20 * Math.log10(this.#peak / FULL_SCALE);
  }

  /** Takes the next samples of the leg: `length` of them from `offset`. */
  push(samples: Int16Array, offset: number, length: number): void {
    const end = offset + length;
    let at = offset;
    while (at < end) {
      const stop = Math.min(end, at + this.#block - this.#filled);
      this.#look(samples, at, stop);
      this.#filled += stop - at;
      at = stop;
      if (this.#filled === this.#block) this.#endBlock();
    }
  }

  #look(samples: Int16Array, from: number, to: number): void {
    const behind = this.#filled % PERIOD;
    let step = behind === 0 || behind > SHORT_STEP ? SHORT_STEP : PERIOD - SHORT_STEP;
    let energy = this.#energy;
    let peak = this.#peak;
    const first = behind === 0 ? 0 : behind > SHORT_STEP ? PERIOD - behind : SHORT_STEP - behind;
    for (let at = from + first; at < to; at += step, step = PERIOD - step) {
      const sample = samples[at] as number;
      energy += sample * sample;
      if (sample > peak) peak = sample;
      else if (-sample > peak) peak = -sample;
    }
    this.#energy = energy;
    this.#peak = peak;
  }

  #take(sampleRate: number): void {
    this.#samplesPerMs = sampleRate / 1000;
    this.#block = BLOCK_MS * this.#samplesPerMs;
    this.#looked = Math.ceil(this.#block / PERIOD) + Math.ceil((this.#block - SHORT_STEP) / PERIOD);
    this.#silence = SILENCE_POWER * this.#looked;
  }

  #endBlock(): void {
    const end = this.#start + this.#block;
    if (this.#energy >= this.#silence) {
      if (this.#firstAudible < 0) this.#firstAudible = this.#start;
      this.#lastAudible = end;
      this.#audible += this.#block;
      this.#power += (this.#energy / this.#looked) * this.#block;
    }
    this.#start = end;
    this.#filled = 0;
    this.#energy = 0;
  }
}
