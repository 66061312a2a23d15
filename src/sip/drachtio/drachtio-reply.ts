import { Buffer } from 'node:buffer';
import { SrsError } from '../../core/errors.js';
import { complete } from '../failure.js';
import { reasonPhrase } from '../reason-phrase.js';
import type { SipReply } from '../sip-server.js';
import type { SrfMessage, SrfResponse } from './drachtio-link.js';

/** drachtio-server puts the address that the peer reached in place of localhost. */
export const CONTACT = '<sip:srs@localhost>;+sip.srs';
/**
 * drachtio-server reads the control connection through a ring of 12,228 bytes: a longer message is never read to its end, and with
 * it every later one. The frame's own line and the headers that drachtio-srf adds are counted by `OVERHEAD_BYTES`.
 */
const MAX_FRAME_BYTES = 11_000;
const OVERHEAD_BYTES = 400;

/** No PRACK and no 100rel: no provisional response of ours ever leaves through drachtio-server. */
const ALLOWED = 'INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE, INFO';
export const SUPPORTED = 'siprec, timer';

/** Written by the server or by drachtio-srf. */
const OWN = new Set([
  'via',
  'from',
  'to',
  'call-id',
  'cseq',
  'contact',
  'record-route',
  'content-length',
  'content-type',
]);

export interface WrittenMessage {
  readonly headers: Record<string, string>;
  readonly body?: string;
}

/** @throws SrsError `SRS_SIP_TOO_LARGE`, `SRS_SIP_MALFORMED` when a header holds a line break */
export function writeMessage(
  headers: Readonly<Record<string, string>>,
  body: SipReply['body'],
  copiedBytes: number,
): WrittenMessage {
  const written = { ...headers, ...(body ? { 'Content-Type': body.type } : {}) };
  let bytes = OVERHEAD_BYTES + copiedBytes + Buffer.byteLength(body?.content ?? '');
  for (const [name, value] of Object.entries(written)) {
    if (/[\r\n\0]/.test(value)) throw new SrsError('SRS_SIP_MALFORMED', 'a header holds a line break');
    bytes += name.length + Buffer.byteLength(value) + 4;
  }
  if (bytes > MAX_FRAME_BYTES) {
    throw new SrsError('SRS_SIP_TOO_LARGE', `${bytes} bytes are more than drachtio-server takes from us`);
  }
  return body ? { headers: written, body: body.content } : { headers: written };
}

/** The headers of a response, as the embedded front writes them. `extras` win over equal names in the reply. */
function replyHeaders(
  method: string,
  reply: SipReply,
  serverName: string,
  extras: Readonly<Record<string, string>>,
): Record<string, string> {
  const { status } = reply;
  const headers: Record<string, string> = { Server: serverName };
  if (status >= 200 && status < 300 && (method === 'INVITE' || method === 'UPDATE' || method === 'OPTIONS')) {
    headers.Allow = ALLOWED;
    headers.Supported = SUPPORTED;
  } else if (status === 405) headers.Allow = ALLOWED;
  Object.assign(headers, extras);
  const taken = new Set(Object.keys(headers).map((name) => name.toLowerCase()));
  for (const [name, value] of Object.entries(reply.headers ?? {})) {
    const lower = name.toLowerCase();
    if (!OWN.has(lower) && !taken.has(lower)) headers[name] = value;
  }
  return headers;
}

/** What came of a final response. `unsent`: the transaction or the connection is gone. */
export type Sent = { readonly status: number; readonly sent: SrfMessage | undefined } | 'unsent';

export interface ReplyOptions {
  readonly method: string;
  readonly serverName: string;
  /** Bytes of the headers that drachtio-srf copies from the request. */
  readonly copiedBytes: number;
  readonly extras?: Readonly<Record<string, string>>;
  /** Hears the outcome; never when the control connection is lost first. */
  readonly onSent: (outcome: Sent) => void;
}

/** Sends a final response and returns its status: a reply that cannot be written becomes a bare 500. */
export function sendReply(response: SrfResponse, wanted: SipReply, options: ReplyOptions): number {
  const { method, serverName, copiedBytes, extras = {}, onSent } = options;
  const reply = complete(wanted);
  let { status } = reply;
  let written: WrittenMessage;
  try {
    written = writeMessage(replyHeaders(method, reply, serverName, extras), reply.body, copiedBytes);
  } catch {
    status = 500;
    written = { headers: { Server: serverName } };
  }
  const reason = status === reply.status ? (reply.reason ?? reasonPhrase(status)) : reasonPhrase(status);
  try {
    response.send(status, reason, written, (error, sent) => onSent(error ? 'unsent' : { status, sent }));
  } catch {
    onSent('unsent');
  }
  return status;
}
