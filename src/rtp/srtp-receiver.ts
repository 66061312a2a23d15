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
/** Rollover counters that are guessed at for one packet, so that packets which nobody can open stay cheap. */
const GUESSES = 16;

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
  /** The highest index of each sender under the keys before these. */
  readonly #former: ReadonlyMap<number, number>;
  /** How often the numbering may have turned over before this receiver was there. */
  readonly #missed: number;
  #guess = 0;
  readonly #sources = new Map<number, ReplayWindow>();
  #ssrc = -1;
  #window: ReplayWindow | undefined;
  #failures = 0;

  /**
   * @param former with the keys before these: rollover counters go on when keys change (RFC 3711 §3.3.1). It is not kept, nor are its keys
   * @param missed rollovers at most that another receiver of these keys has counted, and told nobody of
   */
  constructor(suite: SrtpSuiteName, keys: readonly SrtpMasterKey[], former?: SrtpReceiver, missed = 0) {
    const { mode, tagBytes } = SRTP_SUITES[suite];
    this.#keys = keys.map((key) => ({ mki: key.mki, transform: srtpTransform(suite, key, 'rtp') }));
    this.#mkiBytes = keys[0]?.mki?.length ?? 0;
    this.#tagBytes = tagBytes;
    this.#tagLast = mode === 'counter';
    this.#former = former?.newest ?? new Map();
    this.#missed = missed;
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

  /** The highest index of each sender, by SSRC; of those that were only heard under the keys before, too. */
  get newest(): ReadonlyMap<number, number> {
    const own = [...this.#sources].map(([ssrc, { newest }]) => [ssrc, newest] as const);
    return new Map([...this.#former, ...own].slice(-MAX_SOURCES));
  }

  #openKnown(bytes: Uint8Array, transform: SrtpTransform, window: ReplayWindow, sequence: number): number {
    const index = estimateIndex(window.newest, sequence);
    const fault = index >= 0 && window.has(index) ? REPLAYED : UNAUTHENTICATED;
    if (fault !== REPLAYED && this.#opens(bytes, transform, index, window)) return 0;
    // Only forward: an index from before could be a recording of what was sent then.
    if (this.#failures < LOST_AFTER) return fault;
    const found =
      this.#opens(bytes, transform, index + ROLLOVER, window) || this.#guesses(bytes, transform, sequence, window);
    return found ? 0 : fault;
  }

  /**
   * A rollover counter begins at zero. One that goes on from the keys before is tried too, and one: the numbering may have turned over
   * among packets that never came.
   */
  #openNew(bytes: Uint8Array, transform: SrtpTransform, sequence: number): number {
    const window = new ReplayWindow();
    const former = this.#former.get(parts.ssrc);
    const opened =
      this.#opens(bytes, transform, sequence, window) ||
      (former !== undefined && this.#opens(bytes, transform, estimateIndex(former, sequence), window)) ||
      (sequence < ROLLOVER / 2 && this.#opens(bytes, transform, sequence + ROLLOVER, window)) ||
      this.#guesses(bytes, transform, sequence, window);
    if (!opened) return UNAUTHENTICATED;
    this.#remember(parts.ssrc, window);
    return 0;
  }

  /** Tries some of the rollover counters that are possible, and with the next packet some others. */
  #guesses(bytes: Uint8Array, transform: SrtpTransform, sequence: number, window: ReplayWindow): boolean {
    for (let tried = 0; tried < Math.min(GUESSES, this.#missed); tried++) {
      this.#guess = (this.#guess % this.#missed) + 1;
      const index = sequence + this.#guess * ROLLOVER;
      if (index > window.newest && this.#opens(bytes, transform, index, window)) return true;
    }
    return false;
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
