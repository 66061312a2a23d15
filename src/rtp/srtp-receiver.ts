import { SRTP_SUITES, type SrtpMasterKey, type SrtpSuiteName } from '../core/srtp-suite.js';
import { ReplayWindow } from './replay-window.js';
import {
  estimateIndex,
  MALFORMED,
  payloadOffset,
  REPLAYED,
  ROLLOVER,
  readWord,
  rolloverOf,
  UNAUTHENTICATED,
} from './srtp-packet.js';
import { emptyParts, type SrtpTransform, srtpTransform } from './srtp-transform.js';

/** Senders of one key that are remembered; only who has the key can make them. */
const MAX_SOURCES = 256;
/** 2 s: after so many packets in a row that fail, a gap of more than half a rollover is thought of too. */
const LOST_AFTER = 100;

interface MasterTransform {
  readonly mki: Uint8Array | undefined;
  readonly transform: SrtpTransform;
}

const parts = emptyParts();

/**
 * Takes the protection off the RTP packets that one peer sends with its keys (RFC 3711 §3.3). Each SSRC has a rollover counter and a
 * replay window of its own, which only authenticated packets make and move.
 */
export class SrtpReceiver {
  readonly #keys: readonly MasterTransform[];
  readonly #mkiBytes: number;
  readonly #tagBytes: number;
  readonly #tagLast: boolean;
  readonly #former: SrtpReceiver | undefined;
  readonly #sources = new Map<number, ReplayWindow>();
  #ssrc = -1;
  #window: ReplayWindow | undefined;
  #failures = 0;

  /** @param former with the keys before these: rollover counters go on when keys change (RFC 3711 §3.3.1) */
  constructor(suite: SrtpSuiteName, keys: readonly SrtpMasterKey[], former?: SrtpReceiver) {
    const { mode, tagBytes } = SRTP_SUITES[suite];
    this.#keys = keys.map((key) => ({ mki: key.mki, transform: srtpTransform(suite, key, 'rtp') }));
    this.#mkiBytes = keys[0]?.mki?.length ?? 0;
    this.#tagBytes = tagBytes;
    this.#tagLast = mode === 'counter';
    this.#former = former;
  }

  /** Opens a packet in place. Returns its length without protection, or why it is not taken; then its bytes are as they were. */
  open(bytes: Uint8Array): number {
    const from = payloadOffset(bytes);
    const to = bytes.length - this.#mkiBytes - this.#tagBytes;
    if (from < 0 || to < from) return MALFORMED;
    // An MKI stands between what is encrypted and the tag of HMAC-SHA1, and behind that of AES-GCM (RFC 3711 §3.1, RFC 7714 §8.2).
    const mkiAt = this.#tagLast ? to : to + this.#tagBytes;
    const transform = keyOf(this.#keys, bytes, mkiAt);
    if (!transform) return UNAUTHENTICATED;
    parts.from = from;
    parts.to = to;
    parts.authenticatedTo = to;
    parts.tagAt = this.#tagLast ? to + this.#mkiBytes : to;
    parts.ssrc = readWord(bytes, 8);
    const sequence = ((bytes[2] as number) << 8) | (bytes[3] as number);
    const window = this.#find(parts.ssrc);
    const fault = window
      ? this.#openKnown(bytes, transform, window, sequence)
      : this.#openNew(bytes, transform, sequence);
    this.#failures = fault === 0 ? 0 : this.#failures + 1;
    return fault === 0 ? to : fault;
  }

  /** The highest index of a sender; undefined when it was never heard. */
  newestOf(ssrc: number): number | undefined {
    return this.#sources.get(ssrc)?.newest;
  }

  #openKnown(bytes: Uint8Array, transform: SrtpTransform, window: ReplayWindow, sequence: number): number {
    const index = estimateIndex(window.newest, sequence);
    const fault = index >= 0 && window.has(index) ? REPLAYED : UNAUTHENTICATED;
    if (fault !== REPLAYED && this.#opens(bytes, transform, index, window)) return 0;
    // Only forward: an index from before could be a recording of what was sent then.
    return this.#failures >= LOST_AFTER && this.#opens(bytes, transform, index + ROLLOVER, window) ? 0 : fault;
  }

  /**
   * A rollover counter begins at zero. One that goes on from the keys before is tried too, and one: the numbering may have turned over
   * among packets that never came.
   */
  #openNew(bytes: Uint8Array, transform: SrtpTransform, sequence: number): number {
    const window = new ReplayWindow();
    const former = this.#former?.newestOf(parts.ssrc);
    const opened =
      this.#opens(bytes, transform, sequence, window) ||
      (former !== undefined && this.#opens(bytes, transform, estimateIndex(former, sequence), window)) ||
      (sequence < ROLLOVER / 2 && this.#opens(bytes, transform, sequence + ROLLOVER, window));
    if (!opened) return UNAUTHENTICATED;
    this.#remember(parts.ssrc, window);
    return 0;
  }

  #opens(bytes: Uint8Array, transform: SrtpTransform, index: number, window: ReplayWindow): boolean {
    if (index < 0) return false;
    parts.index = index;
    parts.trailer = this.#tagLast ? rolloverOf(index) : undefined;
    if (!transform.open(bytes, parts)) return false;
    window.add(index);
    return true;
  }

  #find(ssrc: number): ReplayWindow | undefined {
    if (ssrc !== this.#ssrc) {
      this.#window = this.#sources.get(ssrc);
      this.#ssrc = ssrc;
    }
    return this.#window;
  }

  #remember(ssrc: number, window: ReplayWindow): void {
    if (this.#sources.size >= MAX_SOURCES) {
      const [oldest] = this.#sources.keys();
      if (oldest !== undefined) this.#sources.delete(oldest);
    }
    this.#sources.set(ssrc, window);
    this.#window = window;
  }
}

/** The key that a packet names; the only one when none has a name. */
export function keyOf(keys: readonly MasterTransform[], bytes: Uint8Array, mkiAt: number): SrtpTransform | undefined {
  for (const { mki, transform } of keys) {
    if (!mki || mki.every((byte, i) => byte === bytes[mkiAt + i])) return transform;
  }
  return undefined;
}
