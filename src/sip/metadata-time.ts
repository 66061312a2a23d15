import { isToldTime } from '../core/told-time.js';

const TIME =
  /^(\d{4})-(\d{2})-(\d{2})[T ](\d{2}):(\d{2}):(\d{2})(?:[.,](\d{1,9}))? ?(?:(Z)|([+-])(\d{2}):?(\d{2})?)?$/i;

/**
 * RFC 3339 as vendors write it, in epoch ms: without a zone (Oracle: taken as UTC), with `+0000` (OpenSIPS), with fractions (Cisco).
 * Undefined for what cannot be read, and for what tells no time.
 */
export function readMetadataTime(text: string | undefined): number | undefined {
  const told = text?.trim();
  const match = isToldTime(told) ? TIME.exec(told) : null;
  if (!match) return undefined;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number);
  if (year === undefined || month === undefined || day === undefined || year < 1970) return undefined;
  const at = Date.UTC(year, month - 1, day, hour, minute, second);
  const date = new Date(at);
  // Date.UTC rolls over what no calendar has; only a leap second may.
  const real = date.getUTCMonth() === month - 1 || second === 60;
  if (month > 12 || day < 1 || !real || (hour ?? 0) > 23 || (minute ?? 0) > 59 || (second ?? 0) > 60) return undefined;
  const fraction = Number(`0.${match[7] ?? '0'}`);
  const offset = (Number(match[10] ?? 0) * 60 + Number(match[11] ?? 0)) * 60_000;
  return at + Math.floor(fraction * 1000) - (match[9] === '-' ? -offset : offset);
}
