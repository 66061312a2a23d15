/** 256 ms at 8 kHz: small enough to waste little, large enough that an utterance of 25 s is a hundred of them. */
const CHUNK_BITS = 11;
const CHUNK = 1 << CHUNK_BITS;
/** Chunks that wait for their next use: 1 MB for all queues of a thread. */
const MAX_SPARE = 256;
const spare: Int16Array[] = [];

/**
 * Samples in order, appended at the end and forgotten from the front. Kept in chunks that all queues of a thread share, so that a leg
 * costs 12 kB while nobody speaks, and long speech is never copied as it grows.
 */
export class SampleQueue {
  readonly #chunks: Int16Array[] = [];
  /** Where the first sample lies in the first chunk. */
  #offset = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  append(samples: Int16Array): void {
    for (let done = 0; done < samples.length; ) {
      const at = this.#offset + this.#length;
      const slot = at & (CHUNK - 1);
      if (slot === 0 && at >> CHUNK_BITS === this.#chunks.length)
        this.#chunks.push(spare.pop() ?? new Int16Array(CHUNK));
      const take = Math.min(samples.length - done, CHUNK - slot);
      const chunk = this.#chunks[at >> CHUNK_BITS] as Int16Array;
      chunk.set(take === samples.length ? samples : samples.subarray(done, done + take), slot);
      this.#length += take;
      done += take;
    }
  }

  /** Forgets `count` samples from the front. */
  drop(count: number): void {
    this.#offset += Math.min(count, this.#length);
    this.#length -= Math.min(count, this.#length);
    const emptied = this.#length === 0 ? this.#chunks.length : this.#offset >> CHUNK_BITS;
    for (const chunk of this.#chunks.splice(0, emptied)) if (spare.length < MAX_SPARE) spare.push(chunk);
    this.#offset = this.#length === 0 ? 0 : this.#offset & (CHUNK - 1);
  }

  /** A copy of `[from, to)`, counted from the first sample that is kept. */
  copy(from: number, to: number): Int16Array {
    const copied = new Int16Array(to - from);
    for (let done = 0; done < copied.length; ) {
      const at = this.#offset + from + done;
      const slot = at & (CHUNK - 1);
      const take = Math.min(copied.length - done, CHUNK - slot);
      copied.set((this.#chunks[at >> CHUNK_BITS] as Int16Array).subarray(slot, slot + take), done);
      done += take;
    }
    return copied;
  }
}
