import { join } from 'node:path';
import { wavExtent } from '../audio/wav-extent.js';
import { SrsError } from '../core/errors.js';
import { Turns } from '../core/turns.js';
import { noDrops } from './media-counters.js';
import type {
  FinishedLeg,
  LegChange,
  LegHandle,
  LegOptions,
  MediaCall,
  MediaCallEvents,
  MediaCallOptions,
  MediaCallResult,
  MissingMedia,
  PauseInstant,
} from './media-plane.js';
import type { PauseGate } from './pause-gate.js';
import type { PortPool } from './port-pool.js';
import { TakeoverBook } from './takeover.js';
import { type WorkerHandle, WorkerRefusal } from './worker-handle.js';
import { sharedClock } from './worker-protocol.js';

/** A port that somebody else holds is passed over; after so many in a row the host is taken to be full. */
const MAX_BIND_TRIES = 64;

/** How long a worker may take, in ms. */
export interface WorkerPatience {
  /** To confirm a pause or resume. */
  readonly pauseMs: number;
  /** To finish a call, its tail included; one that takes longer hangs. */
  readonly finishMs: number;
}

const WORKER_PATIENCE: WorkerPatience = { pauseMs: 2_000, finishMs: 30_000 };

/** The main thread's side of one call's media. Its operations run one after another. */
export class ThreadCall implements MediaCall {
  readonly #number: number;
  readonly #options: MediaCallOptions;
  #worker: WorkerHandle;
  readonly #ports: PortPool;
  readonly #onPorts: () => void;
  readonly #openedAt = Date.now();
  readonly #legs = new Map<number, { readonly port: number; open: boolean }>();
  /** Legs that were made ready with the call and that nobody has asked for yet. */
  readonly #ready = new Set<number>();
  readonly events: MediaCallEvents;
  gate: PauseGate;
  /** Of the gate. */
  slot: number;
  /** What another worker must know when this one dies. */
  readonly book = new TakeoverBook();
  readonly #patience: WorkerPatience;
  readonly #turns = new Turns();
  #moving = false;
  #finishing: Promise<MediaCallResult> | undefined;

  constructor(options: {
    readonly number: number;
    readonly call: MediaCallOptions;
    readonly events: MediaCallEvents;
    readonly worker: WorkerHandle;
    readonly ports: PortPool;
    readonly patience?: Partial<WorkerPatience>;
    /** Called after ports were taken or given back. */
    readonly onPorts: () => void;
  }) {
    this.#number = options.number;
    this.#options = options.call;
    this.#worker = options.worker;
    this.#ports = options.ports;
    this.#patience = { ...WORKER_PATIENCE, ...options.patience };
    this.#onPorts = options.onPorts;
    this.events = options.events;
    const { gate, slot } = options.worker.takeGate();
    this.gate = gate;
    this.slot = slot;
  }

  get #channels(): number {
    return this.#options.legs?.length ?? 0;
  }

  get worker(): WorkerHandle {
    return this.#worker;
  }

  /** Opens the call in its worker, and its first legs with it: one hand-over between threads for all. */
  async open(): Promise<void> {
    const { directory, utterances } = this.#options;
    const legs: (LegOptions & { readonly port: number })[] = [];
    for (const leg of this.#options.legs ?? []) {
      const port = this.#ports.take();
      if (port !== undefined) legs.push({ ...leg, port });
    }
    this.#onPorts();
    let opened: readonly number[] = [];
    try {
      const request = {
        kind: 'open-call',
        call: this.#number,
        directory,
        utterances,
        legs,
        channels: this.#channels,
        gate: this.slot,
      } as const;
      const reply = await this.#worker.request(request);
      if (reply && 'opened' in reply) opened = reply.opened;
    } finally {
      for (const { port, ...options } of legs) {
        const { leg } = options;
        if (opened.includes(leg)) {
          this.#legs.set(leg, { port, open: true });
          this.book.opened(options, port);
          this.#ready.add(leg);
        } else this.#ports.release(port);
      }
      this.#onPorts();
    }
  }

  openLeg(options: LegOptions): Promise<LegHandle> {
    return this.#turns.take(async () => {
      this.#mustBeOpen();
      const ready = this.#ready.delete(options.leg) ? this.#legs.get(options.leg) : undefined;
      if (ready) return { leg: options.leg, port: ready.port };
      for (let tried = 0; tried < MAX_BIND_TRIES; tried++) {
        const port = this.#ports.take();
        if (port === undefined) break;
        this.#onPorts();
        try {
          await this.#worker.request({ kind: 'open-leg', call: this.#number, port, ...options });
          this.#legs.set(options.leg, { port, open: true });
          this.book.opened(options, port);
          return { leg: options.leg, port };
        } catch (error) {
          this.#ports.release(port);
          this.#onPorts();
          if (!(error instanceof WorkerRefusal) || error.systemCode !== 'EADDRINUSE') throw error;
        }
      }
      throw new SrsError('SRS_PORTS_EXHAUSTED', 'No RTP port pair is free in the configured range.');
    });
  }

  updateLeg(leg: number, change: LegChange): Promise<void> {
    return this.#turns.take(async () => {
      this.#mustBeOpen();
      await this.#worker.request({ kind: 'update-leg', call: this.#number, leg, ...change });
      this.book.updated(leg, change);
    });
  }

  closeLeg(leg: number): Promise<void> {
    return this.#close(leg, false);
  }

  async discardLeg(leg: number): Promise<void> {
    await this.#close(leg, true);
    this.#legs.delete(leg);
    this.book.discarded(leg);
  }

  #close(leg: number, discard: boolean): Promise<void> {
    return this.#turns.take(async () => {
      this.#mustBeOpen();
      const held = this.#legs.get(leg);
      if (!held?.open) return;
      await this.#worker.request({ kind: 'close-leg', call: this.#number, leg, discard });
      this.#release(held);
      this.book.closed(leg);
    });
  }

  /** Whether its end was asked for. */
  get ending(): boolean {
    return this.#finishing !== undefined;
  }

  /** Goes on in another worker, on the same ports and with the same files. Operations that come meanwhile wait. */
  moveTo(worker: WorkerHandle): Promise<MissingMedia> {
    return this.#turns.take(async () => {
      const { gate, slot } = worker.takeGate();
      // Whatever is paused stays so from the first packet on, also when the pause is asked for just now.
      gate.close(this.book.pausedLegs);
      this.#worker = worker;
      this.gate = gate;
      this.slot = slot;
      const { directory, utterances } = this.#options;
      const request = {
        kind: 'open-call',
        call: this.#number,
        directory,
        utterances,
        legs: [],
        channels: this.#channels,
        gate: slot,
      } as const;
      this.#moving = true;
      const reply = await worker.request({ ...request, takeover: this.book.takeover }).finally(() => {
        this.#moving = false;
      });
      return reply && 'opened' in reply && reply.missing ? reply.missing : { fromMs: 0, toMs: 0 };
    });
  }

  /** Does not wait for its turn: a pause must not stand behind anything. */
  async setPaused(paused: boolean, legs?: readonly number[]): Promise<PauseInstant> {
    this.#mustBeOpen();
    if (paused) this.book.pausedNow(true, legs);
    // A worker that is just taking the call over has been told of the pauses before this one.
    if (paused && this.#moving) this.gate.close(legs);
    const ticket = paused ? undefined : this.gate.ticket();
    const asked = this.#worker.request({
      kind: 'pause',
      call: this.#number,
      paused,
      ...(legs ? { legs } : {}),
      ...(ticket === undefined ? {} : { ticket }),
    });
    let reply = await within(this.#patience.pauseMs, asked);
    // A resume that is not called off in time is under way.
    if (!reply && ticket !== undefined && !this.gate.take(ticket)) reply = await asked;
    if (reply && 'atMs' in reply) {
      if (!paused) this.book.pausedNow(false, legs);
      return reply;
    }
    // Its thread may hang with packets unread: the shared memory reaches it before the command does.
    if (paused) this.gate.close(legs);
    throw new SrsError('SRS_MEDIA_WORKER', 'The media worker has not confirmed in time.');
  }

  finish(): Promise<MediaCallResult> {
    if (!this.#finishing) {
      const at = sharedClock();
      this.#finishing = this.#turns.take(() => this.#finish(at));
    }
    return this.#finishing;
  }

  async #finish(at: number): Promise<MediaCallResult> {
    try {
      const { finishMs } = this.#patience;
      const result = await within(finishMs, this.#worker.request({ kind: 'finish', call: this.#number, at }));
      if (result && 'legs' in result) return result;
      // A worker that hangs holds every call it has: as a dead one it is replaced, and they end with what is on disk.
      this.#worker.abandon(`a call was not finished within ${finishMs} ms`);
      return await this.#salvage();
    } catch {
      // The worker died or lost the call: the session still ends, with what is on disk.
      return await this.#salvage();
    } finally {
      for (const leg of this.#legs.values()) this.#release(leg);
    }
  }

  /** What can still be told when the worker is gone: the files' own sizes; their headers were true at the last flush. */
  async #salvage(): Promise<MediaCallResult> {
    const { directory } = this.#options;
    let { bytes } = await wavExtent(join(directory, 'call.wav'));
    let longestMs = 0;
    const legs: FinishedLeg[] = [];
    for (const leg of [...this.#legs.keys()].sort((a, b) => a - b)) {
      const file = `leg-${leg}.wav`;
      const extent = await wavExtent(join(directory, file));
      bytes += extent.bytes;
      longestMs = Math.max(longestMs, extent.durationMs);
      legs.push({ leg, packets: 0, bytes: 0, lost: 0, dropped: noDrops(), sources: 0, file });
    }
    return { startedAt: this.#openedAt, durationMs: longestMs, legs, bytes };
  }

  #mustBeOpen(): void {
    if (this.#finishing) throw new SrsError('SRS_MEDIA_WORKER', 'The media of this call is finished.');
  }

  #release(leg: { readonly port: number; open: boolean }): void {
    if (!leg.open) return;
    leg.open = false;
    this.#ports.release(leg.port);
    this.#onPorts();
  }
}

/** What the request comes to, or undefined after `ms`. Its failure later is nobody's. */
async function within<T>(ms: number, request: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), ms);
  });
  try {
    return await Promise.race([request, late]);
  } finally {
    clearTimeout(timer);
  }
}
