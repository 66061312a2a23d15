import { closeSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { compiledEntry } from '../core/entry.js';
import { SrsError } from '../core/errors.js';
import type { MediaCallResult, PauseInstant } from './media-plane.js';
import { PauseGate } from './pause-gate.js';
import { SocketBook } from './socket-book.js';
import type {
  OpenedLegs,
  RequestEnvelope,
  WireError,
  WorkerMessage,
  WorkerRequest,
  WorkerSettings,
} from './worker-protocol.js';

/** Packets are garbage as soon as they are read: a larger nursery makes nothing faster, and takes 70 kB more per call. */
const YOUNG_GENERATION_MB = 4;

/** An error that a worker answered with; `systemCode` tells a port in use from the rest. */
export class WorkerRefusal extends SrsError {
  readonly systemCode: string | undefined;

  constructor(error: WireError) {
    super(error.code, error.message);
    this.systemCode = error.systemCode;
  }
}

export interface WorkerHandleEvents {
  /** Everything but replies. */
  message(message: Exclude<WorkerMessage, { kind: 'reply' | 'ready' }>): void;
  /** The thread ended; `error` when it was not asked to. Called once. */
  ended(error: Error | undefined): void;
}

type WorkerResult = MediaCallResult | PauseInstant | OpenedLegs | undefined;

/** libuv polls at most 1024 events a turn, and goes round without timers when it gets that many: 450 calls are 900 RTP sockets. */
export const MAX_CALLS_PER_WORKER = 450;

interface Waiter {
  resolve(result: WorkerResult): void;
  reject(error: SrsError): void;
}

/** The main thread's side of one media worker. */
export class WorkerHandle {
  /** Calls that this worker holds; kept by the owner. */
  calls = 0;
  /** What waits in it for the disk; kept by the owner. */
  backlogBytes = 0;
  readonly #control = new SharedArrayBuffer(4);
  readonly #wake = new Int32Array(this.#control);
  readonly #gates = PauseGate.memory(MAX_CALLS_PER_WORKER);
  readonly #sockets = SocketBook.memory(MAX_CALLS_PER_WORKER);
  /** Slots of gates that calls have given back. */
  readonly #freeSlots: number[] = [];
  #slots = 0;
  readonly #worker: Worker;
  readonly #events: WorkerHandleEvents;
  readonly #waiters = new Map<number, Waiter>();
  readonly #ready: Promise<void>;
  #nextId = 1;
  #error: Error | undefined;
  #ended = false;
  #batches = false;
  #stopping: Promise<void> | undefined;
  readonly #gone: Promise<void>;
  readonly #buried: Promise<void>;
  #leave: () => void = () => {};

  /** @param program of the thread; tests pass one that hangs */
  constructor(
    settings: Omit<WorkerSettings, 'control' | 'gates' | 'sockets'>,
    events: WorkerHandleEvents,
    program?: URL,
  ) {
    this.#events = events;
    const workerData: WorkerSettings = {
      ...settings,
      control: this.#control,
      gates: this.#gates,
      sockets: this.#sockets,
    };
    this.#worker = new Worker(program ?? compiledEntry(import.meta.url, './media-worker.js'), {
      workerData,
      name: 'media',
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
    });
    this.#ready = new Promise((resolve, reject) => {
      this.#waiters.set(0, { resolve: () => resolve(), reject });
    });
    this.#ready.catch(() => {});
    this.#worker.on('message', (message: WorkerMessage) => this.#onMessage(message));
    this.#worker.on('error', (error) => {
      this.#error = error;
    });
    this.#gone = new Promise((resolve) => {
      this.#leave = resolve;
    });
    this.#buried = new Promise((resolve) => {
      this.#worker.once('exit', (code) => {
        // Only now: a thread that was given up may still have been using them.
        for (const socket of new SocketBook(this.#sockets).takeAll()) closeQuietly(socket);
        resolve();
        this.#onExit(code);
      });
    });
  }

  /** Resolves when the thread serves; rejects with `SRS_MEDIA_WORKER` when it ended before. */
  get ready(): Promise<void> {
    return this.#ready;
  }

  /** Whether it receives packets in batches. Known when it is ready. */
  get batches(): boolean {
    return this.#batches;
  }

  /** Resolves when the thread is really gone, and its sockets with it; an abandoned one may take long. */
  get buried(): Promise<void> {
    return this.#buried;
  }

  get alive(): boolean {
    return !this.#ended && this.#stopping === undefined;
  }

  /** A gate for one more call, and its slot. */
  takeGate(): { readonly gate: PauseGate; readonly slot: number } {
    const slot = this.#freeSlots.pop() ?? this.#slots++;
    const gate = new PauseGate(this.#gates, slot);
    gate.reset();
    return { gate, slot };
  }

  giveBack(slot: number): void {
    this.#freeSlots.push(slot);
  }

  /** Sends a request and waits for its answer. Rejects with `WorkerRefusal`, or with `SRS_MEDIA_WORKER` when the thread ends. */
  request(request: WorkerRequest): Promise<WorkerResult> {
    if (this.#ended) return Promise.reject(died(this.#error));
    return new Promise((resolve, reject) => {
      const id = this.#nextId++;
      this.#waiters.set(id, { resolve, reject });
      this.#worker.postMessage({ ...request, id } satisfies RequestEnvelope);
      Atomics.add(this.#wake, 0, 1);
      Atomics.notify(this.#wake, 0);
    });
  }

  /** Lets the thread finish its files and end. Idempotent. */
  stop(): Promise<void> {
    this.#stopping ??= this.request({ kind: 'stop' }).then(
      () => this.#gone,
      () => this.#gone,
    );
    return this.#stopping;
  }

  /**
   * A thread that does not answer is treated as dead at once, whatever holds it: those who wait for it hear so, and nothing it may
   * still say is heard. It is ended too, as soon as the system lets it.
   */
  abandon(reason: string): void {
    this.#error ??= new Error(reason);
    void this.#worker.terminate().catch(() => {});
    this.#onExit(1);
  }

  /** Ends the thread at once, as a crash would: files stay as they were last written. For tests of that. */
  async kill(): Promise<void> {
    await this.#worker.terminate();
    await this.#gone;
  }

  #onMessage(message: WorkerMessage): void {
    if (this.#ended) return;
    if (message.kind === 'ready') {
      this.#batches = message.batches === true;
      this.#settle(0, undefined, undefined);
    } else if (message.kind === 'reply') this.#settle(message.id, message.result, message.error);
    else this.#events.message(message);
  }

  #settle(id: number, result: WorkerResult, error: WireError | undefined): void {
    const waiter = this.#waiters.get(id);
    this.#waiters.delete(id);
    if (error) waiter?.reject(new WorkerRefusal(error));
    else waiter?.resolve(result);
  }

  #onExit(code: number): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#leave();
    const expected = this.#stopping !== undefined && this.#error === undefined;
    const error = expected ? undefined : (this.#error ?? new Error(`the thread ended with code ${code}`));
    const waiters = [...this.#waiters.values()];
    this.#waiters.clear();
    for (const waiter of waiters) waiter.reject(died(error));
    this.#events.ended(error);
  }
}

function closeQuietly(socket: number): void {
  try {
    closeSync(socket);
  } catch {
    // It is closed already.
  }
}

function died(cause: unknown): SrsError {
  return new SrsError('SRS_MEDIA_WORKER', 'The media worker of this call ended.', { cause });
}
