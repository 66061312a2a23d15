import { SrsError } from '../core/errors.js';

export interface CSeq {
  /** Below 2^31 (RFC 3261 §8.1.1.5). */
  readonly number: number;
  readonly method: string;
}

/** @throws SrsError `SRS_SIP_MALFORMED` */
export function parseCSeq(text: string): CSeq {
  const match = /^(\d{1,10})\s+(\S+)$/.exec(text.trim());
  const number = Number(match?.[1]);
  if (!match?.[2] || number >= 2 ** 31) throw new SrsError('SRS_SIP_MALFORMED', 'CSeq cannot be read');
  return { number, method: match[2] };
}
