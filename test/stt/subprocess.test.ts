import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type ProcessRequest, type ProcessResult, runProcess } from '../../src/stt/whisper/subprocess.js';
import { eventually } from '../helpers/eventually.js';
import { newFolder, pidsIn, program, runs } from './whisper-options.js';

let folder: Awaited<ReturnType<typeof newFolder>>;
let pidFile: string;

beforeEach(async () => {
  folder = await newFolder();
  pidFile = join(folder.path, 'pids');
});
afterEach(() => folder.remove());

function run(
  file: string,
  args: string[],
  more: Partial<ProcessRequest> = {},
  signal?: AbortSignal,
): Promise<ProcessResult> {
  const limits = { timeoutMs: 15_000, killGraceMs: 300, maxStderrBytes: 2048 };
  const request = { file, args, cwd: folder.path, env: { PID_FILE: pidFile }, ...limits, ...more };
  return runProcess(request, signal ?? new AbortController().signal);
}

async function pids(): Promise<number[]> {
  const found = await eventually('the pids', () => pidsIn(pidFile));
  expect(found).toHaveLength(2);
  return found;
}

describe('runProcess', () => {
  it('tells the exit code and both outputs, and passes arguments and environment untouched', async () => {
    const args = ['-c', 'echo "$1|$2|$EXTRA|$PWD"; echo oops >&2; exit 3', 'x', 'two words', '$HOME `id` "'];
    const result = await run('bash', args, { env: { EXTRA: 'yes' } });
    expect(result).toEqual({
      exitCode: 3,
      signal: undefined,
      timedOut: false,
      cancelled: false,
      survivors: false,
      stdoutTail: `two words|$HOME \`id\` "|yes|${folder.path}\n`,
      stderrTail: 'oops\n',
    });
  });

  it('keeps what is hidden from the program, and gives it the rest of the environment', async () => {
    vi.stubEnv('BROKER_URL', 'amqp://user:password@broker');
    vi.stubEnv('WRAPPER_HOST', 'gpu-1');
    const { stdoutTail } = await run('env', [], { hidden: ['BROKER_URL', 'NOT_SET'] });
    vi.unstubAllEnvs();
    expect(stdoutTail).not.toContain('BROKER_URL');
    expect(stdoutTail).not.toContain('NOT_SET');
    expect(stdoutTail).toContain('WRAPPER_HOST=gpu-1');
  });

  it('tells the signal that ended a program from outside', async () => {
    expect(await run('bash', ['-c', 'kill -9 $$'])).toMatchObject({
      exitCode: undefined,
      signal: 'SIGKILL',
      timedOut: false,
    });
  });

  it.each([
    ['hangs.sh', 'ends a script and its worker by TERM', 0],
    ['hangs-stubborn.sh', 'ends a script and its worker by KILL when they ignore TERM', 300],
  ])('%s: %s at the limit, although the worker holds the pipes', async (name, _, atLeastMs) => {
    const startedAt = performance.now();
    const result = await run(program(name), ['a.wav'], { timeoutMs: 1_500 });
    const tookMs = performance.now() - startedAt;
    expect(result).toMatchObject({ timedOut: true, cancelled: false, survivors: false });
    for (const pid of await pids()) expect(runs(pid)).toBe(false);
    expect(tookMs).toBeGreaterThanOrEqual(1_500 + atLeastMs - 5);
    // The worker would sleep for ten minutes; what a busy machine adds to limit and grace is far from that.
    expect(tookMs).toBeLessThan(8_000);
  });

  it('ends the group when the caller aborts', async () => {
    const abort = new AbortController();
    const running = run(program('hangs.sh'), ['a.wav'], {}, abort.signal);
    const started = await pids();
    expect(started.map(runs)).toEqual([true, true]);
    abort.abort();
    expect(await running).toMatchObject({ timedOut: false, cancelled: true, survivors: false });
    expect(started.map(runs)).toEqual([false, false]);
  });

  it('ends what a finished program left behind, and does not wait for its pipes', async () => {
    const startedAt = performance.now();
    const result = await run(program('leaves-worker.sh'), ['a.wav']);
    expect(result).toMatchObject({ exitCode: 0, timedOut: false, survivors: false });
    expect(performance.now() - startedAt).toBeLessThan(5_000);
    for (const pid of await pids()) expect(runs(pid)).toBe(false);
  });

  it('does not wait for a process that left the group and holds the pipes', async () => {
    const startedAt = performance.now();
    const result = await run('bash', ['-c', 'setsid sleep 30 & echo $! > "$PID_FILE"; sleep 0.05; echo said']);
    expect(result).toMatchObject({ exitCode: 0, stdoutTail: 'said\n' });
    expect(performance.now() - startedAt).toBeLessThan(5_000);
    const [pid = 0] = (await pidsIn(pidFile)) ?? [];
    process.kill(pid, 'SIGKILL');
  });

  it('keeps only the end of a flood of output', async () => {
    const flood = 'head -c 30000000 /dev/zero | tr "\\0" x | fold -w 99 >&2; echo; echo the end >&2; seq 1 400000';
    const result = await run('bash', ['-c', flood], { maxStdoutBytes: 1000 });
    expect(result.stderrTail.length).toBeLessThanOrEqual(2048);
    expect(result.stderrTail).toMatch(/^x{99}\n(x{99}\n)+x*the end\n$/);
    expect(result.stdoutTail.length).toBeLessThanOrEqual(1000);
    expect(result.stdoutTail).toMatch(/^\d{6}\n(\d{6}\n)+400000\n$/);
  });

  it('refuses a program that is not there, and one that is no program', async () => {
    await expect(run('/nonexistent/whisper', [])).rejects.toMatchObject({
      code: 'SRS_STT_UNAVAILABLE',
      facts: { errno: 'ENOENT' },
    });
    await expect(run(folder.path, [])).rejects.toMatchObject({
      code: 'SRS_STT_UNAVAILABLE',
      facts: { errno: 'EACCES' },
    });
  });

  it('starts nothing when the caller has aborted before', async () => {
    await expect(run(program('hangs.sh'), [], {}, AbortSignal.abort())).rejects.toMatchObject({
      code: 'SRS_STT_CANCELLED',
    });
    expect(await pidsIn(pidFile)).toBeUndefined();
  });
});
