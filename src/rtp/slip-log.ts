import { timestampDistance } from './sequence.js';

/** More than ten seconds of slips as they come with a sender that is 200 ppm off. */
const CAPACITY = 64;

/** At which timestamps packets were moved against those before, so that a late packet is put where its neighbours lie. */
export class SlipLog {
  #timestamps: number[] = [];
  #samples: number[] = [];

  add(timestamp: number, samples: number): void {
    if (this.#timestamps.length >= CAPACITY) {
      this.#timestamps.shift();
      this.#samples.shift();
    }
    this.#timestamps.push(timestamp);
    this.#samples.push(samples);
  }

  /** By how many samples packets were moved after this timestamp. */
  since(timestamp: number): number {
    let sum = 0;
    for (let i = this.#timestamps.length - 1; i >= 0; i--) {
      if (timestampDistance(timestamp, this.#timestamps[i] as number) <= 0) break;
      sum += this.#samples[i] as number;
    }
    return sum;
  }

  /** Every sample is `factor` samples now. */
  rerate(factor: number): void {
    this.#samples = this.#samples.map((samples) => samples * factor);
  }

  clear(): void {
    if (this.#timestamps.length === 0) return;
    this.#timestamps = [];
    this.#samples = [];
  }
}
