import type { IncomingRequest } from '../../../src/sip/incoming-request.js';
import { parseSipMessage, type SipHeader, type SipMessage, type SipRequest } from '../../../src/sip/message.js';
import { tagOf } from '../../../src/sip/name-address.js';
import { writtenHost } from '../../../src/sip/uri.js';

/** Lines longer than this make drachtio-server refuse a message, wherever they stand. */
const MAX_LINE_BYTES = 8_192;

/** As drachtio-server tells the time of day. */
function timeOfDay(): string {
  return `${new Date().toISOString().slice(11, 23)}000`;
}

/** `network|bytes|proto|address|port|time`: where a message came from or went to. */
export function origin(
  source: 'network' | 'application',
  bytes: number,
  proto: string,
  peer: { readonly address: string; readonly port: number },
): string {
  return `${source}|${bytes}|${proto}|${writtenHost(peer.address)}|${peer.port}|${timeOfDay()}`;
}

export function hasLongLine(bytes: Uint8Array): boolean {
  let start = 0;
  for (let end = bytes.indexOf(0x0a); end >= 0; end = bytes.indexOf(0x0a, start)) {
    if (end - start > MAX_LINE_BYTES) return true;
    start = end + 1;
  }
  return bytes.length - start > MAX_LINE_BYTES;
}

/** What an application sent after the first line. The Content-Length of drachtio-srf counts characters and is not looked at. */
export function applicationMessage(text: string): SipMessage {
  const [head = '', ...rest] = text.split('\r\n\r\n');
  const kept = head.replace(/\r\n(?:content-length|l)\s*:[^\r\n]*/gi, '');
  return parseSipMessage(Buffer.from(`${kept}\r\n\r\n${rest.join('\r\n\r\n')}`));
}

/** Headers that drachtio-server takes from an application, with the address that the peer reached in place of localhost. */
export function applicationHeaders(message: SipMessage, here: string): SipHeader[] {
  const own = new Set(['via', 'from', 'to', 'call-id', 'cseq', 'content-length', 'max-forwards']);
  return message.headers
    .filter(({ name }) => !own.has(name))
    .map(({ name, value }) => ({ name, value: name === 'contact' ? value.replace('@localhost', `@${here}`) : value }));
}

/** Via, From, To, Call-ID and CSeq of the request, To with our tag. */
export function copiedHeaders(request: SipRequest, toTag: string): SipHeader[] {
  return request.headers
    .filter(({ name }) => ['via', 'from', 'to', 'call-id', 'cseq'].includes(name))
    .map(({ name, value }) => ({
      name,
      value: name === 'to' && tagOf(value) === undefined ? `${value};tag=${toTag}` : value,
    }));
}

export function dialogId(request: IncomingRequest): string {
  return `${request.callId};from-tag=${request.fromTag}`;
}
