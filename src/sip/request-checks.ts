import { ALLOWED_METHODS } from './failure.js';
import type { IncomingRequest } from './incoming-request.js';
import { type Refusal, refusal } from './refusal.js';
import { parseUri, uriScheme } from './uri.js';

/** Option tags that may stand in Require. */
const KNOWN_OPTIONS = new Set(['siprec', 'timer', '100rel']);
const KNOWN_SCHEMES = new Set(['sip', 'sips', 'tel']);
const KNOWN_METHODS = new Set(ALLOWED_METHODS.split(', '));

/** What the checks look at, on either front. */
export type CheckedRequest = Pick<IncomingRequest, 'method' | 'uri' | 'toTag' | 'headers'>;

/**
 * The checks of RFC 3261 §8.2 in their order; undefined lets the request pass.
 *
 * Any user part is taken (§8.2.2.1): SRCs write `recorder@`, a number, or none. Proxy-Require is for proxies. Replaces and Join
 * without their option tag in Require are ignored as by any server that does not have them (RFC 3891 §3, RFC 3911 §4): the call
 * is recorded as a new one, and the old dialog ends by its own BYE or timer. Max-Forwards is for those who pass requests on, so
 * that 0 is answered here (§16.3). Merged requests are told from INVITEs alone, because probes of some SBCs repeat one Call-ID.
 */
export function checkRequest(
  request: CheckedRequest,
  place: { readonly inDialog: boolean; readonly merged: boolean },
): Refusal | undefined {
  const { method } = request;
  if (!place.inDialog) {
    const outside = checkOutsideDialog(request, place.merged);
    if (outside !== undefined) return outside;
  }
  // A BYE that cannot be understood in full still ends the call.
  if (method === 'BYE') return undefined;
  const unknown = request.headers('require').filter((tag) => !KNOWN_OPTIONS.has(tag.toLowerCase()));
  if (unknown.length > 0) return refusal('extension', 420, { Unsupported: unknown.join(', ') });
  if (method === 'INVITE' && !place.inDialog && !acceptsAnswer(request.headers('accept'))) {
    return refusal('not_acceptable', 406);
  }
  return undefined;
}

function checkOutsideDialog(request: CheckedRequest, merged: boolean): Refusal | undefined {
  const { method } = request;
  const scheme = uriScheme(request.uri);
  if ((scheme === 'sip' || scheme === 'sips') && !isReadable(request.uri)) {
    return refusal('malformed', 400, { Warning: '399 sipscribe "the Request-URI cannot be read"' });
  }
  // Inside a dialog the dialog says 405, so that a REFER to a dead one hears 481.
  if (!KNOWN_METHODS.has(method)) return refusal('method', 405);
  if (!KNOWN_SCHEMES.has(scheme)) return refusal('scheme', 416);
  const begins = method === 'INVITE' || method === 'OPTIONS';
  if (request.toTag !== undefined || !begins) return refusal('no_dialog', 481);
  return merged ? refusal('merged', 482) : undefined;
}

function isReadable(uri: string): boolean {
  try {
    parseUri(uri);
    return true;
  } catch {
    return false;
  }
}

/**
 * The answer is SDP (RFC 3261 §20.1). Some SRCs list only the metadata types they know, so any `application/` type is read as a
 * peer that takes it; an empty list is read as none.
 */
function acceptsAnswer(accept: readonly string[]): boolean {
  return accept.length === 0 || accept.some((type) => /^(?:application|multipart|\*)\s*\//i.test(type));
}
