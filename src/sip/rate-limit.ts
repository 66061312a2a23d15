import type { Clock } from '../core/clock.js';

export interface RateLimitOptions {
  /** Tokens that come back in a second. */
  readonly perSecond: number;
  /** Tokens of a peer that was silent for long. */
  readonly burst: number;
  /** Peers remembered; the one that was silent longest is forgotten first. 16,384 when not given. */
  readonly maxPeers?: number;
  readonly clock: Clock;
}

interface Bucket {
  tokens: number;
  /** Ms of the monotonic clock. */
  at: number;
}

/** One token bucket for each peer, in bounded memory. */
export class RateLimit {
  readonly #options: RateLimitOptions;
  readonly #maxPeers: number;
  /** In order of use: the first one was silent longest. */
  readonly #buckets = new Map<string, Bucket>();

  constructor(options: RateLimitOptions) {
    this.#options = options;
    this.#maxPeers = options.maxPeers ?? 16_384;
  }

  get peers(): number {
    return this.#buckets.size;
  }

  /** Takes a token; false when there is none. */
  take(peer: string): boolean {
    const bucket = this.#refilled(peer);
    const there = bucket.tokens >= 1;
    if (there) bucket.tokens -= 1;
    this.#buckets.delete(peer);
    this.#buckets.set(peer, bucket);
    if (this.#buckets.size > this.#maxPeers) this.#forgetOldest();
    return there;
  }

  /** Whether `take` would give a token. */
  has(peer: string): boolean {
    return !this.#buckets.has(peer) || this.#refilled(peer).tokens >= 1;
  }

  /** Gives a token back. */
  restore(peer: string): void {
    const bucket = this.#buckets.get(peer);
    if (bucket !== undefined) bucket.tokens = Math.min(this.#options.burst, bucket.tokens + 1);
  }

  #refilled(peer: string): Bucket {
    const { perSecond, burst, clock } = this.#options;
    const now = clock.monotonic();
    const bucket = this.#buckets.get(peer);
    if (bucket === undefined) return { tokens: burst, at: now };
    bucket.tokens = Math.min(burst, bucket.tokens + (Math.max(0, now - bucket.at) / 1000) * perSecond);
    bucket.at = now;
    return bucket;
  }

  #forgetOldest(): void {
    const [oldest] = this.#buckets.keys();
    if (oldest !== undefined) this.#buckets.delete(oldest);
  }
}
