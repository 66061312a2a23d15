import { parseParams } from './params.js';
import type { SipReply, SipRequestView } from './sip-server.js';

/** What both sides agreed on (RFC 4028). */
export interface SessionInterval {
  readonly seconds: number;
  /** `uac`: the peer refreshes. `uas`: we do. */
  readonly refresher: 'uac' | 'uas';
}

/** RFC 4028 §4 allows no shorter one. */
export const MINIMUM_SESSION_SECONDS = 90;

/** The interval that a request asks for, none, or the 422 that refuses it (RFC 4028 §9). The interval is taken as offered. */
export function negotiateSessionInterval(
  request: SipRequestView,
  minimumSeconds: number,
): { readonly interval: SessionInterval | undefined } | { readonly refusal: SipReply } {
  const value = request.header('session-expires');
  if (value === undefined || !hasOption(request, 'timer')) return { interval: undefined };
  const seconds = /^\s*(\d{1,9})\s*(?:;|$)/.exec(value)?.[1];
  if (seconds === undefined) return { refusal: { status: 400 } };
  if (Number(seconds) < minimumSeconds) {
    return { refusal: { status: 422, headers: { 'Min-SE': String(minimumSeconds) } } };
  }
  const asked = parseParams(value).get('refresher')?.toLowerCase();
  // Some SRCs do not relay requests of the SRS, so the SRC refreshes unless it says that we shall.
  return { interval: { seconds: Number(seconds), refresher: asked === 'uas' ? 'uas' : 'uac' } };
}

/** The headers of the 2xx; Require stands there when the peer must act (RFC 4028 §9). */
export function sessionIntervalHeaders(interval: SessionInterval | undefined): Record<string, string> {
  if (interval === undefined) return {};
  const expires = `${interval.seconds};refresher=${interval.refresher}`;
  return interval.refresher === 'uac'
    ? { 'session-expires': expires, require: 'timer' }
    : { 'session-expires': expires };
}

/** Ms without refresh after which BYE is sent: a third of the interval before its end, 32 s at most (RFC 4028 §10). */
export function sessionPatienceMs(interval: SessionInterval): number {
  return 1_000 * (interval.seconds - Math.min(32, interval.seconds / 3));
}

export function hasOption(request: SipRequestView, tag: string): boolean {
  return [...request.headers('supported'), ...request.headers('require')].some((item) => item.toLowerCase() === tag);
}
