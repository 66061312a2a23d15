import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Clock } from '../core/clock.js';
import { type DigestCredentials, readDigestCredentials } from './digest-header.js';
import { DigestNonces } from './digest-nonce.js';
import type { SipHeader } from './message.js';
import type { SipReply } from './sip-server.js';
import { parseUri } from './uri.js';

export type DigestAlgorithm = 'SHA-256' | 'MD5';

export interface DigestOptions {
  readonly realm: string;
  /** Passwords by name. */
  readonly users: ReadonlyMap<string, string>;
  /** In order of preference; SHA-256, then MD5 when not given. Some peers read only the first challenge. */
  readonly algorithms?: readonly DigestAlgorithm[];
  /** How long a nonce is good; 5 minutes when not given. */
  readonly nonceLifetimeMs?: number;
}

/** What the gate asks about. */
export interface DigestRequest {
  readonly method: string;
  readonly uri: string;
  readonly authorizations: readonly string[];
  /** As `peerKey` names it. */
  readonly peer: string;
}

/**
 * `challenged`: nobody was proven wrong; there are no credentials for this realm, or their nonce is over or foreign.
 * `failed`: credentials for this realm with a nonce of ours that do not prove a password.
 */
export type DigestVerdict =
  | { readonly kind: 'accepted' }
  | { readonly kind: 'challenged' | 'failed'; readonly reply: SipReply; readonly headers: readonly SipHeader[] };

const HASHES: Readonly<Record<DigestAlgorithm, string>> = { 'SHA-256': 'sha256', MD5: 'md5' };
const ALGORITHMS: readonly DigestAlgorithm[] = ['SHA-256', 'MD5'];
const LIFETIME_MS = 300_000;

/**
 * Digest authentication of requests (RFC 3261 §22, RFC 7616, RFC 8760).
 *
 * `auth` is the one quality of protection: `auth-int` would sign bodies that SBCs rewrite on the way. Session algorithms, hashed
 * user names and SHA-512/256 are not offered and not taken. A response without `qop`, as RFC 2069 had it, is good for one use of
 * its nonce. A proxy may have changed the Request-URI's user part; host and port of `uri` must agree with it.
 */
export class DigestAuthenticator {
  readonly #realm: string;
  readonly #algorithms: readonly DigestAlgorithm[];
  readonly #nonces: DigestNonces;
  readonly #clock: Clock;
  /** Hash of name, realm and password, by algorithm and name. */
  readonly #secrets = new Map<DigestAlgorithm, ReadonlyMap<string, string>>();
  /** Stands for the secret of names that do not exist, so that they cost the same time. */
  readonly #nobody = randomBytes(32).toString('hex');

  constructor(options: DigestOptions, clock: Clock) {
    this.#realm = options.realm;
    this.#algorithms = options.algorithms ?? ALGORITHMS;
    this.#nonces = new DigestNonces({ lifetimeMs: options.nonceLifetimeMs ?? LIFETIME_MS });
    this.#clock = clock;
    for (const algorithm of this.#algorithms) {
      const secrets = [...options.users].map(([name, password]): [string, string] => [
        name,
        hash(algorithm, `${name}:${this.#realm}:${password}`),
      ]);
      this.#secrets.set(algorithm, new Map(secrets));
    }
  }

  judge(request: DigestRequest): DigestVerdict {
    const { peer } = request;
    const credentials = this.#own(request.authorizations);
    if (credentials === undefined) return this.#challenge('challenged', peer);
    const now = this.#clock.now();
    const nonce = credentials.get('nonce') ?? '';
    const age = this.#nonces.judge(nonce, peer, now);
    if (age === 'foreign') return this.#challenge('challenged', peer);
    const count = this.#prove(credentials, request.method);
    if (count === undefined) return this.#challenge('failed', peer);
    if (!sameResource(credentials.get('uri') ?? '', request.uri)) {
      const headers = { Warning: '399 sipscribe "uri of Authorization is not that of the request"' };
      return { kind: 'failed', reply: { status: 400, headers }, headers: [] };
    }
    // Only whoever knows the password hears that the nonce alone was wrong (RFC 7616 §3.3).
    const fresh = age === 'good' && this.#nonces.spend(nonce, count, now);
    return fresh ? { kind: 'accepted' } : this.#challenge('challenged', peer, ', stale=true');
  }

  /** The credentials for our realm; others are for servers behind or before us (RFC 3261 §22.3). */
  #own(authorizations: readonly string[]): DigestCredentials | undefined {
    for (const text of authorizations) {
      const credentials = readDigestCredentials(text);
      if (credentials?.get('realm') === this.#realm) return credentials;
    }
    return undefined;
  }

  /** The nonce count of credentials that prove a password, or undefined. */
  #prove(credentials: DigestCredentials, method: string): number | undefined {
    const wanted = (credentials.get('algorithm') ?? 'MD5').toUpperCase();
    const algorithm = this.#algorithms.find((known) => known === wanted);
    const qop = credentials.get('qop');
    const nc = credentials.get('nc') ?? '';
    const cnonce = credentials.get('cnonce') ?? '';
    if (algorithm === undefined || (qop !== undefined && qop.toLowerCase() !== 'auth')) return undefined;
    if (qop !== undefined && (!/^[0-9a-f]{8}$/i.test(nc) || cnonce === '')) return undefined;
    if (credentials.get('userhash')?.toLowerCase() === 'true') return undefined;
    const name = credentials.get('username') ?? '';
    const secret = this.#secrets.get(algorithm)?.get(name) ?? this.#nobody;
    const nonce = credentials.get('nonce') ?? '';
    const action = hash(algorithm, `${method}:${credentials.get('uri') ?? ''}`);
    const middle = qop === undefined ? nonce : `${nonce}:${nc}:${cnonce}:${qop}`;
    const expected = Buffer.from(hash(algorithm, `${secret}:${middle}:${action}`));
    const given = Buffer.from((credentials.get('response') ?? '').toLowerCase());
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) return undefined;
    const count = qop === undefined ? 1 : Number.parseInt(nc, 16);
    return count === 0 ? undefined : count;
  }

  /** One line for each algorithm: challenges cannot share a line (RFC 3261 §7.3.1, RFC 8760 §2.4). */
  #challenge(kind: 'challenged' | 'failed', peer: string, stale = ''): DigestVerdict {
    const nonce = this.#nonces.mint(peer, this.#clock.now());
    const realm = this.#realm.replace(/["\\]/g, (c) => `\\${c}`);
    const headers = this.#algorithms.map((algorithm) => ({
      name: 'www-authenticate',
      value: `Digest realm="${realm}", nonce="${nonce}", algorithm=${algorithm}, qop="auth"${stale}`,
    }));
    return { kind, reply: { status: 401 }, headers };
  }
}

function hash(algorithm: DigestAlgorithm, text: string): string {
  return createHash(HASHES[algorithm]).update(text).digest('hex');
}

/** Any user part is the recorder's, so only host and port name the resource. Other schemes must be equal letter by letter. */
function sameResource(signed: string, requested: string): boolean {
  if (signed === requested) return true;
  try {
    const [one, other] = [parseUri(signed), parseUri(requested)];
    const port = (uri: typeof one): number => uri.port ?? (uri.scheme === 'sips' ? 5061 : 5060);
    return one.host.toLowerCase() === other.host.toLowerCase() && port(one) === port(other);
  } catch {
    return false;
  }
}
