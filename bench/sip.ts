import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { BenchResult } from './bench-result.js';
import type { SipIdleResult } from './sip-idle.js';
import type { SipLoadResult } from './sip-load.js';

/** What signalling must carry on one core, and how late its 200 may be while it does. */
const GOAL_RATE = 400;
const P99_LIMIT_MS = 50;
const SECONDS = 12;
const STEP_SECONDS = 6;
const SIGNALLING_STEPS = [450, 500, 600, 700, 800, 1_000];
/** With media threads and files, on all cores, the load among them. */
const SERVER_STEPS = [100, 200, 300, 400, 500];
const HOLD_MS = 1_000;
/** The line of the log that tells the port. */
const LISTENS = /"transport":"udp"[^}]*"port":(\d+)/;

/**
 * Recordings go to memory where there is such a place: a file system that was just emptied of the last run makes new files ten times
 * slower for minutes (ext4 without a journal passes over inodes that were freed lately), and that would be the figure.
 */
const dataRoot = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

const sibling = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
/** Core 0 for what is measured, core 1 for the load; where that cannot be said, both run wherever the system likes. */
const pinned = availableParallelism() > 1 && spawnSync('taskset', ['-c', '0', 'true']).status === 0;
const place = pinned ? 'on one core' : 'on any core';

/**
 * On one core the threads that V8 collects garbage with only take turns with the one that answers, so signalling is measured without
 * them, and with room for young objects to die before they are moved. The whole server runs as it is started everywhere.
 */
const SIGNALLING = 'sip-signalling.js';
const WHOLE_SERVER = '../src/cli.js';
const ONE_CORE = ['--single-threaded-gc', '--min-semi-space-size=16', '--max-semi-space-size=64'];

function command(core: number, file: string, args: readonly string[]): [string, string[]] {
  const free = file === WHOLE_SERVER;
  const line = [...(pinned && file === SIGNALLING ? ONE_CORE : []), sibling(file), ...args];
  return pinned && !free ? ['taskset', ['-c', String(core), process.execPath, ...line]] : [process.execPath, line];
}

/**
 * The SIP side: calls per second and the time to the 200, and what an idle call holds, each beside a socket or a map that does no more.
 * Signalling is measured alone on one core, and once more as a part of the whole server with its media threads and files.
 */
export async function benchSip(): Promise<BenchResult[]> {
  const floor = await withBare((port) => load(port, GOAL_RATE, SECONDS));
  const ours = await withSignalling((port) => load(port, GOAL_RATE, SECONDS));
  print(`bare, ${GOAL_RATE} calls/s`, floor);
  print(`signalling, ${GOAL_RATE} calls/s ${place}`, ours);
  const carried = ours.failed === 0 && ours.p99 < P99_LIMIT_MS ? GOAL_RATE : 0;
  const signalling = await highestRate('signalling', SIGNALLING_STEPS, carried, withSignalling);
  const server = await highestRate('whole server', SERVER_STEPS, 0, withServer);
  const barePerSecond = await withBare(bareRate);
  const idle = await idleCalls();
  const beside = 'a socket that only answers, same load';
  const compare = (
    name: string,
    unit: string,
    value: number,
    baseline: number,
    baselineName = beside,
  ): BenchResult => ({ name, value, unit, baseline, baselineName, ratio: value / baseline });
  const within = `${place} without a failure and with p99 under ${P99_LIMIT_MS} ms`;
  const atFullSpeed = 'a socket that only answers, as fast as it can';
  return [
    compare(`INVITE to 200 at ${GOAL_RATE} calls/s, signalling ${place}, p50`, 'ms', ours.p50, floor.p50),
    compare(`INVITE to 200 at ${GOAL_RATE} calls/s, signalling ${place}, p99`, 'ms', ours.p99, floor.p99),
    compare(`most calls/s of signalling ${within}`, 'calls/s', signalling, barePerSecond, atFullSpeed),
    compare(
      `most calls/s of the whole server on all cores, the load's included`,
      'calls/s',
      server,
      barePerSecond,
      atFullSpeed,
    ),
    compare('heap of an idle call', 'kB', idle.heapBytes / 1000, idle.inviteBytes / 1000, 'its INVITE'),
    compare('resident memory of an idle call', 'kB', idle.residentBytes / 1000, idle.inviteBytes / 1000, 'its INVITE'),
  ];
}

type Load = (port: number) => Promise<SipLoadResult>;

/** The highest step that is carried, or what is carried `below` them; a step that fails is tried once more, because a neighbour on the machine may have spoilt it. */
async function highestRate(
  what: string,
  steps: readonly number[],
  below: number,
  withPlace: (use: Load) => Promise<SipLoadResult>,
): Promise<number> {
  let highest = below;
  for (const rate of steps) {
    let carried = false;
    for (let attempt = 0; attempt < 2 && !carried; attempt++) {
      const result = await withPlace((port) => load(port, rate, STEP_SECONDS));
      print(`${what}, step of ${rate} calls/s`, result);
      carried = result.failed === 0 && result.p99 < P99_LIMIT_MS;
    }
    if (!carried) break;
    highest = rate;
  }
  return highest;
}

function withBare<T>(use: (port: number) => Promise<T>): Promise<T> {
  return withPeer('sip-bare.js', [], {}, /^(\d+)$/m, use);
}

function withSignalling<T>(use: (port: number) => Promise<T>): Promise<T> {
  return withPeer(SIGNALLING, [], {}, LISTENS, use);
}

async function load(port: number, rate: number, seconds: number): Promise<SipLoadResult> {
  const [program, args] = command(1, 'sip-load.js', [port, rate, seconds, HOLD_MS].map(String));
  const { stdout } = await promisify(execFile)(program, args);
  return JSON.parse(stdout);
}

/** How many calls of three requests the bare socket can answer at all, by the step at which it gives up. */
async function bareRate(port: number): Promise<number> {
  let highest = 0;
  for (const rate of [1_000, 2_000, 4_000, 6_000, 8_000]) {
    const result = await load(port, rate, 3);
    if (result.failed > 0 || result.p99 >= P99_LIMIT_MS) break;
    highest = rate;
  }
  return highest;
}

async function idleCalls(): Promise<SipIdleResult> {
  const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', sibling('sip-idle.js')]);
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
}

async function withServer<T>(use: (port: number) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(dataRoot, 'sipscribe-bench-sip-'));
  const env = {
    SIP_HOST: '127.0.0.1',
    UDP_PORTS: '0',
    TCP_PORTS: 'none',
    HTTP_PORT: '0',
    RTP_PORT_MIN: '10000',
    RTP_PORT_MAX: '32767',
    MAX_CONCURRENT_CALLS: '900',
    WHISPER_ENABLED: 'false',
    DATA_DIR: folder,
    LOG_FORMAT: 'json',
    LOG_LEVEL: 'info',
  };
  try {
    return await withPeer(WHOLE_SERVER, ['serve'], env, LISTENS, use);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Runs a process for as long as `use` needs it; its port stands in its output. */
async function withPeer<T>(
  file: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  portPattern: RegExp,
  use: (port: number) => Promise<T>,
): Promise<T> {
  const [program, line] = command(0, file, args);
  const child = spawn(program, line, { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, ...env } });
  try {
    const port = await firstMatch(child, portPattern);
    // The log goes on; nobody reads it, and a full pipe would hold the process.
    child.stdout?.resume();
    return await use(port);
  } finally {
    await ended(child);
  }
}

async function firstMatch(child: ChildProcess, pattern: RegExp): Promise<number> {
  let text = '';
  for await (const chunk of child.stdout?.iterator({ destroyOnReturn: false }) ?? []) {
    text += chunk;
    const found = pattern.exec(text)?.[1];
    if (found !== undefined) return Number(found);
  }
  throw new Error(`a bench process ended without its port: ${text}`);
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
}

function print(what: string, result: SipLoadResult): void {
  const { calls, failed, repeated, p50, p95, p99, lateMs } = result;
  const ms = [p50, p95, p99].map((value) => value.toFixed(1)).join(' / ');
  console.log(
    `  ${what}: p50 / p95 / p99 ${ms} ms; ${calls} calls, ${failed} failed, ${repeated} repeats, load late by ${lateMs.toFixed(0)} ms`,
  );
}
