import { SrsError } from '../core/errors.js';
import { ACCEPTED_TYPES } from './rs-body.js';
import type { SipReply } from './sip-server.js';

/** Seconds after which an SRC may try a full or draining server again. */
const RETRY_AFTER_SECONDS = 10;

/** The final response to a request that failed, with the header fields that RFC 3261 asks for in it. */
export function refusal(error: unknown): SipReply {
  const failure = SrsError.from(error);
  const status = failure.sipStatus;
  const headers: Record<string, string> = {};
  if (status === 415) {
    if (failure.facts.encoding === true) headers['Accept-Encoding'] = 'identity';
    else headers.Accept = ACCEPTED_TYPES;
  }
  if (status === 503) headers['Retry-After'] = String(RETRY_AFTER_SECONDS);
  // A fault of ours is nobody's business; what the peer did wrong helps its operator.
  if (status < 500) headers.Warning = `399 sipscribe "${quotable(failure.message)}"`;
  return { status, headers };
}

/**
 * The same inside a dialog: whatever is wrong with the offer, the answer is 488 and the session goes on as it was
 * (RFC 3261 §14.2). 400 and 503 there make some SRCs tear the recording down.
 */
export function refusalInDialog(error: unknown): SipReply {
  const failure = SrsError.from(error);
  const reply = refusal(failure);
  const unacceptable = failure.code.startsWith('SRS_SDP_') || failure.sipStatus === 503;
  if (!unacceptable) return reply;
  return { status: 488, headers: { Warning: `399 sipscribe "${quotable(failure.message)}"` } };
}

/** The answer to OPTIONS and INVITE of a server that takes no new session (RFC 3261 §21.5.4). */
export function busy(): SipReply {
  return { status: 503, headers: { 'Retry-After': String(RETRY_AFTER_SECONDS) } };
}

function quotable(text: string): string {
  return text
    .replace(/\p{Cc}/gu, ' ')
    .replace(/["\\]/g, "'")
    .slice(0, 200);
}
