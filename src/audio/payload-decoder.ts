/**
 * Makes samples of the RTP payloads of one stream. One that learns from what it has decoded wants its packets in the order in which they
 * were sent, and is made anew for every source.
 */
export interface PayloadDecoder {
  /** Hz, of the samples that it makes. */
  readonly sampleRate: number;
  /**
   * The samples of a payload, `length` bytes of it from `offset`; none when it breaks the rules of its codec. The array belongs to the
   * decoder, which uses it again for the next payload. Never throws for what a sender can put into it.
   */
  decode(payload: Uint8Array, offset: number, length: number): Int16Array;
  /** Gives back what it holds outside of the heap. Idempotent. */
  close?(): void;
}
