import { createHash } from 'node:crypto';
import { headerValues, type SipResponse } from '../../src/sip/message.js';

/** A digest client of the tests' own: it shares no code with the server. */
export interface DigestAttempt {
  readonly user?: string;
  readonly password?: string;
  readonly method: string;
  readonly uri?: string;
  readonly algorithm?: 'SHA-256' | 'MD5';
  readonly count?: number;
  readonly nonce: string;
  /** Null: none, as RFC 2069 had it. */
  readonly qop?: string | null;
  /** Directives written as they are in place of the right ones; null leaves one out. */
  readonly forged?: Readonly<Record<string, string | null>>;
  readonly realm?: string;
  readonly cnonce?: string;
}

export function digestResponse(attempt: DigestAttempt): string {
  const { user = 'sbc', password = 'open sesame', realm = 'recording', nonce, method, qop = 'auth' } = attempt;
  const { uri = 'sip:srs@127.0.0.1', cnonce = '0a4f113b', algorithm = 'SHA-256' } = attempt;
  const h = (text: string): string =>
    createHash(algorithm === 'MD5' ? 'md5' : 'sha256')
      .update(text)
      .digest('hex');
  const secret = h([user, realm, password].join(':'));
  const action = h([method, uri].join(':'));
  return h((qop === null ? [secret, nonce, action] : [secret, nonce, countOf(attempt), cnonce, qop, action]).join(':'));
}

const countOf = ({ count = 1 }: DigestAttempt): string => count.toString(16).padStart(8, '0');

/** The line that proves the password. */
export function authorization(attempt: DigestAttempt): string {
  const { user = 'sbc', realm = 'recording', nonce, qop = 'auth', forged = {} } = attempt;
  const { uri = 'sip:srs@127.0.0.1', cnonce = '0a4f113b', algorithm = 'SHA-256' } = attempt;
  const directives: Record<string, string | null> = {
    username: `"${user}"`,
    realm: `"${realm}"`,
    nonce: `"${nonce}"`,
    uri: `"${uri}"`,
    response: `"${digestResponse(attempt)}"`,
    algorithm,
    ...(qop === null ? {} : { cnonce: `"${cnonce}"`, qop, nc: countOf(attempt) }),
    ...forged,
  };
  const written = Object.entries(directives).filter(([, value]) => value !== null);
  return `Authorization: Digest ${written.map(([name, value]) => `${name}=${value}`).join(', ')}`;
}

/** The nonce of a challenge. */
export function nonceOf(challenge: SipResponse): string {
  const nonce = /nonce="([^"]+)"/.exec(headerValues(challenge, 'www-authenticate')[0] ?? '')?.[1];
  if (nonce === undefined) throw new Error('the response challenges nobody');
  return nonce;
}
