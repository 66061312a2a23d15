import { unquote } from './params.js';

/** Longer credentials are nobody's. */
const MAX_LENGTH = 4_096;
const PAIR = /\s*([A-Za-z0-9*_.-]{1,64})\s*=\s*("(?:[^"\\]|\\.)*"|[^\s",]+)\s*(?:,|$)/y;

/** The directives of an Authorization header of scheme Digest (RFC 7616 §3.4). */
export type DigestCredentials = ReadonlyMap<string, string>;

/**
 * Reads the value of an Authorization header. Names are lower case, values unquoted.
 * Undefined when the scheme is not Digest, or when a directive cannot be read or stands twice.
 */
export function readDigestCredentials(text: string): DigestCredentials | undefined {
  if (text.length > MAX_LENGTH || !/^digest\s/i.test(text)) return undefined;
  const directives = new Map<string, string>();
  const rest = text.slice(7).trim();
  PAIR.lastIndex = 0;
  while (PAIR.lastIndex < rest.length) {
    const match = PAIR.exec(rest);
    const name = match?.[1]?.toLowerCase();
    // Two answers to one question would let a proxy and this server read different ones.
    if (name === undefined || directives.has(name)) return undefined;
    directives.set(name, unquote(match?.[2] ?? ''));
  }
  return directives;
}
