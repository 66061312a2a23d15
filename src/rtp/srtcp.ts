import { SRTP_SUITES, type SrtpMasterKey, type SrtpSuiteName } from '../core/srtp-suite.js';
import { ReplayWindow } from './replay-window.js';
import { MALFORMED, REPLAYED, readWord, UNAUTHENTICATED } from './srtp-packet.js';
import { keyOf } from './srtp-receiver.js';
import { emptyParts, type SrtpTransform, srtpTransform } from './srtp-transform.js';

/** Header of the first packet and its SSRC, which stay readable (RFC 3711 §3.4). */
const HEADER_BYTES = 8;
/** The E bit and the index. */
const INDEX_BYTES = 4;
const ENCRYPTED = 0x8000_0000;
const MAX_SOURCES = 256;

const parts = emptyParts();

/** Takes the protection off compound RTCP packets (RFC 3711 §3.4, RFC 7714 §9). SRTCP is authenticated always. */
export class SrtcpReceiver {
  readonly #keys: readonly { readonly mki: Uint8Array | undefined; readonly transform: SrtpTransform }[];
  readonly #mkiBytes: number;
  readonly #gcm: boolean;
  readonly #sources = new Map<number, ReplayWindow>();

  constructor(suite: SrtpSuiteName, keys: readonly SrtpMasterKey[]) {
    this.#keys = keys.map((key) => ({ mki: key.mki, transform: srtpTransform(suite, key, 'rtcp') }));
    this.#mkiBytes = keys[0]?.mki?.length ?? 0;
    this.#gcm = SRTP_SUITES[suite].mode === 'gcm';
  }

  /** Opens a packet in place. Returns its length without protection, or why it is not taken; then its bytes are as they were. */
  open(bytes: Uint8Array): number {
    const tagBytes = this.#keys[0]?.transform.tagBytes ?? 0;
    const { length } = bytes;
    if (length < HEADER_BYTES + INDEX_BYTES + this.#mkiBytes + tagBytes) return MALFORMED;
    // The tag of HMAC-SHA1 comes last, that of AES-GCM before the index.
    const mkiAt = length - this.#mkiBytes - (this.#gcm ? 0 : tagBytes);
    const wordAt = mkiAt - INDEX_BYTES;
    const to = this.#gcm ? wordAt - tagBytes : wordAt;
    const word = readWord(bytes, wordAt);
    const transform = keyOf(this.#keys, bytes, mkiAt);
    if (!transform) return UNAUTHENTICATED;
    parts.ssrc = readWord(bytes, 4);
    parts.index = word % ENCRYPTED;
    // What is not encrypted belongs to the header.
    parts.from = word >= ENCRYPTED ? HEADER_BYTES : to;
    parts.to = to;
    parts.authenticatedTo = wordAt + INDEX_BYTES;
    parts.trailer = this.#gcm ? word : undefined;
    parts.tagAt = this.#gcm ? to : length - tagBytes;
    const known = this.#sources.get(parts.ssrc);
    if (known?.has(parts.index)) return REPLAYED;
    if (!transform.open(bytes, parts)) return UNAUTHENTICATED;
    (known ?? this.#remember(parts.ssrc)).add(parts.index);
    return to;
  }

  #remember(ssrc: number): ReplayWindow {
    if (this.#sources.size >= MAX_SOURCES) {
      const [oldest] = this.#sources.keys();
      if (oldest !== undefined) this.#sources.delete(oldest);
    }
    const window = new ReplayWindow();
    this.#sources.set(ssrc, window);
    return window;
  }
}

/** Protects compound RTCP packets of ours. One key, one sender: its index must never come twice (RFC 3711 §9.1). */
export class SrtcpSender {
  readonly #transform: SrtpTransform;
  readonly #mki: Uint8Array;
  readonly #gcm: boolean;
  #index = 0;

  constructor(suite: SrtpSuiteName, key: SrtpMasterKey) {
    this.#transform = srtpTransform(suite, key, 'rtcp');
    this.#mki = key.mki ?? new Uint8Array(0);
    this.#gcm = SRTP_SUITES[suite].mode === 'gcm';
  }

  /** A protected, encrypted copy of a compound packet. */
  seal(packet: Uint8Array): Buffer {
    const { tagBytes } = this.#transform;
    const to = packet.length;
    const sealed = Buffer.alloc(to + tagBytes + INDEX_BYTES + this.#mki.length);
    sealed.set(packet);
    const wordAt = this.#gcm ? to + tagBytes : to;
    const word = ENCRYPTED + this.#index;
    sealed.writeUInt32BE(word, wordAt);
    sealed.set(this.#mki, wordAt + INDEX_BYTES);
    const own = emptyParts();
    own.from = HEADER_BYTES;
    own.to = to;
    own.authenticatedTo = wordAt + INDEX_BYTES;
    own.trailer = this.#gcm ? word : undefined;
    own.tagAt = this.#gcm ? to : wordAt + INDEX_BYTES + this.#mki.length;
    own.ssrc = readWord(packet, 4);
    own.index = this.#index;
    this.#transform.seal(sealed, own);
    this.#index = (this.#index + 1) % ENCRYPTED;
    return sealed;
  }
}
