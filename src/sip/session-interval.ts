import { parseParams } from './params.js';
import type { SipReply, SipRequestView } from './sip-server.js';

/** What both sides agreed on (RFC 4028). */
export interface SessionInterval {
  readonly seconds: number;
  /** `uac`: the peer refreshes. `uas`: we do. */
  readonly refresher: 'uac' | 'uas';
  /** False when the peer has no timer and a proxy asked for one: we refresh for the proxy, and nothing expires here. */
  readonly expires?: boolean;
}

/** RFC 4028 §4 allows no shorter one. */
export const MINIMUM_SESSION_SECONDS = 90;

/** The interval that a request asks for, none, or the 422 that refuses it (RFC 4028 §9). The interval is taken as offered. */
export function negotiateSessionInterval(
  request: SipRequestView,
  minimumSeconds: number,
): { readonly interval: SessionInterval | undefined } | { readonly refusal: SipReply } {
  const value = request.header('session-expires');
  if (value === undefined) return { interval: undefined };
  const timed = hasOption(request, 'timer');
  const seconds = /^\s*(\d{1,9})\s*(?:;|$)/.exec(value)?.[1];
  if (seconds === undefined) return { refusal: { status: 400 } };
  // A peer without timers cannot understand a 422 (RFC 4028 §9).
  if (!timed)
    return { interval: { seconds: Math.max(Number(seconds), minimumSeconds), refresher: 'uas', expires: false } };
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

/**
 * The headers of a request of ours that refreshes the session (RFC 4028 §7.4). In our own request we are the UAC: the peer
 * that refreshes is named `uas` there.
 */
export function refreshHeaders(interval: SessionInterval | undefined): { name: string; value: string }[] {
  if (interval === undefined) return [];
  const refresher = interval.refresher === 'uac' ? 'uas' : 'uac';
  return [{ name: 'session-expires', value: `${interval.seconds};refresher=${refresher}` }];
}

/**
 * What the 2xx to a request of ours leaves in force (RFC 4028 §7.2), no shorter than what we take from others: a peer that answers
 * with a second must not end the recording by it.
 *
 * @param value of its Session-Expires
 */
export function confirmedInterval(
  value: string | undefined,
  asked: SessionInterval | undefined,
  minimumSeconds: number,
): SessionInterval | undefined {
  const seconds = Number(/^\s*(\d{1,9})\s*(?:;|$)/.exec(value ?? '')?.[1] ?? 0);
  if (value === undefined || seconds === 0) {
    // Without the header there is no expiry; a refresher of ours may go on, for proxies on the way.
    return asked?.refresher === 'uas' ? { ...asked, expires: false } : undefined;
  }
  const named = parseParams(value).get('refresher')?.toLowerCase();
  return { seconds: Math.max(seconds, minimumSeconds), refresher: named === 'uas' ? 'uac' : 'uas' };
}

/** Ms without refresh after which BYE is sent: a third of the interval before its end, 32 s at most (RFC 4028 §10). */
export function sessionPatienceMs(interval: SessionInterval): number {
  return 1_000 * (interval.seconds - Math.min(32, interval.seconds / 3));
}

export function hasOption(request: SipRequestView, tag: string): boolean {
  return [...request.headers('supported'), ...request.headers('require')].some((item) => item.toLowerCase() === tag);
}
