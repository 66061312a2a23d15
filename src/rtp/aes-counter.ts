import { type Cipher, createCipheriv } from 'node:crypto';

const BLOCK_BYTES = 16;
/** Keystream is made for packets to come as well, up to so many packets and bytes: the call into the cipher costs as much as the rest. */
const MAX_AHEAD = 8;
const MAX_AHEAD_BYTES = 4096;
/** A datagram has 65,535 bytes at most. */
const MAX_BLOCKS = 4096;

/** Counter blocks on their way into the cipher; they hold nothing between two calls. */
const counters = Buffer.alloc(MAX_BLOCKS * BLOCK_BYTES);
const view = new DataView(counters.buffer, counters.byteOffset, counters.length);

/**
 * AES in counter mode as SRTP uses it (RFC 3711 §4.1.1). One ECB cipher lives as long as the key and turns counter blocks into
 * keystream. A CTR cipher would have to be made anew for every packet, because its IV changes; that costs several times as much.
 */
export class AesCounter {
  readonly #cipher: Cipher;
  /** The salt as words; the last one has its place above the block counter. */
  readonly #salt: readonly [number, number, number, number];
  readonly #ahead: number;
  #keystream: Uint8Array = new Uint8Array(0);
  #ssrc = 0;
  #first = -1;
  #packets = 0;
  #packetBytes = 0;

  /**
   * @param salt 14 bytes
   * @param ahead for how many packets of following indexes keystream is made at once
   */
  constructor(key: Uint8Array, salt: Uint8Array, ahead = MAX_AHEAD) {
    this.#cipher = createCipheriv(`aes-${key.length * 8}-ecb`, key, null).setAutoPadding(false);
    const padded = Buffer.alloc(BLOCK_BYTES);
    padded.set(salt);
    this.#salt = [padded.readUInt32BE(0), padded.readUInt32BE(4), padded.readUInt32BE(8), padded.readUInt32BE(12)];
    this.#ahead = ahead;
  }

  /** Encrypts or decrypts bytes in place. @param index of the packet, 48 bits */
  apply(bytes: Uint8Array, from: number, to: number, ssrc: number, index: number): void {
    if (to <= from) return;
    const nth = index - this.#first;
    const known = nth >= 0 && nth < this.#packets && ssrc === this.#ssrc && to - from <= this.#packetBytes;
    if (!known) this.#make((to - from + BLOCK_BYTES - 1) >> 4, ssrc, index);
    const keystream = this.#keystream;
    let i = known ? nth * this.#packetBytes : 0;
    for (let at = from; at < to; at++, i++) bytes[at] = (bytes[at] as number) ^ (keystream[i] as number);
  }

  /** Keystream for the packet and for those after it. */
  #make(blocks: number, ssrc: number, index: number): void {
    if (blocks > MAX_BLOCKS) throw new RangeError('a packet is longer than a datagram can be');
    const packetBytes = blocks * BLOCK_BYTES;
    const packets = Math.max(1, Math.min(this.#ahead, Math.floor(MAX_AHEAD_BYTES / packetBytes)));
    const [first, second, third, fourth] = this.#salt;
    for (let packet = 0, at = 0; packet < packets; packet++) {
      const own = index + packet;
      const high = third ^ Math.floor(own / 0x1_0000);
      const low = fourth ^ ((own & 0xffff) << 16);
      for (let block = 0; block < blocks; block++, at += BLOCK_BYTES) {
        view.setInt32(at, first);
        view.setInt32(at + 4, second ^ ssrc);
        view.setInt32(at + 8, high);
        view.setInt32(at + 12, low | block);
      }
    }
    this.#keystream = this.#cipher.update(counters.subarray(0, packets * packetBytes));
    this.#ssrc = ssrc;
    this.#first = index;
    this.#packets = packets;
    this.#packetBytes = packetBytes;
  }
}
