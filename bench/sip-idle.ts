import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { loadConfig } from '../config/load.js';
import { App } from '../src/app.js';
import { silentLogger } from '../src/core/logger.js';
import { INVITE_CONTENT_TYPE, inviteBody } from './sip-invite.js';

/**
 * What a call holds that is set up and silent: a whole server in this process, a load of calls that stay, and the difference after
 * a full collection. Run with `--expose-gc`; prints one line of JSON.
 */
export interface SipIdleResult {
  readonly calls: number;
  /** Heap of the main thread, bytes per call. */
  readonly heapBytes: number;
  /** Memory outside the heap that belongs to it: buffers. */
  readonly externalBytes: number;
  /** Resident memory of the whole process, media threads and their rings included, bytes per call. */
  readonly residentBytes: number;
  readonly inviteBytes: number;
}

const RATE = 250;
const SECONDS = 2;
/** The load's rate grows for ten seconds, to as many calls as five seconds of it have; those stay too. */
const CALLS = RATE * (SECONDS + 5);

const { gc } = globalThis;
if (gc === undefined) throw new Error('run with --expose-gc');
const folder = mkdtempSync(join(tmpdir(), 'sipscribe-bench-idle-'));
const env = {
  SIP_HOST: '127.0.0.1',
  UDP_PORTS: '0',
  TCP_PORTS: 'none',
  HTTP_PORT: '0',
  RTP_PORT_MIN: '10000',
  RTP_PORT_MAX: '32767',
  MAX_CONCURRENT_CALLS: '2000',
  WHISPER_ENABLED: 'false',
  // The replay of events has a size of its own, which does not grow with the calls that are open.
  WS_REPLAY_LIMIT: '0',
  DATA_DIR: folder,
};

function load(port: number, seconds: number, holdMs: number): ChildProcess {
  const file = fileURLToPath(new URL('./sip-load.js', import.meta.url));
  return spawn(process.execPath, [file, ...[port, RATE, seconds, holdMs].map(String)], { stdio: 'ignore' });
}

async function measured(collect: () => void): Promise<NodeJS.MemoryUsage> {
  // What hangs on promises and finalizers goes in the turns after a collection.
  for (let i = 0; i < 4; i++) {
    collect();
    await sleep(50);
  }
  return process.memoryUsage();
}

const app = new App(loadConfig({ env }), silentLogger);
try {
  await app.start();
  const port = app.sipAddresses[0]?.port ?? 0;
  // Compiled code, shapes and caches come with the first calls and belong to none.
  const warming = load(port, 1, 100);
  await once(warming, 'exit');
  const before = await measured(gc);
  const holding = load(port, SECONDS, 600_000);
  while (app.recorder.activeSessions < CALLS && holding.exitCode === null) await sleep(100);
  // RFC 3261 keeps the transaction of an INVITE for 32 s; a call is idle after that.
  await sleep(34_000);
  const calls = app.recorder.activeSessions;
  const after = await measured(gc);
  holding.kill('SIGKILL');
  const inviteBytes = Buffer.byteLength(inviteBody('an-id-of-its-own')) + INVITE_CONTENT_TYPE.length + 450;
  const result: SipIdleResult = {
    calls,
    heapBytes: (after.heapUsed - before.heapUsed) / calls,
    externalBytes: (after.external - before.external) / calls,
    residentBytes: (after.rss - before.rss) / calls,
    inviteBytes,
  };
  console.log(JSON.stringify(result));
} finally {
  rmSync(folder, { recursive: true, force: true });
  process.exit(0);
}
