/** 20 s of 20 ms packets; RFC 3711 §3.3.2 asks for 64 at least. */
const WINDOW = 1024;

/**
 * Which packet indexes of one sender were seen (RFC 3711 §3.3.2). Asked before a packet is authenticated, told only after, so that
 * nobody without the key can move it.
 */
export class ReplayWindow {
  readonly #seen = new Uint32Array(WINDOW / 32);
  #newest = -1;

  /** The highest index, -1 before the first. */
  get newest(): number {
    return this.#newest;
  }

  /** Whether an index was seen, or is so old that nobody remembers. */
  has(index: number): boolean {
    if (index > this.#newest) return false;
    return index <= this.#newest - WINDOW || (this.#word(index) & bit(index)) !== 0;
  }

  add(index: number): void {
    if (index > this.#newest) this.#advance(index);
    const at = (index & (WINDOW - 1)) >> 5;
    this.#seen[at] = this.#word(index) | bit(index);
  }

  /** Places that are used again are emptied. */
  #advance(index: number): void {
    if (index - this.#newest >= WINDOW) this.#seen.fill(0);
    else {
      for (let passed = this.#newest + 1; passed <= index; passed++) {
        const at = (passed & (WINDOW - 1)) >> 5;
        this.#seen[at] = this.#word(passed) & ~bit(passed);
      }
    }
    this.#newest = index;
  }

  #word(index: number): number {
    return this.#seen[(index & (WINDOW - 1)) >> 5] as number;
  }
}

function bit(index: number): number {
  return 1 << (index & 31);
}
