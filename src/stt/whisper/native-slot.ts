import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { compiledEntry } from '../../core/entry.js';
import { SrsError } from '../../core/errors.js';
import type { Logger } from '../../core/logger.js';
import {
  type ChildMessage,
  isChildMessage,
  type NativeJob,
  type NativeResult,
  type ParentMessage,
} from './native-protocol.js';
import { OutputTail } from './output-tail.js';

export interface NativeSlotOptions {
  readonly modelPath: string;
  readonly threads: number;
  /** From the fork to a loaded model. */
  readonly startLimitMs: number;
  /** A child that stood idle for so long is asked whether it still lives; 30 s unless told. */
  readonly pingAfterMs?: number;
  readonly logger: Logger;
  /** Called when a child died by itself or was killed in its work; not for a planned end. */
  readonly onDeath: () => void;
}

interface Waiter {
  readonly resolve: (result: NativeResult) => void;
  readonly reject: (error: SrsError) => void;
}

/** Why a child is being ended, which is what its job is told. */
type Ending = { readonly error: SrsError; readonly planned: boolean };

interface Child {
  readonly process: ChildProcess;
  /** The last of what whisper.cpp wrote to stderr. It holds sizes and versions, never words spoken. */
  readonly output: OutputTail | undefined;
  readonly ready: Promise<void>;
  readonly gone: Promise<void>;
  settleReady: (error?: SrsError) => void;
  jobs: Map<number, Waiter>;
  pong: (() => void) | undefined;
  ending: Ending | undefined;
  loaded: boolean;
  /** Resident bytes after its first job; growth is measured from here. */
  firstRssBytes: number | undefined;
  finished: number;
  usedAtMs: number;
}

const MIB = 2 ** 20;
/** A child that has grown by this much since its first job leaks. */
const GROWTH_LIMIT_BYTES = 512 * MIB;
/** Nothing is known to leak so fast; a fresh process now and then costs one model load. */
const JOBS_PER_CHILD = 2_000;
const BACKOFF_FIRST_MS = 250;
const BACKOFF_MAX_MS = 10_000;
/** A child that stood idle for so long is asked whether it still lives before it gets work. */
const IDLE_BEFORE_PING_MS = 30_000;
const PING_LIMIT_MS = 5_000;
const TAIL_BYTES = 600;
/** What a child may know of this process's environment: nothing that could hold a secret. */
const ENV_ALLOWED =
  /^(PATH|HOME|TMPDIR|LANG|LC_\w+|TZ|(DY)?LD_LIBRARY_PATH|(CUDA|NVIDIA|GGML|HIP|ROCR|OMP)_\w+|SystemRoot)$/;

function childEnvironment(): Record<string, string> {
  const allowed: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (value !== undefined && ENV_ALLOWED.test(name)) allowed[name] = value;
  }
  return allowed;
}

/**
 * One place for one transcription: forks the process that holds the model, watches it, kills it and forks the next one. The addon
 * cannot cancel a job and can end its process, so a kill is the only way to stop and a fork the only way to start.
 */
export class NativeSlot {
  readonly #options: NativeSlotOptions;
  #child: Child | undefined;
  #lastId = 0;
  /** Deaths since the last result; they space the forks. */
  #deaths = 0;
  #closed = false;
  readonly #closing = new AbortController();

  constructor(options: NativeSlotOptions) {
    this.#options = options;
  }

  get pid(): number | undefined {
    return this.#child?.process.pid;
  }

  /**
   * Runs one job in the child, forking it first when there is none. Rejects with `SRS_STT_TIMEOUT` after `limitMs` in the engine,
   * `SRS_STT_CANCELLED` on abort, `SRS_STT_ENGINE` when the child died; in all three cases the process is gone by then.
   */
  async run(job: NativeJob, limitMs: number, signal: AbortSignal): Promise<NativeResult> {
    const child = await this.#ready(signal);
    const id = ++this.#lastId;
    const work = new Promise<NativeResult>((resolve, reject) => child.jobs.set(id, { resolve, reject }));
    const timer = setTimeout(() => {
      this.#kill(
        child,
        new SrsError('SRS_STT_TIMEOUT', `the transcription ran longer than ${limitMs} ms and was killed`),
      );
    }, limitMs);
    const onAbort = (): void => this.#kill(child, cancelled());
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      this.#send(child, { kind: 'job', id, job });
      const result = await work;
      this.#deaths = 0;
      return result;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      child.jobs.delete(id);
    }
  }

  /** Ends an idle child to give its memory back; the next job forks again. */
  async rest(): Promise<void> {
    const child = this.#child;
    if (child) await this.#end(child);
  }

  /** Idempotent. No process is left after it; a running job rejects with `SRS_STT_CANCELLED`. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#closing.abort();
    await this.rest();
  }

  async #ready(signal: AbortSignal): Promise<Child> {
    for (;;) {
      if (signal.aborted || this.#closed) throw cancelled();
      if (this.#child === undefined) await this.#backOff(signal);
      if (signal.aborted || this.#closed) throw cancelled();
      const child = this.#child ?? this.#fork();
      await unlessAborted(child.ready, signal);
      if (await this.#answers(child)) return child;
    }
  }

  /** A stopped or wedged process would otherwise eat the whole time limit of the next job. */
  async #answers(child: Child): Promise<boolean> {
    if (performance.now() - child.usedAtMs < (this.#options.pingAfterMs ?? IDLE_BEFORE_PING_MS))
      return child === this.#child;
    const answered = await new Promise<boolean>((resolve) => {
      const timer = setTimeout(() => resolve(false), PING_LIMIT_MS);
      child.pong = () => {
        clearTimeout(timer);
        resolve(true);
      };
      this.#send(child, { kind: 'ping' });
    });
    child.usedAtMs = performance.now();
    // A child that died while it was asked has answered too, by its end: only a living one may get the job.
    if (answered) return child === this.#child;
    this.#kill(child, new SrsError('SRS_STT_ENGINE', 'the engine did not answer and was killed'));
    await child.gone;
    return false;
  }

  async #backOff(signal: AbortSignal): Promise<void> {
    if (this.#deaths === 0) return;
    const ms = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** (this.#deaths - 1));
    const wake = AbortSignal.any([signal, this.#closing.signal]);
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        wake.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      wake.addEventListener('abort', done, { once: true });
      if (wake.aborted) done();
    });
  }

  #fork(): Child {
    const entry = fileURLToPath(compiledEntry(import.meta.url, './native-child.js'));
    const forked = forkChild(entry);
    let settleReady: (error?: SrsError) => void = () => {};
    const ready = new Promise<void>((resolve, reject) => {
      settleReady = (error) => (error ? reject(error) : resolve());
    });
    // A child may die with nobody waiting for its start.
    ready.catch(() => {});
    let settleGone = (): void => {};
    const gone = new Promise<void>((resolve) => {
      settleGone = resolve;
    });
    const child: Child = {
      process: forked,
      output: forked.stderr ? new OutputTail(forked.stderr, TAIL_BYTES) : undefined,
      ready,
      gone,
      settleReady,
      jobs: new Map(),
      pong: undefined,
      ending: undefined,
      loaded: false,
      firstRssBytes: undefined,
      finished: 0,
      usedAtMs: performance.now(),
    };
    this.#child = child;
    const { startLimitMs } = this.#options;
    const startTimer = setTimeout(() => {
      this.#kill(child, new SrsError('SRS_STT_ENGINE', `the engine did not load its model within ${startLimitMs} ms`));
    }, startLimitMs);
    void ready.then(
      () => clearTimeout(startTimer),
      () => clearTimeout(startTimer),
    );
    forked.on('message', (message: unknown) => {
      if (isChildMessage(message)) this.#hear(child, message);
    });
    // `close` comes after the pipes are read to their end, so the tail is whole; `error` alone means that nothing was forked.
    forked.on('close', (code, signal) => this.#bury(child, code, signal, settleGone));
    forked.on('error', (error) => {
      if (forked.pid === undefined) this.#bury(child, null, null, settleGone, error.message);
    });
    this.#send(child, { kind: 'load', modelPath: this.#options.modelPath, threads: this.#options.threads });
    return child;
  }

  #send(child: Child, message: ParentMessage): void {
    // A failed write means that the child is dying; its end settles everything that waits.
    if (child.process.connected) child.process.send(message, () => {});
  }

  #hear(child: Child, message: ChildMessage): void {
    child.usedAtMs = performance.now();
    switch (message.kind) {
      case 'ready':
        child.loaded = true;
        child.settleReady();
        break;
      case 'load-failed':
        this.#kill(child, new SrsError('SRS_STT_ENGINE', `the engine could not load its model: ${message.message}`));
        break;
      case 'pong':
        child.pong?.();
        break;
      case 'result':
        child.jobs.get(message.id)?.resolve(message.result);
        this.#recycle(child, message.rssBytes);
        break;
      case 'job-failed':
        child.jobs.get(message.id)?.reject(new SrsError(message.code, message.message));
        break;
      default:
        message satisfies never;
    }
  }

  #recycle(child: Child, rssBytes: number): void {
    child.finished += 1;
    child.firstRssBytes ??= rssBytes;
    const grownBytes = rssBytes - child.firstRssBytes;
    if (child.finished < JOBS_PER_CHILD && grownBytes < GROWTH_LIMIT_BYTES) return;
    this.#options.logger.debug({ pid: child.process.pid, jobs: child.finished, rssBytes }, 'whisper child recycled');
    void this.#end(child);
  }

  /** A planned end: not a death, no back-off. */
  async #end(child: Child): Promise<void> {
    child.ending ??= { error: cancelled(), planned: true };
    if (this.#child === child) this.#child = undefined;
    child.process.kill('SIGKILL');
    await child.gone;
  }

  #kill(child: Child, error: SrsError): void {
    child.ending ??= { error, planned: false };
    child.process.kill('SIGKILL');
  }

  #bury(
    child: Child,
    code: number | null,
    signal: NodeJS.Signals | null,
    settleGone: () => void,
    forkError?: string,
  ): void {
    if (this.#child === child) this.#child = undefined;
    const { ending } = child;
    const how = forkError ?? (signal === null ? `exit code ${code}` : `signal ${signal}`);
    const error = ending?.error ?? new SrsError('SRS_STT_ENGINE', `the engine died (${how})`, { facts: { how } });
    if (!ending?.planned) {
      this.#options.onDeath();
      // A kill on purpose says nothing about the engine's health; a start that failed does.
      if (!ending || !child.loaded) this.#deaths += 1;
      const tail = child.output?.text() ?? '';
      this.#options.logger.warn({ pid: child.process.pid, how, code: error.code, tail }, 'whisper child died');
    }
    child.settleReady(error);
    for (const waiter of child.jobs.values()) waiter.reject(error);
    child.pong?.();
    settleGone();
    // The next job should not wait for a model to load because this one ran too long.
    if (ending && !ending.planned && child.loaded && !this.#closed) this.#fork();
  }
}

function forkChild(entry: string): ChildProcess {
  try {
    return fork(entry, [], { execArgv: [], env: childEnvironment(), stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
  } catch (error) {
    // No file descriptors or processes left: that may pass.
    throw new SrsError('SRS_STT_ENGINE', 'no process could be forked for the engine', { cause: error });
  }
}

/** Waits for a start that others may need too: an abort ends the wait and lets the start go on. */
async function unlessAborted(ready: Promise<void>, signal: AbortSignal): Promise<void> {
  let onAbort = (): void => {};
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(cancelled());
    signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    await Promise.race([ready, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

function cancelled(): SrsError {
  return new SrsError('SRS_STT_CANCELLED', 'the transcription was cancelled');
}
