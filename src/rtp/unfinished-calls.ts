import type { RecordedCall } from './recorded-call.js';
import { sharedClock, type WorkerMessage, wireError } from './worker-protocol.js';

interface UnfinishedCall {
  readonly recorded: RecordedCall;
  /** Request that is answered when the files are finished. */
  readonly id: number;
  readonly due: number;
}

/** Calls that are over and whose files the disk does not take yet. */
export class UnfinishedCalls {
  readonly #patienceMs: number;
  readonly #post: (reply: WorkerMessage) => void;
  readonly #calls = new Set<UnfinishedCall>();

  /** @param patienceMs how long the disk is waited for */
  constructor(patienceMs: number, post: (reply: WorkerMessage) => void) {
    this.#patienceMs = patienceMs;
    this.#post = post;
  }

  get size(): number {
    return this.#calls.size;
  }

  /** Takes a call that has its end. `closed`: its ports are free before the main thread hears that they are. */
  add(recorded: RecordedCall, id: number, closed: Promise<unknown>): void {
    const call = { recorded, id, due: sharedClock() + this.#patienceMs };
    this.#calls.add(call);
    void closed.then(() => {
      if (this.#calls.has(call)) this.#tryToFinish(call, false);
    });
  }

  /** Asks the disk again; whoever has waited for long enough is finished all the same. @param now of `sharedClock` */
  retry(now: number): void {
    for (const call of this.#calls) this.#tryToFinish(call, now >= call.due);
  }

  #tryToFinish(call: UnfinishedCall, force: boolean): void {
    const { recorded, id } = call;
    let reply: WorkerMessage;
    try {
      const result = recorded.complete(force);
      if (!result) return;
      reply = { kind: 'reply', id, result };
    } catch (error) {
      recorded.close();
      reply = { kind: 'reply', id, error: wireError(error) };
    }
    this.#calls.delete(call);
    this.#post(reply);
  }
}
