/** One of closed legs, one of the ticket. */
const WORDS = 2;

/**
 * What keeps a pause when a media worker does not answer: a word of memory that both threads share, read before every packet. The main
 * thread closes it when a worker is late with its confirmation; whatever the worker then finds in its sockets is dropped, although it
 * has not read the command yet. The worker opens it again when it carries out a resume.
 *
 * A resume is carried out with the ticket that lies beside it, which either thread can take and only one gets: the worker to carry it
 * out, or the main thread to call it off when it has waited too long. Otherwise a worker that hangs would record again after
 * somebody was told that the pause goes on.
 */
export class PauseGate {
  readonly #words: Int32Array;
  readonly #at: number;
  #resumes = 0;

  /**
   * @param words shared by all calls of a worker, because the least that can be shared is a page
   * @param slot the place of this call in it
   */
  constructor(words: Int32Array = PauseGate.memory(1), slot = 0) {
    this.#words = words;
    this.#at = slot * WORDS;
  }

  /** Memory for the gates of so many calls. */
  static memory(calls: number): Int32Array {
    return new Int32Array(new SharedArrayBuffer(calls * WORDS * Int32Array.BYTES_PER_ELEMENT));
  }

  /** Makes a used slot as it was. */
  reset(): void {
    Atomics.store(this.#words, this.#at, 0);
    Atomics.store(this.#words, this.#at + 1, 0);
  }

  close(legs?: readonly number[]): void {
    Atomics.or(this.#words, this.#at, mask(legs));
  }

  open(legs?: readonly number[]): void {
    Atomics.and(this.#words, this.#at, ~mask(legs));
  }

  /** The ticket of a resume that is about to be asked for. It replaces an earlier one that nobody took. */
  ticket(): number {
    this.#resumes += 1;
    Atomics.store(this.#words, this.#at + 1, this.#resumes);
    return this.#resumes;
  }

  /** False when the other thread took it before. */
  take(ticket: number): boolean {
    return Atomics.compareExchange(this.#words, this.#at + 1, ticket, 0) === ticket;
  }

  closed(leg: number): boolean {
    return (Atomics.load(this.#words, this.#at) & bit(leg)) !== 0;
  }
}

/** Legs from 32 on share a bit: at worst one of them is silent longer than it need be, and none speaks when it must not. */
function bit(leg: number): number {
  return 1 << (Math.min(leg, 32) - 1);
}

function mask(legs: readonly number[] | undefined): number {
  return legs ? legs.reduce((bits, leg) => bits | bit(leg), 0) : -1;
}
