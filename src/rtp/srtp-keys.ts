import { createCipheriv } from 'node:crypto';
import { SRTP_SUITES, type SrtpMasterKey, type SrtpSuiteName } from '../core/srtp-suite.js';

/** The keys that packets are protected with (RFC 3711 §4.3). */
export interface SessionKeys {
  readonly cipherKey: Uint8Array;
  readonly salt: Uint8Array;
  /** Empty for AES-GCM, which needs none. */
  readonly authKey: Uint8Array;
}

/** Labels of RFC 3711 §4.3.1 and §4.3.2. */
const LABELS = {
  rtp: { cipherKey: 0, authKey: 1, salt: 2 },
  rtcp: { cipherKey: 3, authKey: 4, salt: 5 },
} as const;
/** RFC 3711 §4.2.1 and §5.2. */
const AUTH_KEY_BYTES = 20;
const BLOCK_BYTES = 16;

/**
 * Derives the session keys of SRTP or SRTCP from a master key: AES in counter mode with the master key as key (RFC 3711 §4.3.3,
 * RFC 6188 §2, RFC 7714 §11). The key derivation rate is zero, so this happens once. Pure.
 */
export function deriveSessionKeys(
  suite: SrtpSuiteName,
  { key, salt }: SrtpMasterKey,
  kind: keyof typeof LABELS,
): SessionKeys {
  const { mode, keyBytes, saltBytes } = SRTP_SUITES[suite];
  if (key.length !== keyBytes || salt.length !== saltBytes)
    throw new RangeError(`a key of ${suite} has another length`);
  const labels = LABELS[kind];
  return {
    cipherKey: derive(key, salt, labels.cipherKey, keyBytes),
    salt: derive(key, salt, labels.salt, saltBytes),
    authKey: mode === 'gcm' ? new Uint8Array(0) : derive(key, salt, labels.authKey, AUTH_KEY_BYTES),
  };
}

/** The label stands above the 48 bits of the index, which is divided by a rate of zero and so is zero. A short salt is filled up with zeros. */
function derive(key: Uint8Array, salt: Uint8Array, label: number, bytes: number): Uint8Array {
  const counter = Buffer.alloc(BLOCK_BYTES);
  counter.set(salt);
  counter[7] = (counter[7] as number) ^ label;
  const cipher = createCipheriv(`aes-${key.length * 8}-ctr`, key, counter);
  return Uint8Array.from(cipher.update(Buffer.alloc(bytes)));
}
