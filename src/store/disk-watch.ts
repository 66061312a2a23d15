import { rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from '../core/logger.js';
import type { Metrics } from '../core/metrics.js';
import type { Disk } from './disk.js';

const INTERVAL_MS = 5_000;
/** While it is in trouble, so that calls are taken again soon. */
const TROUBLE_INTERVAL_MS = 1_000;
/** A disk that has not answered for so long holds whoever writes to it, and must not hold whoever waits for an answer. */
const PATIENCE_MS = 2_000;
/** One block of most file systems: a disk without one free block cannot take it. */
const PROBE = Buffer.alloc(4096);

export interface DiskWatchOptions {
  /** Watched, and written to. It exists. */
  readonly directory: string;
  /** Less than this, and no new call is taken. */
  readonly minFreeBytes: number;
  /** What writes records; the watch learns from it whether they could be written. */
  readonly disk: Disk;
  readonly patienceMs?: number;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/**
 * Whether the disk of recordings could take one more call: asked every few seconds, and at once when a write has failed, by looking at the
 * free space and by writing a block as records are written. What is in trouble is told when it begins and when it is over.
 */
export class DiskWatch {
  readonly #options: DiskWatchOptions;
  readonly #probe: string;
  #trouble: string | undefined;
  #checking: Promise<void> | undefined;
  #again = false;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: DiskWatchOptions) {
    this.#options = options;
    this.#probe = join(options.directory, '.write-probe');
  }

  /** What is wrong with the disk, in a few words without paths; undefined when it is well. */
  get trouble(): string | undefined {
    return this.#trouble;
  }

  /** Resolves after the first check. */
  async start(): Promise<void> {
    await this.#check();
    this.#schedule();
  }

  /** A write has failed or takes too long: the disk is taken to be in trouble until a check says otherwise. */
  suspect(): void {
    // A disk in trouble is looked at every second anyway.
    if (this.#closed || this.#trouble !== undefined) return;
    this.#set('a recording could not be written');
    if (this.#checking) this.#again = true;
    else void this.#check();
  }

  /** Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await rm(this.#probe, { force: true }).catch(() => {});
  }

  #schedule(): void {
    if (this.#closed) return;
    const ms = this.#trouble === undefined ? INTERVAL_MS : TROUBLE_INTERVAL_MS;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#schedule();
      void this.#check();
    }, ms);
    this.#timer.unref();
  }

  /** One check at a time: on a disk that does not answer they would pile up. */
  #check(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    this.#checking ??= this.#checkOnce().finally(() => {
      this.#checking = undefined;
      if (!this.#again) return;
      this.#again = false;
      void this.#check();
    });
    return this.#checking;
  }

  async #checkOnce(): Promise<void> {
    const patience = setTimeout(() => this.#set('it does not answer'), this.#options.patienceMs ?? PATIENCE_MS);
    const trouble = await this.#ask();
    clearTimeout(patience);
    this.#set(trouble);
  }

  async #ask(): Promise<string | undefined> {
    const { directory, minFreeBytes, disk, metrics } = this.#options;
    try {
      const { bavail, bsize } = await statfs(directory);
      const free = bavail * bsize;
      metrics.diskFree.set(free);
      if (free < minFreeBytes) return `${inMegabytes(free)} free, fewer than ${inMegabytes(minFreeBytes)}`;
      await disk.write([{ path: this.#probe, content: PROBE }]);
      return undefined;
    } catch (error) {
      return `it cannot be written: ${error instanceof Error && 'code' in error ? String(error.code) : 'unknown'}`;
    }
  }

  #set(trouble: string | undefined): void {
    if (this.#closed) return;
    const { logger } = this.#options;
    const before = this.#trouble;
    this.#trouble = trouble;
    if (trouble !== undefined && before === undefined) {
      logger.error({ trouble }, 'the disk of recordings is in trouble, new calls are refused');
      if (this.#timer !== undefined) this.#schedule();
    } else if (trouble === undefined && before !== undefined) {
      logger.info('the disk of recordings is well again, new calls are taken');
    }
  }
}

function inMegabytes(bytes: number): string {
  return `${Math.floor(bytes / 1e6)} MB`;
}
