import type { BenchResult } from './bench-result.js';
import { benchRtp } from './rtp.js';
import { benchSip } from './sip.js';
import { benchSrtp } from './srtp.js';
import { benchStt } from './stt.js';

const PARTS: Readonly<Record<string, () => Promise<BenchResult[]>>> = {
  rtp: benchRtp,
  srtp: benchSrtp,
  sip: benchSip,
  stt: benchStt,
};

/** `npm run bench [-- rtp srtp sip stt]`: every figure beside its baseline of the same run; the ratio is what travels between machines. */
const chosen = process.argv.slice(2);
const unknown = chosen.filter((name) => !Object.hasOwn(PARTS, name));
if (unknown.length > 0) {
  console.error(`unknown part ${unknown.join(', ')}; known: ${Object.keys(PARTS).join(', ')}`);
  process.exit(2);
}
const figure = (value: number): string => (value >= 100 ? value.toFixed(0) : value.toFixed(2));

for (const [name, run] of Object.entries(PARTS)) {
  if (chosen.length > 0 && !chosen.includes(name)) continue;
  console.log(`\n${name}`);
  for (const result of await run()) {
    console.log(`  ${result.name}`);
    console.log(`    ${figure(result.value).padStart(8)} ${result.unit}`);
    console.log(`    ${figure(result.baseline).padStart(8)} ${result.unit}  ${result.baselineName}`);
    console.log(`    ${figure(result.ratio).padStart(8)} ratio`);
  }
}
