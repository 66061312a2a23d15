import { createHash, timingSafeEqual } from 'node:crypto';

/** The keys of `API_KEYS`. No key configured means that every caller is let in. */
export class ApiKeys {
  readonly #digests: readonly Buffer[];

  constructor(keys: readonly string[]) {
    this.#digests = keys.filter((key) => key !== '').map(digest);
  }

  get required(): boolean {
    return this.#digests.length > 0;
  }

  /** Takes the same time for every key and every candidate: digests of one length, all of them compared. */
  accepts(candidate: string | undefined): boolean {
    if (!this.required) return true;
    const given = digest(candidate ?? '');
    let accepted = false;
    for (const known of this.#digests) accepted = timingSafeEqual(known, given) || accepted;
    return accepted && candidate !== undefined;
  }

  /** The place of a key among the configured ones, from 1; 0 for one that is not there. In the same time for every key. */
  place(candidate: string | undefined): number {
    const given = digest(candidate ?? '');
    let place = 0;
    for (const [index, known] of this.#digests.entries()) if (timingSafeEqual(known, given)) place = index + 1;
    return place;
  }

  /** The token of `Authorization: Bearer …` (RFC 6750 §2.1). */
  static bearer(authorization: string | undefined): string | undefined {
    return /^Bearer +([^\s]+) *$/i.exec(authorization ?? '')?.[1];
  }
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
