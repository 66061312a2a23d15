import { Buffer } from 'node:buffer';
import type { SipRequestView } from './sip-server.js';

/** Whether a body of this type brings an offer or an answer; a multipart body is searched for its part. */
export function bearsSessionDescription(type: string | undefined, body: Uint8Array | string): boolean {
  if (type === undefined || body.length === 0) return false;
  if (/^\s*application\/sdp\b/i.test(type)) return true;
  if (!/^\s*multipart\//i.test(type)) return false;
  const text =
    typeof body === 'string' ? body : Buffer.from(body.buffer, body.byteOffset, body.length).toString('latin1');
  return /^(?:content-type|c)[ \t]*:[ \t]*application\/sdp\b/im.test(text);
}

export function requestBearsOffer(request: SipRequestView): boolean {
  return bearsSessionDescription(request.header('content-type'), request.body);
}
