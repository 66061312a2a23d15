import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

/** Nonce counts ahead of the highest one that may still come late: requests overtake each other over UDP. */
const WINDOW = 32;
const NONCE = /^([0-9a-f]{12})([0-9a-f]{16})([0-9a-f]{32})$/;

export interface DigestNoncesOptions {
  readonly lifetimeMs: number;
  /** Nonces in use whose counts are remembered; 8,192 when not given. */
  readonly maxUsed?: number;
}

interface Used {
  highest: number;
  /** Bit n: count `highest - n` was seen. */
  seen: number;
  readonly expires: number;
}

/**
 * Nonces that need no memory until somebody proves to know a password with one: the server's signature says when they end and
 * for which peer they were made, so that a forged source address cannot use one (RFC 7616 §5.4, §5.5).
 */
export class DigestNonces {
  readonly #key = randomBytes(32);
  readonly #lifetimeMs: number;
  readonly #maxUsed: number;
  readonly #used = new Map<string, Used>();
  /** Nonces that end before this and are not remembered may have been used: they count as stale. */
  #forgottenUntil = 0;

  constructor(options: DigestNoncesOptions) {
    this.#lifetimeMs = options.lifetimeMs;
    this.#maxUsed = options.maxUsed ?? 8_192;
  }

  /** Nonces whose counts are remembered. */
  get used(): number {
    return this.#used.size;
  }

  mint(peer: string, nowMs: number): string {
    const expires = Math.floor(nowMs + this.#lifetimeMs)
      .toString(16)
      .padStart(12, '0');
    const head = expires + randomBytes(8).toString('hex');
    return head + this.#sign(head, peer);
  }

  /** `foreign`: not made by us for this peer. `stale`: was ours, and its time is over. */
  judge(nonce: string, peer: string, nowMs: number): 'good' | 'stale' | 'foreign' {
    const match = NONCE.exec(nonce);
    if (!match) return 'foreign';
    const [, expires = '', random = '', signature = ''] = match;
    const expected = this.#sign(expires + random, peer);
    if (!timingSafeEqual(Buffer.from(signature), Buffer.from(expected))) return 'foreign';
    const end = Number.parseInt(expires, 16);
    if (end <= nowMs) return 'stale';
    return end <= this.#forgottenUntil && !this.#used.has(nonce) ? 'stale' : 'good';
  }

  /** Marks a count of a good nonce as used; false when it was before, or is too old to tell. Call it for proven passwords only. */
  spend(nonce: string, count: number, nowMs: number): boolean {
    const known = this.#used.get(nonce);
    if (known === undefined) {
      this.#makeRoom(nowMs);
      this.#used.set(nonce, { highest: count, seen: 1, expires: Number.parseInt(nonce.slice(0, 12), 16) });
      return true;
    }
    const ahead = count - known.highest;
    if (ahead > 0) {
      known.seen = ahead >= WINDOW ? 1 : ((known.seen << ahead) | 1) >>> 0;
      known.highest = count;
      return true;
    }
    if (-ahead >= WINDOW) return false;
    const bit = (1 << -ahead) >>> 0;
    if ((known.seen & bit) !== 0) return false;
    known.seen = (known.seen | bit) >>> 0;
    return true;
  }

  #makeRoom(nowMs: number): void {
    for (const [nonce, { expires }] of this.#used) {
      // Insertion order is nearly the order of ends: what is over stands in front.
      if (expires > nowMs && this.#used.size < this.#maxUsed) return;
      if (expires > nowMs) this.#forgottenUntil = Math.max(this.#forgottenUntil, expires);
      this.#used.delete(nonce);
    }
  }

  #sign(head: string, peer: string): string {
    return createHmac('sha256', this.#key).update(`${head}|${peer}`).digest('hex').slice(0, 32);
  }
}
