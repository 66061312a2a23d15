import { sequenceDistance, timestampDistance } from './sequence.js';

/** What packets may overtake each other, by their timestamps. */
const WINDOW_MS = 100;
/** 100 ms of the shortest packets, and some more. */
const MAX_HELD = 24;
/** A larger step begins a new numbering (RFC 3550 §A.1). */
const MAX_DROPOUT = 3000;

/** A packet as it is handed on. */
export interface OrderedPacket<Format> {
  readonly sequence: number;
  readonly timestamp: number;
  readonly format: Format;
  readonly bytes: Uint8Array;
  readonly offset: number;
  readonly length: number;
  /** Whether the packet before it was handed on too. */
  readonly follows: boolean;
  /** Packets that are missing between the one before and this one; -1 when the numbering begins with this one. */
  readonly missing: number;
}

interface HeldPacket<Format> {
  readonly sequence: number;
  readonly timestamp: number;
  /** None for a packet that is not for the decoder. */
  readonly format: Format | undefined;
  readonly bytes: Uint8Array;
  /** Whether it was here when the last tick ended. */
  old: boolean;
}

/**
 * Hands packets on in the order in which they were sent, for decoders that learn from what they decode. A packet that comes in order goes
 * on at once. One that comes too soon waits for those before it, 100 ms of audio or the time between two ticks; after that they are
 * lost, and too late when they come after all. Of a new stream everything waits for the first tick, because its first packet may have
 * been overtaken too. Pure.
 */
export class ReorderQueue<Format extends { readonly clockRate: number }> {
  readonly #handOn: (packet: OrderedPacket<Format>) => void;
  /** By sequence, the oldest first. */
  #held: HeldPacket<Format>[] = [];
  /** The number that comes next; -1 while a stream begins. */
  #next = -1;
  #follows = false;
  #missing = -1;

  constructor(handOn: (packet: OrderedPacket<Format>) => void) {
    this.#handOn = handOn;
  }

  get held(): number {
    return this.#held.length;
  }

  /**
   * Takes a packet that is no duplicate. `newest` tells that no higher number came before, so that one which is lower nevertheless begins
   * a new numbering. One without a format has its number and is not handed on. False when its place was passed already.
   */
  push(
    sequence: number,
    timestamp: number,
    format: Format | undefined,
    bytes: Uint8Array,
    offset: number,
    length: number,
    newest: boolean,
  ): boolean {
    const ahead = this.#next < 0 ? 0 : sequenceDistance(this.#next, sequence);
    if (ahead < 0 || ahead > MAX_DROPOUT) {
      if (!newest) return false;
      this.restart();
    } else if (this.#next >= 0 && ahead === 0 && this.#held.length === 0) {
      this.#pass(sequence, timestamp, format, bytes, offset, length);
      return true;
    }
    this.#hold({ sequence, timestamp, format, bytes: bytes.slice(offset, offset + length), old: false });
    if (this.#next >= 0) this.#release();
    else if (this.#held.length > MAX_HELD) this.#passOldest();
    return true;
  }

  /** A tick is over: what has waited for a whole one waits no more. */
  tick(): void {
    if (this.#held.length === 0) return;
    if (this.#next < 0) this.#passOldest();
    this.#release();
    while (this.#held.some(({ old }) => old)) {
      this.#passOldest();
      this.#release();
    }
    for (const packet of this.#held) packet.old = true;
  }

  /** Hands everything on and begins anew: another source, a hold, the end. */
  restart(): void {
    while (this.#held.length > 0) this.#passOldest();
    this.#next = -1;
    this.#follows = false;
    this.#missing = -1;
  }

  #hold(packet: HeldPacket<Format>): void {
    let at = this.#held.length;
    while (at > 0 && sequenceDistance((this.#held[at - 1] as HeldPacket<Format>).sequence, packet.sequence) < 0) at--;
    this.#held.splice(at, 0, packet);
  }

  #release(): void {
    for (;;) {
      const [oldest] = this.#held;
      const newest = this.#held.at(-1);
      if (!oldest || !newest) return;
      const span = timestampDistance(oldest.timestamp, newest.timestamp);
      const clockRate = newest.format?.clockRate ?? oldest.format?.clockRate ?? 8000;
      const full = this.#held.length > MAX_HELD || span * 1000 >= WINDOW_MS * clockRate;
      if (oldest.sequence !== this.#next && !full) return;
      this.#passOldest();
    }
  }

  #passOldest(): void {
    const packet = this.#held.shift();
    if (!packet) return;
    const { sequence, timestamp, format, bytes } = packet;
    this.#pass(sequence, timestamp, format, bytes, 0, bytes.length);
  }

  #pass(
    sequence: number,
    timestamp: number,
    format: Format | undefined,
    bytes: Uint8Array,
    offset: number,
    length: number,
  ): void {
    const gap = this.#next < 0 ? 0 : sequenceDistance(this.#next, sequence);
    const follows = this.#follows && gap === 0;
    if (this.#missing >= 0) this.#missing += gap;
    this.#next = (sequence + 1) & 0xffff;
    this.#follows = format !== undefined;
    if (format === undefined) return;
    const missing = this.#missing;
    this.#missing = 0;
    this.#handOn({ sequence, timestamp, format, bytes, offset, length, follows, missing });
  }
}
