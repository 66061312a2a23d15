import { Buffer } from 'node:buffer';
import { SrsError } from '../core/errors.js';
import { DEFAULT_SIP_LIMITS, type SipLimits } from './limits.js';
import { findHeadEnd } from './message.js';

/** What a stream held: whole messages, keep-alive pings (RFC 5626 §4.4.1), and at most one end that cannot be read on from. */
export type StreamItem =
  | { readonly kind: 'message'; readonly bytes: Uint8Array }
  | { readonly kind: 'ping' }
  | { readonly kind: 'broken'; readonly error: SrsError; readonly bytes: Uint8Array };

const CONTENT_LENGTH = /^(?:content-length|l)[ \t]*:\s*(\d{1,9})[ \t]*\r?$/gim;

/** Cuts a byte stream into SIP messages by Content-Length (RFC 3261 §18.3). Holds at most one message and one chunk. */
export class StreamFramer {
  readonly #limits: SipLimits;
  #data = Buffer.alloc(0);
  #length = 0;
  #scanned = 0;
  /** Bytes of the message at the front, once its head is complete. */
  #expected: number | undefined;
  #blankLines = 0;
  #broken = false;

  constructor(limits: SipLimits = DEFAULT_SIP_LIMITS) {
    this.#limits = limits;
  }

  /** Bytes of an unfinished message. */
  get pendingBytes(): number {
    return this.#length;
  }

  /** After `broken` everything is ignored. Returned bytes stay valid. */
  push(chunk: Uint8Array): readonly StreamItem[] {
    const items: StreamItem[] = [];
    if (this.#broken) return items;
    this.#append(chunk);
    while (!this.#broken && this.#next(items)) {}
    return items;
  }

  #next(items: StreamItem[]): boolean {
    if (this.#expected === undefined && !this.#readHead(items)) return false;
    const expected = this.#expected;
    if (expected === undefined || this.#length < expected) return false;
    items.push({ kind: 'message', bytes: Buffer.from(this.#data.subarray(0, expected)) });
    this.#drop(expected);
    this.#expected = undefined;
    return this.#length > 0;
  }

  #readHead(items: StreamItem[]): boolean {
    this.#skipBlankLines(items);
    if (this.#length === 0) return false;
    const view = this.#data.subarray(0, this.#length);
    // The blank line may begin two bytes before what was scanned: in its own line end.
    const end = findHeadEnd(view, Math.max(0, this.#scanned - 3));
    this.#scanned = this.#length;
    const headBytes = end?.head ?? this.#length;
    if (headBytes > this.#limits.maxHeadBytes) {
      return this.#break(items, 'SRS_SIP_TOO_LARGE', 'the headers are over their byte limit', view.subarray(0, 1_024));
    }
    if (end === undefined) return false;
    const head = view.subarray(0, end.body);
    const lengths = [...head.toString('latin1').matchAll(CONTENT_LENGTH)].map((match) => Number(match[1]));
    const [length] = lengths;
    if (length === undefined || lengths.some((other) => other !== length)) {
      return this.#break(items, 'SRS_SIP_MALFORMED', 'a stream needs one readable Content-Length', head);
    }
    if (end.body + length > this.#limits.maxMessageBytes) {
      return this.#break(items, 'SRS_SIP_TOO_LARGE', 'the message is over its byte limit', head);
    }
    this.#blankLines = 0;
    this.#expected = end.body + length;
    return true;
  }

  /** Two blank lines between messages are a ping; one push answers at most one. */
  #skipBlankLines(items: StreamItem[]): void {
    let at = 0;
    let pinged = false;
    while (at < this.#length && (this.#data[at] === 0x0d || this.#data[at] === 0x0a)) {
      if (this.#data[at] === 0x0a && ++this.#blankLines % 2 === 0) pinged = true;
      at++;
    }
    if (at > 0) this.#drop(at);
    if (pinged) items.push({ kind: 'ping' });
  }

  #append(chunk: Uint8Array): void {
    const needed = this.#length + chunk.length;
    if (needed > this.#data.length) {
      const grown = Buffer.allocUnsafe(Math.max(needed, 2 * this.#data.length, 2_048));
      this.#data.copy(grown, 0, 0, this.#length);
      this.#data = grown;
    }
    this.#data.set(chunk, this.#length);
    this.#length = needed;
  }

  #drop(bytes: number): void {
    this.#data.copyWithin(0, bytes, this.#length);
    this.#length -= bytes;
    this.#scanned = 0;
    // An idle connection keeps no memory of its largest message.
    if (this.#length === 0) this.#data = Buffer.alloc(0);
  }

  #break(
    items: StreamItem[],
    code: 'SRS_SIP_MALFORMED' | 'SRS_SIP_TOO_LARGE',
    text: string,
    bytes: Uint8Array,
  ): boolean {
    items.push({ kind: 'broken', error: new SrsError(code, text), bytes: Buffer.from(bytes) });
    this.#broken = true;
    this.#data = Buffer.alloc(0);
    this.#length = 0;
    return false;
  }
}
