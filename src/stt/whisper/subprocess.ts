import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { execa } from 'execa';
import { SrsError } from '../../core/errors.js';
import { Scope } from '../../core/scope.js';
import { OutputTail } from './output-tail.js';

/** The only door to execa. */
export interface ProcessRequest {
  /** Absolute path or a name on PATH. No shell ever reads it. */
  readonly file: string;
  readonly args: readonly string[];
  readonly cwd: string;
  /** Added to this process's own environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Names of this process's own environment that the program must not see. */
  readonly hidden?: readonly string[];
  readonly timeoutMs: number;
  /** From SIGTERM to SIGKILL. */
  readonly killGraceMs: number;
  /** How much of the end of stderr is kept. */
  readonly maxStderrBytes: number;
  /** How much of the end of stdout is kept; 1 MiB unless told. */
  readonly maxStdoutBytes?: number;
}

export interface ProcessResult {
  /** Absent when a signal ended it. */
  readonly exitCode: number | undefined;
  readonly signal: NodeJS.Signals | undefined;
  readonly timedOut: boolean;
  /** The caller's signal ended it. */
  readonly cancelled: boolean;
  /** Whether a process of the group could not be ended: one in an uninterruptible wait or of another user. */
  readonly survivors: boolean;
  readonly stderrTail: string;
  readonly stdoutTail: string;
}

/** How long what a finished program left running may take to end by itself: a `tee` behind a pipe, for instance. */
const AFTER_EXIT_MS = 100;
/** How long SIGKILL may take to be obeyed before we stop looking. */
const AFTER_KILL_MS = 2_000;
/** How long output may still come once the group is gone; a process that left the group may hold the pipe for ever. */
const DRAIN_MS = 200;
const POLL_MS = 10;
const POLLS_PER_LOOK = 8;
/** Errors of spawn(2) and execve(2) that speak of the moment and not of the program. */
const PASSING = ['EAGAIN', 'EMFILE', 'ENFILE', 'ENOMEM', 'ETXTBSY'];

/** Groups that run now. When this process ends without closing its engines, they must not go on without it. */
const groups = new Set<number>();
process.on('exit', () => {
  for (const group of groups) signalGroup(group, 'SIGKILL');
});

/** False when the group has no process left. Signal 0 only asks. */
function signalGroup(group: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(-group, signal);
    return true;
  } catch (error) {
    // EPERM: there is one, and it belongs to somebody else.
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

/**
 * Whether only zombies are left. Without an init that reaps (a container whose first process is Node) orphans stay in the table, and
 * signal 0 goes on finding them although they run no more.
 */
function onlyZombies(group: number): boolean {
  try {
    return readdirSync('/proc').every((pid) => {
      if (!/^\d+$/.test(pid)) return true;
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
        const [state, , pgrp] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
        return Number(pgrp) !== group || state === 'Z' || state === 'X';
      } catch {
        return true;
      }
    });
  } catch {
    return false;
  }
}

/** Whether the group ended within the time. */
async function groupEnds(group: number, withinMs: number): Promise<boolean> {
  const end = performance.now() + withinMs;
  for (let polls = 1; ; polls += 1) {
    if (!signalGroup(group, 0)) return true;
    const over = performance.now() >= end;
    // Looking at every process is dear and seldom needed, so it is not done each time.
    if ((over || polls % POLLS_PER_LOOK === 0) && onlyZombies(group)) return true;
    if (over) return false;
    await wait(POLL_MS);
  }
}

/** SIGTERM, grace, SIGKILL, all to the whole group. Returns whether it is gone. */
async function endGroup(group: number, graceMs: number): Promise<boolean> {
  signalGroup(group, 'SIGTERM');
  if (await groupEnds(group, graceMs)) return true;
  signalGroup(group, 'SIGKILL');
  return groupEnds(group, AFTER_KILL_MS);
}

function spawnFailure(file: string, error: unknown): SrsError {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
  const kind = PASSING.includes(code) ? 'SRS_STT_ENGINE' : 'SRS_STT_UNAVAILABLE';
  return new SrsError(kind, `${file} cannot be started: ${code}`, { cause: error, facts: { errno: code } });
}

function cancelled(file: string): SrsError {
  return new SrsError('SRS_STT_CANCELLED', `the run of ${file} was cancelled before it began`);
}

/**
 * Runs a program in a process group of its own and ends the whole group: at its limit, when the caller aborts, and when the program
 * itself ends but left others behind. Wrapper scripts are the rule here, and killing only the script would leave the work running.
 * Resolves for every end of a program that started. Throws `SRS_STT_UNAVAILABLE` when it cannot start, `SRS_STT_ENGINE` when it cannot
 * start just now, `SRS_STT_CANCELLED` when the signal had aborted before.
 */
export async function runProcess(request: ProcessRequest, signal: AbortSignal): Promise<ProcessResult> {
  const { file, args, cwd, timeoutMs, killGraceMs } = request;
  const hidden = Object.fromEntries((request.hidden ?? []).map((name) => [name, undefined]));
  if (signal.aborted) throw cancelled(file);
  const child = execa(file, args, {
    cwd,
    env: { ...hidden, ...request.env },
    detached: true,
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
    buffer: false,
    reject: false,
    encoding: 'buffer',
  });
  // The promise of execa waits for the pipes, which a grandchild may hold for hours: it only tells of a failed start.
  const group = child.pid;
  if (group === undefined) throw spawnFailure(file, (await child).cause);
  child.catch(() => {});
  groups.add(group);
  const scope = new Scope('subprocess');
  const stdout = new OutputTail(child.stdout, request.maxStdoutBytes ?? 1 << 20);
  const stderr = new OutputTail(child.stderr, request.maxStderrBytes);
  const exited = new Promise<{ code: number | null; name: NodeJS.Signals | null }>((resolve) => {
    child.once('exit', (code, name) => resolve({ code, name }));
  });
  try {
    const stopped = new Promise<'timeout' | 'abort'>((resolve) => {
      scope.timeout(() => resolve('timeout'), timeoutMs);
      const abort = (): void => resolve('abort');
      signal.addEventListener('abort', abort, { once: true });
      scope.own(() => signal.removeEventListener('abort', abort));
    });
    const first = await Promise.race([exited, stopped]);
    const early = typeof first === 'string' ? first : undefined;
    let gone = early === undefined && (await groupEnds(group, AFTER_EXIT_MS));
    if (!gone) gone = await endGroup(group, killGraceMs);
    await Promise.race([Promise.all([stdout.ended, stderr.ended]), wait(DRAIN_MS, undefined, { ref: false })]);
    const end = gone ? await exited : undefined;
    return {
      exitCode: end?.code ?? undefined,
      signal: end?.name ?? undefined,
      timedOut: early === 'timeout',
      cancelled: early === 'abort',
      survivors: !gone,
      stderrTail: stderr.text(),
      stdoutTail: stdout.text(),
    };
  } finally {
    await scope.close();
    stdout.close();
    stderr.close();
    groups.delete(group);
  }
}
