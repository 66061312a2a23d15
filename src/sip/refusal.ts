import type { SipRefusalCause } from '../core/metrics.js';
import type { SipHeader } from './message.js';
import type { SipReply } from './sip-server.js';

/** Why a request is not taken, and the answer to it. */
export interface Refusal {
  readonly cause: SipRefusalCause;
  readonly reply: SipReply;
  /** Headers that stand on several lines, which a reply cannot hold. */
  readonly headers?: readonly SipHeader[];
}

export function refusal(cause: SipRefusalCause, status: number, headers?: Record<string, string>): Refusal {
  return { cause, reply: headers === undefined ? { status } : { status, headers } };
}
