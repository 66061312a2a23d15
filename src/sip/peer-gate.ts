import type { Clock } from '../core/clock.js';
import { DigestAuthenticator, type DigestOptions } from './digest-authenticator.js';
import type { IncomingRequest } from './incoming-request.js';
import { NetworkList } from './network-list.js';
import { peerKey } from './peer-key.js';
import { RateLimit } from './rate-limit.js';
import { type Refusal, refusal } from './refusal.js';

/** What the gate looks at, on either front. */
export type GatedRequest = Pick<IncomingRequest, 'method' | 'uri' | 'headers' | 'source'>;

export interface PeerGateOptions {
  /** Networks that may speak to us; empty lets everybody. */
  readonly peers: readonly string[];
  /** New INVITEs and OPTIONS a second from one peer; 0 for no limit. */
  readonly perSecond: number;
  /** Undefined: nobody must authenticate. `exempt` are networks whose peers need not. */
  readonly digest: (DigestOptions & { readonly exempt: readonly string[] }) | undefined;
  readonly clock: Clock;
}

/** Wrong passwords that one peer may send at once, and how many more a second. */
const FAILURES = { burst: 10, perSecond: 0.2 };

/**
 * Who may ask for something new. Only what opens a dialog or probes is limited and challenged: INVITE and OPTIONS without a To tag.
 *
 * Requests inside a dialog are let through without a challenge: they must know two tags and a Call-ID of a dialog that was
 * authenticated, and an SBC that cannot answer a challenge in the middle of a call would lose the recording. ACK and CANCEL
 * cannot be challenged at all (RFC 3261 §22.1). All answers of the gate are stateless, so that a flood leaves nothing behind.
 */
export class PeerGate {
  readonly #peers: NetworkList;
  readonly #rate: RateLimit | undefined;
  readonly #digest: DigestAuthenticator | undefined;
  readonly #exempt: NetworkList;
  readonly #failures: RateLimit;

  /** @throws SrsError `SRS_CONFIG_INVALID` when a network cannot be read */
  constructor(options: PeerGateOptions) {
    const { perSecond, digest, clock } = options;
    this.#peers = new NetworkList(options.peers);
    this.#rate = perSecond === 0 ? undefined : new RateLimit({ perSecond, burst: 2 * perSecond, clock });
    this.#digest = digest === undefined ? undefined : new DigestAuthenticator(digest, clock);
    this.#exempt = new NetworkList(digest?.exempt ?? []);
    this.#failures = new RateLimit({ ...FAILURES, clock });
  }

  /** Whether this address may speak to us at all. */
  knows(address: string): boolean {
    return this.#peers.empty || this.#peers.has(address);
  }

  /** A new INVITE or OPTIONS outside any dialog; undefined lets it pass. */
  admit(request: GatedRequest): Refusal | undefined {
    if (this.#rate === undefined && this.#digest === undefined) return undefined;
    const { address } = request.source;
    const peer = peerKey(address);
    // A second is the least that Retry-After can say, and the honest peer must not stay away for longer.
    if (this.#rate?.take(peer) === false) return refusal('rate', 503, { 'Retry-After': '1' });
    if (this.#digest === undefined || this.#exempt.has(address)) return undefined;
    return this.#authenticate(this.#digest, request, peer);
  }

  #authenticate(digest: DigestAuthenticator, request: GatedRequest, peer: string): Refusal | undefined {
    const authorizations = request.headers('authorization');
    if (authorizations.length > 0 && !this.#failures.has(peer)) {
      return refusal('unauthenticated', 503, { 'Retry-After': String(1 / FAILURES.perSecond) });
    }
    const verdict = digest.judge({ method: request.method, uri: request.uri, authorizations, peer });
    if (verdict.kind === 'accepted') {
      // The challenge took a token for the same call.
      this.#rate?.restore(peer);
      return undefined;
    }
    if (verdict.kind === 'failed') this.#failures.take(peer);
    const cause = verdict.kind === 'failed' ? 'unauthenticated' : 'challenged';
    return { cause, reply: verdict.reply, headers: verdict.headers };
  }
}
