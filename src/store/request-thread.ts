import { Worker } from 'node:worker_threads';

/** What a thread is asked; `undefined` in its place ends it. */
export interface ThreadRequest<Question> {
  readonly id: number;
  readonly question: Question;
}

/** What it says. */
export interface ThreadReply<Answer> {
  readonly id: number;
  readonly answer?: Answer;
  /** The system's error, when it failed. */
  readonly error?: { readonly message: string; readonly code?: string };
}

interface Waiter<Answer> {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: Error) => void;
}

/**
 * A thread that answers one question after another. It starts with the first one; one that died is replaced by the next, and what it
 * had not done is told as failed.
 */
export class RequestThread<Question, Answer> {
  readonly #entry: URL;
  readonly #name: string;
  readonly #ended: (cause?: Error) => Error;
  readonly #waiters = new Map<number, Waiter<Answer>>();
  #worker: Worker | undefined;
  #nextId = 1;
  #closed = false;

  /** @param ended makes the error of a question that the thread will not answer any more */
  constructor(entry: URL, name: string, ended: (cause?: Error) => Error) {
    this.#entry = entry;
    this.#name = name;
    this.#ended = ended;
  }

  ask(question: Question): Promise<Answer> {
    if (this.#closed) return Promise.reject(this.#ended());
    this.#worker ??= this.#start();
    const worker = this.#worker;
    return new Promise((resolve, reject) => {
      const id = this.#nextId++;
      this.#waiters.set(id, { resolve, reject });
      worker.postMessage({ id, question } satisfies ThreadRequest<Question>);
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
    const worker = new Worker(this.#entry, { name: this.#name });
    worker.on('message', ({ id, answer, error }: ThreadReply<Answer>) => {
      const waiter = this.#waiters.get(id);
      this.#waiters.delete(id);
      if (error) waiter?.reject(Object.assign(new Error(error.message), { code: error.code }));
      else waiter?.resolve(answer as Answer);
    });
    let cause: Error | undefined;
    worker.on('error', (error) => {
      cause = error;
    });
    worker.once('exit', () => {
      if (this.#worker === worker) this.#worker = undefined;
      for (const { reject } of this.#waiters.values()) reject(this.#ended(cause));
      this.#waiters.clear();
    });
    return worker;
  }
}
