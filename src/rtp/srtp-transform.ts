import { createCipheriv, createDecipheriv } from 'node:crypto';
import { SRTP_SUITES, type SrtpMasterKey, type SrtpSuiteName } from '../core/srtp-suite.js';
import { AesCounter } from './aes-counter.js';
import { HmacSha1 } from './hmac-sha1.js';
import { deriveSessionKeys } from './srtp-keys.js';

/** Where the parts of a packet lie, which is all that differs between SRTP and SRTCP. Used again for every packet. */
export interface PacketParts {
  /** What is encrypted, behind a header that is not. */
  from: number;
  to: number;
  /** What HMAC-SHA1 authenticates ends here. */
  authenticatedTo: number;
  /** A word that is authenticated and lies elsewhere: the rollover counter, or the index of SRTCP with AES-GCM. */
  trailer: number | undefined;
  tagAt: number;
  ssrc: number;
  /** 48 bits with the rollover counter (RFC 3711 §3.3.1), or the 31 bits of SRTCP. */
  index: number;
}

export function emptyParts(): PacketParts {
  return { from: 0, to: 0, authenticatedTo: 0, trailer: undefined, tagAt: 0, ssrc: 0, index: 0 };
}

/** What one master key does to packets of one kind, in place. A packet that is not authentic stays as it is. */
export interface SrtpTransform {
  readonly tagBytes: number;
  open(bytes: Uint8Array, parts: PacketParts): boolean;
  seal(bytes: Uint8Array, parts: PacketParts): void;
}

/** The least that SRTCP has, also where SRTP has less (RFC 4568 §6.2.2). */
const SRTCP_TAG_BYTES = 10;

export function srtpTransform(suite: SrtpSuiteName, master: SrtpMasterKey, kind: 'rtp' | 'rtcp'): SrtpTransform {
  const { mode, tagBytes } = SRTP_SUITES[suite];
  const { cipherKey, salt, authKey } = deriveSessionKeys(suite, master, kind);
  if (mode === 'gcm') return new GcmTransform(cipherKey, salt);
  // RTCP is rare, so no keystream is made ahead.
  const cipher = kind === 'rtp' ? new AesCounter(cipherKey, salt) : new AesCounter(cipherKey, salt, 1);
  const transform = new CounterTransform(cipher, new HmacSha1(authKey), kind === 'rtp' ? tagBytes : SRTCP_TAG_BYTES);
  // The ciphers have taken what they need; a copy would only show in a core dump.
  cipherKey.fill(0);
  authKey.fill(0);
  return transform;
}

/** Encrypts, then authenticates what is sent (RFC 3711 §3.3, §3.4). */
class CounterTransform implements SrtpTransform {
  readonly tagBytes: number;
  readonly #cipher: AesCounter;
  readonly #hmac: HmacSha1;

  constructor(cipher: AesCounter, hmac: HmacSha1, tagBytes: number) {
    this.#cipher = cipher;
    this.#hmac = hmac;
    this.tagBytes = tagBytes;
  }

  open(bytes: Uint8Array, parts: PacketParts): boolean {
    this.#hmac.compute(bytes, parts.authenticatedTo, parts.trailer);
    if (!this.#hmac.matches(bytes, parts.tagAt, this.tagBytes)) return false;
    this.#cipher.apply(bytes, parts.from, parts.to, parts.ssrc, parts.index);
    return true;
  }

  seal(bytes: Uint8Array, parts: PacketParts): void {
    this.#cipher.apply(bytes, parts.from, parts.to, parts.ssrc, parts.index);
    this.#hmac.compute(bytes, parts.authenticatedTo, parts.trailer);
    this.#hmac.write(bytes, parts.tagAt, this.tagBytes);
  }
}

const NONCE_BYTES = 12;
const GCM_TAG_BYTES = 16;
const GCM_TAG = { authTagLength: GCM_TAG_BYTES };

/** AES-GCM (RFC 7714 §8, §9). Node has no way to give a cipher its next nonce, so each packet gets one of its own. */
export class GcmTransform implements SrtpTransform {
  readonly tagBytes = GCM_TAG_BYTES;
  readonly #key: Uint8Array;
  readonly #salt: Uint8Array;
  readonly #algorithm: 'aes-128-gcm' | 'aes-256-gcm';
  readonly #nonce = Buffer.alloc(NONCE_BYTES);

  constructor(key: Uint8Array, salt: Uint8Array) {
    this.#key = key;
    this.#salt = salt;
    this.#algorithm = key.length === 16 ? 'aes-128-gcm' : 'aes-256-gcm';
  }

  open(bytes: Uint8Array, parts: PacketParts): boolean {
    const { from, to, tagAt } = parts;
    const decipher = createDecipheriv(this.#algorithm, this.#key, this.#nonceOf(parts), GCM_TAG);
    decipher.setAAD(associated(bytes, parts));
    decipher.setAuthTag(bytes.subarray(tagAt, tagAt + GCM_TAG_BYTES));
    const plain = decipher.update(bytes.subarray(from, to));
    try {
      decipher.final();
    } catch {
      return false;
    }
    bytes.set(plain, from);
    // Of what must not be kept the packet is emptied; this copy would stay where a core dump shows it.
    plain.fill(0);
    return true;
  }

  seal(bytes: Uint8Array, parts: PacketParts): void {
    const { from, to, tagAt } = parts;
    const cipher = createCipheriv(this.#algorithm, this.#key, this.#nonceOf(parts), GCM_TAG);
    cipher.setAAD(associated(bytes, parts));
    bytes.set(cipher.update(bytes.subarray(from, to)), from);
    cipher.final();
    bytes.set(cipher.getAuthTag(), tagAt);
  }

  /** RFC 7714 §8.1: two zero bytes, SSRC, index; all with the salt. */
  #nonceOf({ ssrc, index }: PacketParts): Uint8Array {
    const nonce = this.#nonce;
    nonce.writeUInt16BE(0, 0);
    nonce.writeUInt32BE(ssrc, 2);
    nonce.writeUIntBE(index, 6, 6);
    for (let i = 0; i < NONCE_BYTES; i++) nonce[i] = (nonce[i] as number) ^ (this.#salt[i] as number);
    return nonce;
  }
}

function associated(bytes: Uint8Array, { from, trailer }: PacketParts): Uint8Array {
  if (trailer === undefined) return bytes.subarray(0, from);
  const joined = Buffer.alloc(from + 4);
  joined.set(bytes.subarray(0, from));
  joined.writeUInt32BE(trailer, from);
  return joined;
}
