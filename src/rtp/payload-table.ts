import { decodePcma, decodePcmu } from '../audio/g711.js';
import type { MediaFormat } from '../core/model.js';

/** Comfort noise: 13 by RFC 3389, 19 in older gear (RFC 3551 §6 reserves it for that reason). */
const COMFORT_NOISE = [13, 19];

/**
 * What to do with each of the 128 payload types of a leg: a decode table, `telephone-event` (RFC 4733), `ignored` (not audio, yet nothing
 * wrong), or undefined.
 */
export type PayloadTable = readonly (Int16Array | 'telephone-event' | 'ignored' | undefined)[];

export function payloadTable(formats: readonly MediaFormat[]): PayloadTable {
  const table: (Int16Array | 'telephone-event' | 'ignored' | undefined)[] = new Array(128).fill(undefined);
  for (const type of COMFORT_NOISE) table[type] = 'ignored';
  for (const { payloadType, encoding, clockRate, channels } of formats) {
    if (payloadType < 0 || payloadType > 127) continue;
    const name = encoding.toUpperCase();
    if (name === 'CN') table[payloadType] = 'ignored';
    if (name === 'TELEPHONE-EVENT') table[payloadType] = 'telephone-event';
    if (clockRate !== 8000 || channels > 1) continue;
    if (name === 'PCMU') table[payloadType] = decodePcmu;
    if (name === 'PCMA') table[payloadType] = decodePcma;
  }
  return table;
}
