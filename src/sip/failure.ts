import { SrsError } from '../core/errors.js';
import type { SipReply } from './sip-server.js';

/** Methods that are taken in or outside a dialog. */
export const ALLOWED_METHODS = 'INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE, INFO, PRACK';
/** Seconds after which a refused SRC may come again. */
const RETRY_AFTER_SECONDS = 10;

/** Facts of an SrsError that become headers of the response. */
const FACT_HEADERS: Readonly<Record<string, string>> = {
  accept: 'Accept',
  acceptEncoding: 'Accept-Encoding',
  allow: 'Allow',
  minSe: 'Min-SE',
  retryAfter: 'Retry-After',
  unsupported: 'Unsupported',
};

/**
 * The one place where anything thrown inside a transaction becomes a final response.
 *
 * An SrsError gives its `sipStatus` (or the number in its fact `status`), a Warning with its message, and headers from its
 * facts `accept`, `acceptEncoding`, `allow`, `minSe`, `retryAfter` and `unsupported`. A foreign error gives a bare 500.
 */
export function failureReply(thrown: unknown): SipReply {
  if (!(thrown instanceof SrsError)) return { status: 500 };
  const { status: named } = thrown.facts;
  const status = typeof named === 'number' && named >= 300 && named <= 699 ? named : thrown.sipStatus;
  const headers: Record<string, string> = {};
  for (const [fact, header] of Object.entries(FACT_HEADERS)) {
    const value = thrown.facts[fact];
    if (value !== undefined && value !== '') headers[header] = oneLine(String(value));
  }
  // A fault of our own says nothing about itself to the outside.
  if (thrown.code !== 'SRS_INTERNAL') headers.Warning = `399 sipscribe "${warningText(thrown.message)}"`;
  return complete({ status, headers });
}

/** Adds what a status must carry: Allow on 405, Retry-After on 503. */
export function complete(reply: SipReply): SipReply {
  const missing = reply.status === 405 ? 'Allow' : reply.status === 503 ? 'Retry-After' : undefined;
  if (missing === undefined) return reply;
  const names = Object.keys(reply.headers ?? {}).map((name) => name.toLowerCase());
  if (names.includes(missing.toLowerCase())) return reply;
  const value = missing === 'Allow' ? ALLOWED_METHODS : String(RETRY_AFTER_SECONDS);
  return { ...reply, headers: { ...reply.headers, [missing]: value } };
}

/** Printable ASCII without quotes, so that text from outside cannot end the quoted string or the line. */
function warningText(message: string): string {
  return message
    .replace(/["\\]/g, "'")
    .replace(/[^\x20-\x7e]+/g, ' ')
    .slice(0, 160);
}

function oneLine(value: string): string {
  return value.replace(/[^\x20-\x7e]+/g, ' ').slice(0, 512);
}
