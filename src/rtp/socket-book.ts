/** Legs have two sockets each. */
const SOCKETS_PER_CALL = 16;

/**
 * The sockets that a media worker has opened behind Node's back, in memory that both threads share: when the worker dies, whoever started
 * it closes them, as Node does with its own. Each entry is a descriptor and one more, 0 for none.
 */
export class SocketBook {
  readonly #entries: Int32Array;
  #next = 0;

  constructor(entries: Int32Array) {
    this.#entries = entries;
  }

  /** Memory for the sockets of so many calls. */
  static memory(calls: number): Int32Array {
    return new Int32Array(new SharedArrayBuffer(calls * SOCKETS_PER_CALL * Int32Array.BYTES_PER_ELEMENT));
  }

  get full(): boolean {
    return this.#free() < 0;
  }

  /** Only while it is not full. */
  note(socket: number): void {
    const at = this.#free();
    if (at >= 0) Atomics.store(this.#entries, at, socket + 1);
  }

  /** To be called before the socket is closed: its number may be somebody else's right after. */
  forget(socket: number): void {
    const at = this.#entries.indexOf(socket + 1);
    if (at < 0) return;
    Atomics.store(this.#entries, at, 0);
    this.#next = at;
  }

  /** Takes all entries out. For the thread that outlives the other one. */
  takeAll(): number[] {
    const sockets: number[] = [];
    for (let at = 0; at < this.#entries.length; at++) {
      const entry = Atomics.exchange(this.#entries, at, 0);
      if (entry > 0) sockets.push(entry - 1);
    }
    return sockets;
  }

  #free(): number {
    const { length } = this.#entries;
    for (let tried = 0; tried < length; tried++) {
      const at = (this.#next + tried) % length;
      if (Atomics.load(this.#entries, at) !== 0) continue;
      this.#next = at;
      return at;
    }
    return -1;
  }
}
