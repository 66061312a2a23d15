/** Why a protected packet is not taken. Anything else that `open` returns is the length of the packet without its protection. */
export const UNAUTHENTICATED = -1;
export const REPLAYED = -2;
export const MALFORMED = -3;

const FIXED_BYTES = 12;

/** Where the payload of an RTP packet begins, which is where its encryption does (RFC 3711 §3.1); -1 when it is none. */
export function payloadOffset(bytes: Uint8Array): number {
  const { length } = bytes;
  if (length < FIXED_BYTES) return -1;
  const first = bytes[0] as number;
  if (first >> 6 !== 2) return -1;
  let offset = FIXED_BYTES + 4 * (first & 0x0f);
  if (first & 0x10) {
    if (offset + 4 > length) return -1;
    offset += 4 + 4 * (((bytes[offset + 2] as number) << 8) | (bytes[offset + 3] as number));
  }
  return offset > length ? -1 : offset;
}

export function readWord(bytes: Uint8Array, at: number): number {
  const high = ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
  return high * 0x10000 + (((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number));
}

const HALF = 0x8000;
/** Sequence numbers of one value of the rollover counter. */
export const ROLLOVER = 0x10000;

/**
 * The 48-bit index of a packet, estimated from its sequence number and the highest index so far (RFC 3711 §3.3.1, appendix A).
 * Negative for a packet from before the first.
 */
export function estimateIndex(newest: number, sequence: number): number {
  const last = newest & 0xffff;
  const base = newest - last;
  if (last < HALF) return sequence - last > HALF ? base - ROLLOVER + sequence : base + sequence;
  return last - HALF > sequence ? base + ROLLOVER + sequence : base + sequence;
}

export function rolloverOf(index: number): number {
  return Math.floor(index / ROLLOVER);
}
