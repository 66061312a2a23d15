import { readFileSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Metrics } from '../../src/core/metrics.js';
import type { WhisperOptions } from '../../src/stt/whisper/engine.js';

/** The absolute path of a program under `test/fixtures/whisper-cli/`. */
export function program(name: string): string {
  return resolve('test/fixtures/whisper-cli', name);
}

/** Options of the command line as the defaults of the configuration make them. */
export function cliOptions(binaryPath: string, more: Partial<WhisperOptions> = {}): WhisperOptions {
  return {
    engine: 'cli',
    model: 'base',
    task: 'transcribe',
    timeoutMs: 15_000,
    maxConcurrent: -1,
    extraArgs: [],
    sampleRate: 16_000,
    channels: 1,
    outputFormat: 'json',
    binaryPath,
    ...more,
  };
}

export function newMetrics(): Metrics {
  return new Metrics({ vendors: ['whisper', 'other'], models: ['base'] });
}

/** The value of one series of `/metrics`. */
export async function series(metrics: Metrics, line: string): Promise<number> {
  const found = (await metrics.render()).split('\n').find((text) => text.startsWith(`${line} `));
  if (found === undefined) throw new Error(`no series ${line}`);
  return Number(found.slice(line.length + 1));
}

/** A new folder, and its removal. */
export async function newFolder(): Promise<{ path: string; remove: () => Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'sipscribe-test-'));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}

/** Every file and folder below. */
export async function everything(folder: string): Promise<string[]> {
  return (await readdir(folder, { recursive: true })).sort();
}

/** Whether the process still runs; a zombie does not. */
export function runs(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return !/^\d+ \(.*\) [ZX]/s.test(stat);
  } catch {
    return false;
  }
}

/** The pids that a script wrote down; undefined until it has. */
export async function pidsIn(file: string): Promise<number[] | undefined> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return text.endsWith('\n') ? text.trim().split(' ').map(Number) : undefined;
}
