/**
 * What keeps a pause when a media worker does not answer: a word of memory that both threads share, read before every packet. The main
 * thread closes it when a worker is late with its confirmation; whatever the worker then finds in its sockets is dropped, although it
 * has not read the command yet. The worker opens it again when it carries out a resume.
 */
export class PauseGate {
  readonly memory: SharedArrayBuffer;
  readonly #bits: Int32Array;

  constructor(memory = new SharedArrayBuffer(4)) {
    this.memory = memory;
    this.#bits = new Int32Array(memory);
  }

  close(legs?: readonly number[]): void {
    Atomics.or(this.#bits, 0, mask(legs));
  }

  open(legs?: readonly number[]): void {
    Atomics.and(this.#bits, 0, ~mask(legs));
  }

  closed(leg: number): boolean {
    return (Atomics.load(this.#bits, 0) & bit(leg)) !== 0;
  }
}

/** Legs from 32 on share a bit: at worst one of them is silent longer than it need be, and none speaks when it must not. */
function bit(leg: number): number {
  return 1 << (Math.min(leg, 32) - 1);
}

function mask(legs: readonly number[] | undefined): number {
  return legs ? legs.reduce((bits, leg) => bits | bit(leg), 0) : -1;
}
