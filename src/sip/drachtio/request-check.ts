import type { SipReply, SipRequestView } from '../sip-server.js';
import { uriScheme } from '../uri.js';
import { ALLOWED } from './drachtio-reply.js';
import type { DrachtioRequest } from './drachtio-request.js';

/** Option tags that may stand in Require. 100rel costs nothing: no provisional response of ours is reliable (RFC 3262 §3). */
const KNOWN_OPTIONS = new Set(['siprec', 'timer', '100rel']);
const KNOWN_SCHEMES = new Set(['sip', 'sips', 'tel']);
const KNOWN_METHODS = new Set(ALLOWED.split(', '));

/**
 * The checks of RFC 3261 §8.2 that drachtio-server leaves to the application, in their order; undefined lets the request pass.
 * Without a Contact drachtio-srf would make a dialog that nobody can end.
 */
export function refusalOf(request: DrachtioRequest, inDialog: boolean): SipReply | undefined {
  const { method } = request;
  if (!inDialog && !KNOWN_METHODS.has(method)) return { status: 405 };
  if (!inDialog && !KNOWN_SCHEMES.has(uriScheme(request.uri))) return { status: 416 };
  if (!inDialog && (request.toTag !== undefined || (method !== 'INVITE' && method !== 'OPTIONS')))
    return { status: 481 };
  // A BYE that cannot be understood in full still ends the call.
  if (method === 'BYE') return undefined;
  const unknown = request.headers('require').filter((tag) => !KNOWN_OPTIONS.has(tag.toLowerCase()));
  if (unknown.length > 0) return { status: 420, headers: { Unsupported: unknown.join(', ') } };
  if (method === 'INVITE' && !inDialog && !hasContact(request)) {
    return { status: 400, headers: { Warning: '399 sipscribe "no Contact"' } };
  }
  return undefined;
}

function hasContact(request: SipRequestView): boolean {
  return request.headers('contact').length > 0;
}
