import { Worker } from 'node:worker_threads';
import { compiledEntry } from '../core/entry.js';
import { SrsError } from '../core/errors.js';
import type { Disk, DiskFile } from './disk.js';

/** What the thread is asked, and what it says. */
export interface DiskRequest {
  readonly id: number;
  readonly files: readonly DiskFile[];
}
export interface DiskReply {
  readonly id: number;
  /** The system's error, when a file could not be written. */
  readonly error?: { readonly message: string; readonly code?: string };
}

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/**
 * The disk through one thread of its own that does all of a request in one go. A record of a call is three files and their renames:
 * through the thread pool of Node that is fifteen hand-overs between threads, which cost ten times what the kernel does for them. A slow disk holds this thread and never the one that answers SIP.
 */
export class DiskThread implements Disk {
  readonly #waiters = new Map<number, Waiter>();
  #worker: Worker | undefined;
  #nextId = 1;
  #closed = false;

  write(files: readonly DiskFile[]): Promise<void> {
    if (this.#closed) return Promise.reject(ended());
    this.#worker ??= this.#start();
    const worker = this.#worker;
    return new Promise((resolve, reject) => {
      const id = this.#nextId++;
      this.#waiters.set(id, { resolve, reject });
      worker.postMessage({ id, files } satisfies DiskRequest);
    });
  }

  /** Waits for what was asked, and ends the thread. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    const worker = this.#worker;
    if (!worker) return;
    const gone = new Promise<void>((resolve) => {
      worker.once('exit', () => resolve());
    });
    worker.postMessage(undefined);
    await gone;
  }

  #start(): Worker {
    const worker = new Worker(compiledEntry(import.meta.url, './disk-worker.js'), { name: 'disk' });
    worker.on('message', ({ id, error }: DiskReply) => {
      const waiter = this.#waiters.get(id);
      this.#waiters.delete(id);
      if (error) waiter?.reject(Object.assign(new Error(error.message), { code: error.code }));
      else waiter?.resolve();
    });
    let cause: Error | undefined;
    worker.on('error', (error) => {
      cause = error;
    });
    // A thread that died is replaced by the next request; what it had not done is told as failed.
    worker.once('exit', () => {
      if (this.#worker === worker) this.#worker = undefined;
      for (const { reject } of this.#waiters.values()) reject(ended(cause));
      this.#waiters.clear();
    });
    return worker;
  }
}

function ended(cause?: Error): SrsError {
  return new SrsError('SRS_RECORDING_WRITE', 'the thread that writes records has ended', { cause });
}
