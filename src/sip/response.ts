import { Buffer } from 'node:buffer';
import { canonicalHeaderName } from './header-name.js';
import type { SipHeader, SipRequest, SipResponse } from './message.js';
import { tagOf } from './name-address.js';
import { reasonPhrase } from './reason-phrase.js';
import type { SipReply } from './sip-server.js';

export interface ResponseExtras {
  /** Put on To when the request has none there. */
  readonly toTag: string | undefined;
  /** Record-Route is copied into what makes a dialog (RFC 3261 §12.1.1). */
  readonly recordRoute?: boolean;
  /** Written by the server; they win over equal names in the reply. */
  readonly headers?: readonly SipHeader[];
}

/** Headers that the server writes itself; a reply cannot change them. */
const OWN = new Set(['via', 'from', 'to', 'call-id', 'cseq', 'contact', 'record-route', 'content-length']);
const COPIED = new Set(['via', 'from', 'to', 'call-id', 'cseq']);
const NO_BODY = new Uint8Array(0);

/** A response to a request as it came (RFC 3261 §8.2.6.2): Via, From, To, Call-ID and CSeq are copied byte for byte. */
export function buildResponse(request: SipRequest, reply: SipReply, extras: ResponseExtras): SipResponse {
  const headers: SipHeader[] = [];
  for (const header of request.headers) {
    const { name, value } = header;
    if (name === 'to' && extras.toTag !== undefined && tagOf(value) === undefined) {
      headers.push({ name, value: `${value};tag=${extras.toTag}` });
    } else if (COPIED.has(name) || (name === 'record-route' && extras.recordRoute)) headers.push(header);
  }
  if (extras.headers) headers.push(...extras.headers);
  for (const [key, value] of Object.entries(reply.headers ?? {})) {
    const name = canonicalHeaderName(key);
    if (!OWN.has(name) && !extras.headers?.some((header) => header.name === name)) headers.push({ name, value });
  }
  if (reply.body) headers.push({ name: 'content-type', value: reply.body.type });
  return {
    kind: 'response',
    status: reply.status,
    reason: reply.reason ?? reasonPhrase(reply.status),
    headers,
    body: reply.body ? Buffer.from(reply.body.content, 'utf8') : NO_BODY,
  };
}
