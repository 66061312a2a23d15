import { doubleRate, HALF_BAND_REACH } from './half-band.js';

/**
 * Doubles the rate of a stream that comes in packets. The last samples of a packet depend on the next one, and nobody waits for that:
 * they are made as if silence came, and made anew, rightly, at the head of the next packet's result.
 */
export class RateDoubler {
  /** Two reaches of the last packet: what is made anew, and what that depends on. Then the packet, then silence of a reach. */
  #input = new Int16Array(0);
  #output = new Int16Array(0);
  readonly #history = new Int16Array(2 * HALF_BAND_REACH);
  #known = false;

  /** What comes next does not follow what came last. */
  reset(): void {
    this.#known = false;
  }

  /**
   * The packet at twice its rate. The result begins `lead` input samples before the packet, to be put over what is there. The array is
   * used again for the next packet.
   */
  push(samples: Int16Array): { readonly samples: Int16Array; readonly lead: number } {
    const { length } = samples;
    const before = 2 * HALF_BAND_REACH;
    if (this.#input.length < before + length + HALF_BAND_REACH) {
      this.#input = new Int16Array(before + length + HALF_BAND_REACH);
      this.#output = new Int16Array(2 * (HALF_BAND_REACH + length));
    }
    const input = this.#input;
    if (this.#known) input.set(this.#history);
    else input.fill(0, 0, before);
    input.set(samples, before);
    input.fill(0, before + length, before + length + HALF_BAND_REACH);
    // A packet shorter than the reach would have to mend the one before the last, too: there is none so short.
    const lead = this.#known ? HALF_BAND_REACH : 0;
    doubleRate(input, before - lead, lead + length, this.#output);
    this.#history.set(input.subarray(length, length + before));
    this.#known = true;
    return { samples: this.#output.subarray(0, 2 * (lead + length)), lead };
  }
}
