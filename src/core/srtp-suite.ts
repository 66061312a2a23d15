/**
 * The crypto suites of SRTP that are spoken, by their names in SDP: RFC 4568 §6.2, RFC 6188 §4 and RFC 7714 §14.1. Suites that leave
 * audio readable or unauthenticated (NULL) are not among them and never will be by default.
 */
export interface SrtpSuite {
  /** Counter mode with HMAC-SHA1 (RFC 3711), or AES-GCM, which does both at once (RFC 7714). */
  readonly mode: 'counter' | 'gcm';
  readonly keyBytes: 16 | 32;
  readonly saltBytes: 12 | 14;
  /** Of SRTP; SRTCP never has less than 10 (RFC 4568 §6.2.2). */
  readonly tagBytes: 4 | 10 | 16;
}

const counter = (keyBytes: 16 | 32, tagBytes: 4 | 10): SrtpSuite => ({
  mode: 'counter',
  keyBytes,
  saltBytes: 14,
  tagBytes,
});
const gcm = (keyBytes: 16 | 32): SrtpSuite => ({ mode: 'gcm', keyBytes, saltBytes: 12, tagBytes: 16 });

export const SRTP_SUITES = {
  AES_CM_128_HMAC_SHA1_80: counter(16, 10),
  AES_CM_128_HMAC_SHA1_32: counter(16, 4),
  AES_256_CM_HMAC_SHA1_80: counter(32, 10),
  AES_256_CM_HMAC_SHA1_32: counter(32, 4),
  AEAD_AES_128_GCM: gcm(16),
  AEAD_AES_256_GCM: gcm(32),
} as const satisfies Record<string, SrtpSuite>;

export type SrtpSuiteName = keyof typeof SRTP_SUITES;

/** Drafts of RFC 6188 had the words in another order, and several products still write them so. */
const FORMER_NAMES: Readonly<Record<string, SrtpSuiteName>> = {
  AES_CM_256_HMAC_SHA1_80: 'AES_256_CM_HMAC_SHA1_80',
  AES_CM_256_HMAC_SHA1_32: 'AES_256_CM_HMAC_SHA1_32',
};

export function srtpSuiteNamed(text: string): SrtpSuiteName | undefined {
  const name = text.toUpperCase();
  if (Object.hasOwn(FORMER_NAMES, name)) return FORMER_NAMES[name];
  return Object.hasOwn(SRTP_SUITES, name) ? (name as SrtpSuiteName) : undefined;
}

/** A master key with its salt. Never logged, never written to disk. */
export interface SrtpMasterKey {
  readonly key: Uint8Array;
  readonly salt: Uint8Array;
  /** Master key identifier, which then stands in every packet (RFC 3711 §3.1). */
  readonly mki?: Uint8Array;
}

/** One usable `a=crypto` line of an offer (RFC 4568 §9.1). */
export interface OfferedCrypto {
  /** As written; the answer repeats it. */
  readonly tag: string;
  readonly suite: SrtpSuiteName;
  /** The suite as the offer spells it. */
  readonly suiteText: string;
  /** With several keys each has an `mki`. */
  readonly keys: readonly SrtpMasterKey[];
}

/** What the SRTP of one leg needs: each side protects with keys of its own (RFC 4568 §6.1). */
export interface LegKeys {
  readonly suite: SrtpSuiteName;
  /** The SRC's. */
  readonly theirs: readonly SrtpMasterKey[];
  /** For our RTCP; we send no RTP. */
  readonly ours: SrtpMasterKey;
}
