/** One line of `npm run bench`: a figure beside a baseline measured in the same run, because machines are noisy. */
export interface BenchResult {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly baseline: number;
  readonly baselineName: string;
  /** `value / baseline`. */
  readonly ratio: number;
}
