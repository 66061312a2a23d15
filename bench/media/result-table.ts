import { quantile, type RowResult } from './row.js';

const HEADS = [
  'what, calls',
  'µs of CPU per packet',
  'C baseline',
  'ratio',
  'lost by us',
  'event loop late, p99',
  'INVITE to 200, p99',
  'memory per call',
  'load late at most',
];

/** Prints the rows as a table of Markdown, and beneath it what does not fit in. */
export function printTable(rows: readonly RowResult[], seconds: number): void {
  const lines = rows.map((row) => [
    `${row.name}, ${row.calls}`,
    row.perPacket.toFixed(2),
    row.baseline.toFixed(2),
    (row.perPacket / row.baseline).toFixed(1),
    `${row.lost} of ${row.sent}`,
    `${row.loopDelayP99.toFixed(1)} ms`,
    row.inviteP99 === undefined ? '' : `${row.inviteP99.toFixed(0)} ms`,
    `${(row.residentBytesPerCall / 1000).toFixed(0)} kB`,
    `${row.loadLateMs.toFixed(0)} ms`,
  ]);
  console.log(`\n${seconds} s after the warm-up, ${rows.length} rows\n`);
  for (const cells of [HEADS, HEADS.map(() => '---'), ...lines]) console.log(`| ${cells.join(' | ')} |`);
  for (const { name, calls, opened, kernelDrops, lost, dropped } of rows) {
    if (opened) {
      const [middle, most] = [0.5, 0.95].map((part) => quantile(opened, part).toFixed(2));
      console.log(
        `\n${name}, ${calls}: a stream opens in ${middle} ms, 95 of 100 within ${most} ms (${opened.length} opened)`,
      );
    }
    if (lost > 0) {
      console.log(
        `\n${name}, ${calls}: of ${lost} lost, ${kernelDrops} found a full socket and ${dropped} were thrown away by us`,
      );
    }
  }
}
