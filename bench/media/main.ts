import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { measureBaseline } from './baseline.js';
import { compile } from './native-program.js';
import { writePacketFile } from './packet-file.js';
import { CRYPTO_LINE, sealer } from './protection.js';
import { printTable } from './result-table.js';
import { barePlane, type Loads, measureRow, type RowResult, type Subject, stalledServer, wholeServer } from './row.js';
import { RtpLoad } from './rtp-load.js';

/**
 * `npm run bench:media [-- --calls 500,1000 --seconds 60 --directory /recordings --only server,stall]`: what a packet costs, what is lost,
 * and what signalling feels of it, while calls are recorded to real files. Each row is measured beside a C receiver that does
 * nothing but receive, moments before it.
 */
const ROUNDS_PER_SECOND = 50;
const TICK_MS = 100;
/** Before a row counts: code is compiled, and page tables and the page cache have settled. */
const WARM_SECONDS = 5;
const BASELINE_SECONDS = 6;
const STALL_MS = 4_500;
/** Of the rows that are measured at one number of calls alone. */
const MIDDLE_CALLS = 500;

type Kind = 'server' | 'srtp' | 'stall' | 'plane' | 'voice' | 'node';
const KINDS: Readonly<
  Record<Kind, { readonly name: string; readonly open: (calls: number, at: string, loads: Loads) => Promise<Subject> }>
> = {
  server: { name: 'whole server', open: wholeServer },
  srtp: {
    name: 'whole server, SRTP',
    open: (calls, at, loads) => wholeServer(calls, at, loads, CRYPTO_LINE),
  },
  stall: {
    name: `whole server, stopped for ${STALL_MS / 1000} s`,
    open: (calls, at, loads) => stalledServer(calls, at, loads, STALL_MS),
  },
  plane: { name: 'media plane alone', open: (calls, at) => barePlane(calls, at, false) },
  node: { name: "media plane alone, Node's sockets", open: (calls, at) => barePlane(calls, at, false, 'node') },
  voice: { name: 'media plane alone, voice activity on', open: (calls, at) => barePlane(calls, at, true) },
};

const { values } = parseArgs({
  options: {
    calls: { type: 'string', default: '100,500,1000,1500' },
    seconds: { type: 'string', default: '14' },
    directory: { type: 'string', default: tmpdir() },
    only: { type: 'string', default: Object.keys(KINDS).join(',') },
  },
});
const counts = numbers(values.calls);
const [seconds = 0] = numbers(values.seconds);
const kinds = values.only.split(',').filter((name): name is Kind => Object.hasOwn(KINDS, name));
if (counts.length === 0 || seconds < 4 || kinds.length === 0) {
  console.error(`--calls takes numbers, --seconds at least 4, --only some of ${Object.keys(KINDS).join(',')}`);
  process.exit(2);
}

const root = mkdtempSync(join(values.directory, 'sipscribe-bench-media-'));
try {
  const programs = { load: compile('rtp-load', root), drain: compile('rtp-drain', root) };
  const rounds = (WARM_SECONDS + seconds) * ROUNDS_PER_SECOND;
  const packets = writePacketFile(join(root, 'packets'), rounds);
  const sealed = writePacketFile(join(root, 'sealed-packets'), rounds, sealer());
  const loads: Loads = (ports, plan) => new RtpLoad(programs.load, packets, ports, plan);
  const sealedLoads: Loads = (ports, plan) => new RtpLoad(programs.load, sealed, ports, plan);
  const row = async (kind: Kind, calls: number): Promise<RowResult> => {
    const { name, open } = KINDS[kind];
    const to = BASELINE_SECONDS * ROUNDS_PER_SECOND;
    const baseline = await measureBaseline(programs.drain, loads, 2 * calls, {
      tickMs: TICK_MS,
      marks: [ROUNDS_PER_SECOND, to],
      rounds: to + 1,
    });
    // The files of all rows go together at the end: on some file systems new ones are slow to make just after many were removed.
    const directory = join(root, `${kind}-${calls}`);
    mkdirSync(directory);
    const plan = {
      name,
      calls,
      warmRounds: WARM_SECONDS * ROUNDS_PER_SECOND,
      halfRound: (WARM_SECONDS + Math.floor(seconds / 2)) * ROUNDS_PER_SECOND,
      rounds,
    };
    console.error(`${name}, ${calls} calls …`);
    const ownLoads = kind === 'srtp' ? sealedLoads : loads;
    return await measureRow(plan, baseline, await open(calls, directory, ownLoads), ownLoads);
  };
  const results: RowResult[] = [];
  const middle = counts.includes(MIDDLE_CALLS) ? MIDDLE_CALLS : (counts[0] ?? MIDDLE_CALLS);
  for (const kind of kinds) {
    for (const calls of kind === 'server' ? counts : [middle]) results.push(await row(kind, calls));
  }
  printTable(results, seconds);
} finally {
  rmSync(root, { recursive: true, force: true });
}

function numbers(text: string): number[] {
  const all = text.split(',').map(Number);
  return all.every((value) => Number.isInteger(value) && value > 0) ? all : [];
}
