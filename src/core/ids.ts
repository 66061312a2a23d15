import { randomBytes, randomUUID } from 'node:crypto';

/** An id that sorts by time and is safe in file names: 12 hex digits of epoch ms, then 10 random ones. */
export function timeSortedId(nowMs: number): string {
  return nowMs.toString(16).padStart(12, '0') + randomBytes(5).toString('hex');
}

export function uuid(): string {
  return randomUUID();
}

/** A short random token for tags, branches and boundaries. */
export function token(bytes = 8): string {
  return randomBytes(bytes).toString('hex');
}
