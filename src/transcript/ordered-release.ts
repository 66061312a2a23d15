/** A place in the line. */
export interface ReleaseTicket {
  readonly number: number;
}

/**
 * Hands results out in the order in which their places were reserved, whatever the order in which they finish.
 * Pure: it waits for nothing and owns no timer. A place that is never completed holds everything behind it,
 * so whoever reserves must complete, with a failure if need be.
 */
export class OrderedRelease<T> {
  readonly #release: (value: T) => void;
  readonly #finished = new Map<number, T>();
  #reserved = 0;
  #next = 0;
  #releasing = false;

  constructor(release: (value: T) => void) {
    this.#release = release;
  }

  /** Places whose results are not handed out yet. */
  get pending(): number {
    return this.#reserved - this.#next;
  }

  reserve(): ReleaseTicket {
    const ticket = { number: this.#reserved };
    this.#reserved += 1;
    return ticket;
  }

  /** Hands out this result and those behind it that wait only for it. The second result for one place is ignored. */
  complete(ticket: ReleaseTicket, value: T): void {
    const { number } = ticket;
    if (number < this.#next || number >= this.#reserved || this.#finished.has(number)) return;
    this.#finished.set(number, value);
    // A release that completes another place must not overtake the ones that are being handed out.
    if (this.#releasing) return;
    this.#releasing = true;
    try {
      this.#releaseReady();
    } finally {
      this.#releasing = false;
    }
  }

  #releaseReady(): void {
    while (this.#finished.has(this.#next)) {
      const value = this.#finished.get(this.#next) as T;
      this.#finished.delete(this.#next);
      this.#next += 1;
      this.#release(value);
    }
  }
}
