import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FfmpegProgram } from '../audio/ffmpeg-program.js';
import type { UtteranceCutterOptions } from '../audio/utterance-cutter.js';
import { codecNames, type FfmpegDecoders, NO_FFMPEG } from '../core/audio-codec.js';
import type { Clock } from '../core/clock.js';
import type { DtmfPolicy } from '../core/dtmf.js';
import { SrsError } from '../core/errors.js';
import type { Logger } from '../core/logger.js';
import { type Metrics, RTCP_DROP_REASONS, RTCP_TYPES, RTP_DROP_REASONS } from '../core/metrics.js';
import type { CutReason } from '../core/model.js';
import { WATCH_BOUNDS, type WatchBounds } from './call-watch.js';
import type { MediaCountersDelta } from './media-counters.js';
import type { MediaCall, MediaCallEvents, MediaCallOptions, MediaCallResult, MediaPlane } from './media-plane.js';
import { PortPool } from './port-pool.js';
import { ThreadCall, type WorkerPatience } from './thread-call.js';
import { MAX_CALLS_PER_WORKER, WorkerHandle, WorkerRefusal } from './worker-handle.js';
import type { ReceiverChoice, WorkerMessage } from './worker-protocol.js';

/** A worker that dies sooner after its start than this is not replaced at once. */
const RESTART_MS = 1000;
/** Workers that a call is offered to, one after another, when they die just then. */
const MAX_OPEN_TRIES = 3;
/** How long the ports of a thread that hangs are waited for. */
const BURIAL_MS = 5_000;
/** How long a worker may take to finish its files and end. */
const STOP_MS = 30_000;
const BACKLOG_BYTES = 256_000_000;
/** Well within the time that a worker may take to finish a call before it is taken to hang. */
const DISK_PATIENCE_MS = 20_000;

export interface MediaThreadsOptions {
  /** Address that the RTP sockets bind to. */
  readonly bindAddress: string;
  readonly portMin: number;
  readonly portMax: number;
  /** Threads, of which each takes 450 calls. Default one per core; the server passes as many as its calls need. */
  readonly workers?: number;
  /** How often a worker drains its sockets, in ms; 10 to 1000. Default 100. */
  readonly tickMs?: number;
  /** How long a port rests after its stream ended, in ms. Default 5000. */
  readonly quarantineMs?: number;
  /** How long a finished call waits for late packets, in ms. Default 200. */
  readonly tailMs?: number;
  /** Default `auto`: packets are received in batches where that is possible. */
  readonly receiver?: ReceiverChoice;
  readonly utterance?: Partial<Omit<UtteranceCutterOptions, 'sampleRate'>>;
  /** Memory for what the disk does not take, of all workers together. Default 256 MB. */
  readonly backlogBytes?: number;
  /** How long a call that has ended waits for a disk that does not take its last samples, in ms. Default 20 000. */
  readonly diskPatienceMs?: number;
  /** Called when a write of a recording has failed. */
  readonly onWriteFailed?: () => void;
  /** What is told of key presses. Default `mask`: that one was pressed, not which. */
  readonly dtmf?: DtmfPolicy;
  /** How long a leg may be without RTP before it is told, in ms. Default 30 s. */
  readonly timeoutMs?: number;
  /** Other bounds of what is told; tests shorten them. */
  readonly watch?: Partial<WatchBounds>;
  /** Looks for an ffmpeg once, at the start; without it only built-in codecs are taken. */
  readonly findFfmpeg?: () => Promise<FfmpegProgram | undefined>;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly clock?: Clock;
  readonly patience?: Partial<WorkerPatience>;
  /** Another program for the threads; tests pass one that hangs. */
  readonly program?: URL;
}

/** The media plane in worker threads. */
export class MediaThreads implements MediaPlane {
  readonly #options: MediaThreadsOptions;
  readonly #ports: PortPool;
  readonly #calls = new Map<number, ThreadCall>();
  /** Calls whose worker has not answered yet: if it dies, they are opened on another one, and nobody need know. */
  readonly #opening = new Set<ThreadCall>();
  /** Workers to come in the place of those that died. */
  readonly #restarts = new Set<Promise<void>>();
  readonly #halt = new AbortController();
  #workers: WorkerHandle[] = [];
  #nextCall = 1;
  #ffmpeg: FfmpegProgram | undefined;
  #starting: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;

  constructor(options: MediaThreadsOptions) {
    this.#options = options;
    this.#ports = new PortPool({
      portMin: options.portMin,
      portMax: options.portMax,
      quarantineMs: options.quarantineMs ?? 5000,
      ...(options.clock ? { clock: options.clock } : {}),
    });
  }

  get load(): { readonly calls: number; readonly ports: number } {
    return { calls: this.#calls.size, ports: this.#ports.held };
  }

  get ffmpeg(): FfmpegDecoders {
    return this.#ffmpeg?.decoders ?? NO_FFMPEG;
  }

  /** The threads that are there now, for health checks and tests. */
  get workers(): readonly WorkerHandle[] {
    return this.#workers;
  }

  get #workerCount(): number {
    return Math.max(1, this.#options.workers ?? availableParallelism());
  }

  start(): Promise<void> {
    this.#starting ??= (async () => {
      if (this.#options.findFfmpeg) {
        this.#ffmpeg = await this.#options.findFfmpeg();
        this.#options.logger.info(
          { codecs: codecNames(this.ffmpeg), ffmpeg: this.#ffmpeg !== undefined },
          'codecs that are taken',
        );
      }
      await Promise.all(Array.from({ length: this.#workerCount }, () => this.#startWorker().ready));
      const batches = this.#workers.every((worker) => worker.batches);
      this.#options.logger.info({ workers: this.#workers.length, batches }, 'media workers are ready');
    })();
    return this.#starting;
  }

  async openCall(options: MediaCallOptions, events: MediaCallEvents): Promise<MediaCall> {
    await this.start();
    for (let tried = 1; ; tried++) {
      if (this.#stopping) throw new SrsError('SRS_MEDIA_WORKER', 'The media plane is stopping.');
      const worker = this.#leastLoaded() ?? (await this.#replacement());
      if (!worker) throw new SrsError('SRS_MEDIA_WORKER', 'No media worker can take another call.');
      try {
        return await this.#openOn(worker, options, events);
      } catch (error) {
        // A worker that answered has refused the call; one that died meanwhile has not, and another takes it.
        if (error instanceof WorkerRefusal || worker.alive || tried >= MAX_OPEN_TRIES) throw error;
      }
    }
  }

  stop(): Promise<void> {
    this.#stopping ??= (async () => {
      await this.#starting?.catch(() => {});
      this.#halt.abort();
      await Promise.all([...this.#calls].map(([number, call]) => this.#finish(number, call)));
      await Promise.all(this.#workers.map((worker) => this.#stopWorker(worker)));
    })();
    return this.#stopping;
  }

  async #openOn(worker: WorkerHandle, options: MediaCallOptions, events: MediaCallEvents): Promise<MediaCall> {
    const number = this.#nextCall++;
    const call = new ThreadCall({
      number,
      call: options,
      events,
      worker,
      ports: this.#ports,
      ...(this.#options.patience ? { patience: this.#options.patience } : {}),
      onPorts: () => this.#options.metrics.portsInUse.set(this.#ports.held),
    });
    worker.calls++;
    this.#calls.set(number, call);
    this.#opening.add(call);
    try {
      await call.open();
    } catch (error) {
      this.#forget(number, call);
      throw error;
    } finally {
      this.#opening.delete(call);
    }
    return {
      openLeg: (leg) => call.openLeg(leg),
      updateLeg: (leg, change) => call.updateLeg(leg, change),
      closeLeg: (leg) => call.closeLeg(leg),
      discardLeg: (leg) => call.discardLeg(leg),
      setPaused: (paused, legs) => call.setPaused(paused, legs),
      finish: () => this.#finish(number, call),
    };
  }

  async #finish(number: number, call: ThreadCall): Promise<MediaCallResult> {
    const result = await call.finish();
    if (this.#calls.has(number)) this.#observe(result);
    this.#forget(number, call);
    return result;
  }

  #forget(number: number, call: ThreadCall): void {
    if (!this.#calls.delete(number)) return;
    call.worker.calls--;
    call.worker.giveBack(call.slot);
  }

  /** A thread that does not come to its end is left behind; the process may go. */
  async #stopWorker(worker: WorkerHandle): Promise<void> {
    const ms = this.#options.patience?.finishMs ?? STOP_MS;
    const hanging = setTimeout(() => worker.abandon(`the thread did not end within ${ms} ms`), ms);
    await worker.stop().finally(() => clearTimeout(hanging));
  }

  #leastLoaded(): WorkerHandle | undefined {
    let best: WorkerHandle | undefined;
    for (const worker of this.#workers) {
      if (!worker.alive || worker.calls >= MAX_CALLS_PER_WORKER) continue;
      if (!best || worker.calls < best.calls) best = worker;
    }
    return best;
  }

  /** The worker that comes in the place of one that died, when one is coming. */
  async #replacement(): Promise<WorkerHandle | undefined> {
    if (this.#restarts.size === 0) return undefined;
    await Promise.race(this.#restarts);
    return this.#leastLoaded();
  }

  #startWorker(): WorkerHandle {
    const { bindAddress, tickMs = 100, tailMs = 200, utterance = {}, dtmf = 'mask', timeoutMs } = this.#options;
    const { backlogBytes = BACKLOG_BYTES, diskPatienceMs = DISK_PATIENCE_MS } = this.#options;
    const watch = { ...WATCH_BOUNDS, ...(timeoutMs ? { rtpTimeoutMs: timeoutMs } : {}), ...this.#options.watch };
    const startedAt = performance.now();
    const worker = new WorkerHandle(
      {
        bindAddress,
        receiver: this.#options.receiver ?? 'auto',
        tickMs,
        tailMs,
        utterance,
        watch,
        backlogBytes: Math.floor(backlogBytes / this.#workerCount),
        diskPatienceMs,
        dtmf,
        ...(this.#ffmpeg ? { ffmpeg: this.#ffmpeg.path } : {}),
      },
      {
        message: (message) => this.#onMessage(worker, message),
        ended: (error) => this.#onEnded(worker, error, performance.now() - startedAt),
      },
      this.#options.program,
    );
    this.#workers.push(worker);
    return worker;
  }

  #onEnded(worker: WorkerHandle, error: Error | undefined, livedMs: number): void {
    this.#workers = this.#workers.filter((other) => other !== worker);
    this.#setBacklog(worker, 0);
    if (error === undefined) return;
    const calls = [...this.#calls.values()].filter((call) => call.worker === worker && !this.#opening.has(call));
    this.#options.logger.error({ err: error, calls: calls.length }, 'a media worker died');
    if (this.#stopping) {
      for (const call of calls) this.#lose(call);
      return;
    }
    const delay = sleep(Math.max(0, RESTART_MS - livedMs), undefined, { signal: this.#halt.signal });
    const restart = delay
      .then(() => {
        this.#startWorker().ready.catch(() => {});
      })
      .catch(() => {})
      .finally(() => this.#restarts.delete(restart));
    this.#restarts.add(restart);
    for (const call of calls) void this.#move(call, worker);
  }

  /** Lets another worker go on with a call. A thread that hangs holds its ports, and is waited for only so long. */
  async #move(call: ThreadCall, from: WorkerHandle): Promise<void> {
    try {
      const gone = await Promise.race([from.buried.then(() => true), sleep(BURIAL_MS, false, { ref: false })]);
      const worker = gone && !call.ending ? (this.#leastLoaded() ?? (await this.#replacement())) : undefined;
      if (!worker || call.ending) throw new SrsError('SRS_MEDIA_WORKER', 'No media worker can go on with the call.');
      worker.calls++;
      const missing = await call.moveTo(worker);
      this.#options.metrics.mediaMoved.inc();
      this.#tell(() => call.events.moved?.(missing));
    } catch (error) {
      this.#options.logger.error({ err: error }, 'a call could not be gone on with when its media worker had died');
      this.#lose(call);
    }
  }

  #lose(call: ThreadCall): void {
    this.#options.metrics.recordingErrors.inc();
    this.#tell(() => call.events.lost('The media worker of this call ended.'));
  }

  #setBacklog(worker: WorkerHandle, bytes: number): void {
    worker.backlogBytes = bytes;
    this.#options.metrics.recordingBacklog.set(this.#workers.reduce((sum, one) => sum + one.backlogBytes, 0));
  }

  #onMessage(worker: WorkerHandle, message: Exclude<WorkerMessage, { kind: 'reply' | 'ready' }>): void {
    switch (message.kind) {
      case 'counters':
        this.#count(message.delta);
        return;
      case 'fault':
        this.#options.logger.error({ fault: message.message }, 'a media worker survived a fault');
        return;
      case 'utterance': {
        const { kind: _kind, call, samples, ...cut } = message;
        this.#calls.get(call)?.book.utterance(cut.leg, cut.number);
        this.#tell(() => this.#calls.get(call)?.events.utterance({ ...cut, samples: new Int16Array(samples) }));
        return;
      }
      case 'clock-began':
        this.#calls.get(message.call)?.book.clockBegan(message.at, message.startedAt);
        return;
      case 'first-packet':
        this.#calls.get(message.call)?.book.firstPacket(message.leg, message.atMs);
        this.#tell(() =>
          this.#calls.get(message.call)?.events.firstPacket?.(message.leg, message.atMs, message.startedAt),
        );
        return;
      case 'warning':
        this.#tell(() => this.#calls.get(message.call)?.events.warning?.(message.warning));
        return;
      case 'digit': {
        const { kind: _kind, call, leg, ...press } = message;
        this.#tell(() => this.#calls.get(call)?.events.digit?.(leg, press));
        return;
      }
      case 'problem':
        this.#tell(() => this.#calls.get(message.call)?.events.problem?.(message.change));
        return;
      case 'write-failed':
        this.#tell(() => this.#calls.get(message.call)?.events.writeFailed(message.message));
        this.#tell(() => this.#options.onWriteFailed?.());
        return;
      case 'backlog':
        this.#setBacklog(worker, message.bytes);
        return;
      case 'disk-slow':
        this.#options.metrics.diskSlow.inc();
        this.#options.logger.warn({ ms: message.ms }, 'the disk took long to write a recording');
        return;
      default:
        message satisfies never;
    }
  }

  #count(delta: MediaCountersDelta): void {
    const { metrics } = this.#options;
    metrics.rtpPackets.inc(delta.packets);
    metrics.rtpBytes.inc(delta.bytes);
    metrics.rtpLost.inc(delta.lost);
    metrics.recordingErrors.inc(delta.recordingErrors);
    metrics.recordingUnwritten.inc(delta.unwrittenMs / 1000);
    for (const reason of RTP_DROP_REASONS) metrics.rtpDropped.inc({ reason }, delta.dropped[reason]);
    for (const reason of Object.keys(delta.utterances) as CutReason[]) {
      metrics.utterances.inc({ reason }, delta.utterances[reason]);
    }
    const { rtcp } = delta;
    if (!rtcp) return;
    metrics.rtcpSent.inc(rtcp.sent);
    for (const type of RTCP_TYPES) metrics.rtcpPackets.inc({ type }, rtcp.received[type]);
    for (const reason of RTCP_DROP_REASONS) metrics.rtcpDropped.inc({ reason }, rtcp.dropped[reason]);
  }

  #observe({ legs }: MediaCallResult): void {
    for (const { lossRatio, jitterMs } of legs) {
      if (lossRatio !== undefined) this.#options.metrics.legLoss.observe(lossRatio);
      if (jitterMs !== undefined) this.#options.metrics.observeLegJitter(jitterMs);
    }
  }

  #tell(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.#options.logger.error({ err: error }, 'a media event handler threw');
    }
  }
}
