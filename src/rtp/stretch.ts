import type { GapCause } from '../core/gap.js';

/** Samples `[from, to)` of a leg that are a gap. */
export interface Stretch {
  from: number;
  to: number;
  readonly cause: GapCause;
}

/** Gives the part of ordered stretches that lies in `[from, to)` another cause. */
export function cover(stretches: readonly Stretch[], from: number, to: number, cause: GapCause): Stretch[] {
  const covered: Stretch[] = [];
  for (const stretch of stretches) {
    const start = Math.max(stretch.from, from);
    const end = Math.min(stretch.to, to);
    if (start >= end) {
      covered.push(stretch);
      continue;
    }
    if (stretch.from < start) covered.push({ from: stretch.from, to: start, cause: stretch.cause });
    covered.push({ from: start, to: end, cause });
    if (end < stretch.to) covered.push({ from: end, to: stretch.to, cause: stretch.cause });
  }
  return covered;
}
