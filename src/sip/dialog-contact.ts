import type { IncomingRequest } from './incoming-request.js';
import { parseNameAddress } from './name-address.js';
import { uriScheme, writtenHost } from './uri.js';

/** Our Contact in the dialog that this INVITE begins. @param localHost the host that the peer reaches us at */
export function localContact(invite: IncomingRequest, localHost: string): string {
  const { kind, address } = invite.arrival.transport;
  const place = `srs@${writtenHost(localHost)}:${address.port}`;
  // `sips` stands for TLS by itself (RFC 5630 §3.3). What came without TLS cannot be promised it, whatever was asked for.
  if (kind === 'tls' && isSecured(invite)) return `<sips:${place}>;+sip.srs`;
  const transport = kind === 'udp' ? '' : `;transport=${kind}`;
  return `<sip:${place}${transport}>;+sip.srs`;
}

/** Whether the peer asks for TLS on every hop: by Request-URI, and by the first Record-Route or else Contact (RFC 3261 §12.1.1). */
function isSecured(invite: IncomingRequest): boolean {
  if (uriScheme(invite.uri) === 'sips') return true;
  const [route] = invite.headers('record-route');
  const [contact] = invite.headers('contact');
  const next = route ?? contact;
  return next !== undefined && uriScheme(parseNameAddress(next).uri) === 'sips';
}
