import { Buffer } from 'node:buffer';
import { randomBytes, randomUUID } from 'node:crypto';

/** An id that sorts by time and is safe in file names: 12 hex digits of epoch ms, then 10 random ones. */
export function timeSortedId(nowMs: number): string {
  return flat(nowMs.toString(16).padStart(12, '0') + randomBytes(5).toString('hex'));
}

export function uuid(): string {
  return flat(randomUUID());
}

/** A short random token for tags, branches and boundaries. */
export function token(bytes = 8): string {
  return randomBytes(bytes).toString('hex');
}

/** V8 keeps a text that was put together as a tree of its pieces, four times as large; ids live as long as what they name. */
function flat(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1');
}
