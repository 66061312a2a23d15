import type { PayloadDecoder } from './payload-decoder.js';

/** G.711 for whoever needs it as samples; straight into a ring it is decoded without this. */
export class TableDecoder implements PayloadDecoder {
  readonly sampleRate: number;
  readonly #table: Int16Array;
  #samples = new Int16Array(160);

  constructor(table: Int16Array, sampleRate: number) {
    this.#table = table;
    this.sampleRate = sampleRate;
  }

  decode(payload: Uint8Array, offset: number, length: number): Int16Array {
    if (this.#samples.length < length) this.#samples = new Int16Array(length);
    const samples = this.#samples;
    for (let i = 0; i < length; i++) samples[i] = this.#table[payload[offset + i] as number] as number;
    return samples.subarray(0, length);
  }
}
