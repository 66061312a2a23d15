import type { OfferedStream } from '../core/model.js';
import type { OfferedCrypto } from '../core/srtp-suite.js';

/** What the operator wants of SRTP. */
export interface ProtectionPolicy {
  /** `offered`: where an SRC offers it. `required`: no stream is taken without. */
  readonly srtp: 'off' | 'offered' | 'required';
  /** Keys that everybody on the way can read are not taken (RFC 4568 §7). */
  readonly keysNeedTls: boolean;
}

/** The policy for one offer. */
export interface ProtectionRules {
  readonly policy: ProtectionPolicy;
  /** Whether the offer came over TLS, as far as can be seen from here. */
  readonly overTls: boolean;
}

export const ANY_PROTECTION: ProtectionRules = { policy: { srtp: 'offered', keysNeedTls: false }, overTls: false };

/** How a stream is taken: with the keys of one line, in the clear, or not at all and why. */
export type StreamProtection =
  | { readonly kind: 'srtp'; readonly crypto: OfferedCrypto }
  | { readonly kind: 'plain' }
  | { readonly kind: 'refused'; readonly reason: string };

const PLAIN_PROFILES = new Set(['RTP/AVP', 'RTP/AVPF']);
const SECURE_PROFILES = new Set(['RTP/SAVP', 'RTP/SAVPF']);

/**
 * Whether and how an m-line is protected. Pure.
 *
 * A protected profile needs a line that can be answered. Keys beside a plain profile are an offer to protect when both want to (RFC
 * 8643): they are taken, and a stream without usable ones is plain.
 */
export function protectionOf(offered: OfferedStream, { policy, overTls }: ProtectionRules): StreamProtection {
  const profile = offered.profile.toUpperCase();
  const secure = SECURE_PROFILES.has(profile);
  if (!secure && !PLAIN_PROFILES.has(profile)) return { kind: 'refused', reason: 'profile' };
  const crypto = policy.srtp === 'off' ? undefined : offered.crypto?.[0];
  const readable = policy.keysNeedTls && !overTls;
  if (crypto && !readable) return { kind: 'srtp', crypto };
  if (!secure && policy.srtp !== 'required') return { kind: 'plain' };
  if (!secure) return { kind: 'refused', reason: 'SRTP is required' };
  if (policy.srtp === 'off') return { kind: 'refused', reason: 'SRTP is switched off' };
  return { kind: 'refused', reason: crypto ? 'SRTP keys are taken over TLS only' : 'no usable a=crypto' };
}

/** The same stream to be kept for as long as the call: keys are not. */
export function withoutKeys({ crypto: _crypto, ...stream }: OfferedStream): OfferedStream {
  return stream;
}
