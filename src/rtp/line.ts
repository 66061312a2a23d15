/** A straight line through points, and how well it fits. */
export interface Line {
  readonly slope: number;
  at(x: number): number;
  /** Mean distance of the points from it. */
  readonly spread: number;
  /** Sum of the squares of these distances. */
  readonly squares: number;
}

/**
 * The line through points whose slope is the median of the slopes between any two of them (Theil and Sen): a third of the points may
 * be anywhere without moving it.
 */
export function lineThrough(xs: readonly number[], ys: readonly number[]): Line {
  const slopes: number[] = [];
  for (let i = 0; i < xs.length; i++) {
    for (let j = i + 1; j < xs.length; j++) {
      slopes.push(((ys[j] as number) - (ys[i] as number)) / ((xs[j] as number) - (xs[i] as number)));
    }
  }
  const slope = median(slopes);
  const height = median(ys.map((y, i) => y - slope * (xs[i] as number)));
  const at = (x: number): number => height + slope * x;
  let spread = 0;
  let squares = 0;
  for (const [i, y] of ys.entries()) {
    const off = y - at(xs[i] as number);
    spread += Math.abs(off) / ys.length;
    squares += off * off;
  }
  return { slope, at, spread, squares };
}

/** The sum of squares that the best pair of levels, one before and one after a place, leaves of a series. */
export function oneStepSpread(ys: readonly number[]): number {
  let best = Number.POSITIVE_INFINITY;
  for (let cut = 1; cut < ys.length; cut++) {
    best = Math.min(best, aroundMean(ys.slice(0, cut)) + aroundMean(ys.slice(cut)));
  }
  return best;
}

function aroundMean(ys: readonly number[]): number {
  let sum = 0;
  for (const y of ys) sum += y;
  const mean = sum / ys.length;
  let squares = 0;
  for (const y of ys) squares += (y - mean) ** 2;
  return squares;
}

function median(values: number[]): number {
  const sorted = values.sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length === 0) return 0;
  return sorted.length % 2 === 1
    ? (sorted[middle] as number)
    : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}
