import { SRTP_SUITES, type SrtpMasterKey, type SrtpSuiteName } from '../core/srtp-suite.js';
import { estimateIndex, payloadOffset, readWord, rolloverOf } from './srtp-packet.js';
import { emptyParts, type SrtpTransform, srtpTransform } from './srtp-transform.js';

/** Protects the RTP packets of one peer with its key (RFC 3711 §3.3), as the test SRC sends them. */
export class SrtpSender {
  readonly #transform: SrtpTransform;
  readonly #mki: Uint8Array;
  readonly #tagLast: boolean;
  /** The highest index of each SSRC. */
  readonly #newest = new Map<number, number>();

  constructor(suite: SrtpSuiteName, key: SrtpMasterKey) {
    this.#transform = srtpTransform(suite, key, 'rtp');
    this.#mki = key.mki ?? new Uint8Array(0);
    this.#tagLast = SRTP_SUITES[suite].mode === 'counter';
  }

  /** A protected copy. Packets of one SSRC are to come nearly in order, for each has an index by its rollover counter. */
  seal(packet: Uint8Array): Buffer {
    const from = payloadOffset(packet);
    if (from < 0) throw new RangeError('not an RTP packet');
    const { tagBytes } = this.#transform;
    const to = packet.length;
    const sealed = Buffer.alloc(to + this.#mki.length + tagBytes);
    sealed.set(packet);
    const mkiAt = this.#tagLast ? to : to + tagBytes;
    sealed.set(this.#mki, mkiAt);
    const ssrc = readWord(packet, 8);
    const index = this.#indexOf(ssrc, sealed.readUInt16BE(2));
    const parts = emptyParts();
    parts.from = from;
    parts.to = to;
    parts.authenticatedTo = to;
    parts.tagAt = this.#tagLast ? to + this.#mki.length : to;
    parts.ssrc = ssrc;
    parts.index = index;
    parts.trailer = this.#tagLast ? rolloverOf(index) : undefined;
    this.#transform.seal(sealed, parts);
    return sealed;
  }

  #indexOf(ssrc: number, sequence: number): number {
    const newest = this.#newest.get(ssrc);
    const index = newest === undefined ? sequence : estimateIndex(newest, sequence);
    this.#newest.set(ssrc, Math.max(index, newest ?? 0));
    return index;
  }
}
