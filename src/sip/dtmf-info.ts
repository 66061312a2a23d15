import { dtmfKey } from '../core/dtmf.js';
import type { ToldDigit } from '../session/recorder.js';
import { parseMediaType } from './media-type.js';
import type { SipRequestView } from './sip-server.js';

/** A signal and its duration: more is something else. */
const MAX_BYTES = 256;
/** No finger rests on a key for longer, in ms. */
const MAX_DURATION = 60_000;

/**
 * The key that an INFO tells of; undefined when it is about something else. Two bodies are in use, and no RFC describes either:
 * `application/dtmf-relay` (Cisco) has lines `Signal=5` and `Duration=160`, in ms; `application/dtmf` has the key alone. Blanks, the
 * order of the lines and their ends differ by vendor, and so do the names of `*`, `#` and the letters: themselves, or their event codes.
 */
export function readDtmfInfo(request: Pick<SipRequestView, 'header' | 'body'>): ToldDigit | undefined {
  const { value } = parseMediaType(request.header('content-type') ?? '');
  if (value !== 'application/dtmf-relay' && value !== 'application/dtmf') return undefined;
  if (request.body.byteLength > MAX_BYTES) return undefined;
  const text = Buffer.from(request.body).toString('latin1');
  const signal = /^[ \t]*signal[ \t]*=[ \t]*(\S+)[ \t]*$/im.exec(text)?.[1] ?? /^\s*(\S+)\s*$/.exec(text)?.[1];
  const digit = signal === undefined ? undefined : keyOf(signal);
  if (digit === undefined) return undefined;
  const duration = Number(/^[ \t]*duration[ \t]*=[ \t]*(\d{1,6})[ \t]*$/im.exec(text)?.[1] ?? 0);
  return { digit, ...(duration > 0 ? { durationMs: Math.min(duration, MAX_DURATION) } : {}) };
}

function keyOf(signal: string): string | undefined {
  if (/^[0-9A-D*#]$/i.test(signal)) return signal.toUpperCase();
  if (signal === '!' || /^flash$/i.test(signal)) return 'flash';
  return /^1[0-6]$/.test(signal) ? dtmfKey(Number(signal)) : undefined;
}
