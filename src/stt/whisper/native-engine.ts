import { availableParallelism } from 'node:os';
import { SrsError } from '../../core/errors.js';
import type { Logger } from '../../core/logger.js';
import type { Metrics } from '../../core/metrics.js';
import type { SttResult, TranscribeRequest } from '../provider.js';
import { judgeAddon, readAddonFacts, thisMachine } from './addon-flags.js';
import type { WhisperEngine, WhisperOptions } from './engine.js';
import { languageCode } from './languages.js';
import { findModel, inspectModel, type ModelFile } from './model-file.js';
import type { NativeJob } from './native-protocol.js';
import { NativeSlot } from './native-slot.js';

export interface NativeEngineParts {
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Limit from a fork to a loaded model, in ms; two minutes unless told, which is a large model on a slow disk. */
  readonly startLimitMs?: number;
  /** How long a process other than the first may stand idle before it gives its memory back, in ms; five minutes unless told. */
  readonly idleLimitMs?: number;
}

interface Place {
  readonly slot: NativeSlot;
  busy: boolean;
  idleTimer: NodeJS.Timeout | undefined;
}

const START_LIMIT_MS = 120_000;
const IDLE_LIMIT_MS = 300_000;
/** whisper.cpp gains little beyond that for one utterance. */
const MAX_OWN_THREADS = 4;

/** Whisper through the native addon, one forked process for each transcription that may run at once. */
export class NativeWhisperEngine implements WhisperEngine {
  readonly kind = 'native';
  readonly slots: number;
  readonly #options: WhisperOptions;
  readonly #parts: NativeEngineParts;
  readonly #threads: number;
  readonly #closing = new AbortController();
  #places: Place[] = [];
  #model: ModelFile | undefined;
  #waiting: ((place: Place) => void)[] = [];
  #starting: Promise<void> | undefined;
  #closed: Promise<void> | undefined;

  constructor(options: WhisperOptions, parts: NativeEngineParts) {
    this.#options = options;
    this.#parts = parts;
    const cores = availableParallelism();
    // 0 means no limit to a command line; here every job costs a model in memory, and more jobs than cores only slow each other down.
    this.slots = options.maxConcurrent > 0 ? Math.floor(options.maxConcurrent) : cores;
    // whisper.cpp's threads wait for each other in busy loops: one thread more than there are free cores makes a job twenty times
    // slower. A core is left to media and signalling.
    this.#threads = options.threads ?? Math.max(1, Math.min(MAX_OWN_THREADS, Math.floor((cores - 1) / this.slots)));
  }

  /** Whether the addon is built for this machine; `why` says what to do. Loads nothing. */
  static available(): Promise<{ ok: boolean; why?: string }> {
    const { ok, why } = judgeAddon(readAddonFacts(), thisMachine());
    return Promise.resolve(why === undefined ? { ok } : { ok, why });
  }

  /** Process ids of the children that exist now. */
  get pids(): readonly number[] {
    return this.#places.map(({ slot }) => slot.pid).filter((pid) => pid !== undefined);
  }

  /** Idempotent. Throws `SRS_STT_UNAVAILABLE` without a usable addon and `SRS_STT_MODEL` without a whole model. */
  start(signal: AbortSignal): Promise<void> {
    this.#starting ??= this.#start(signal);
    return this.#starting;
  }

  async #start(signal: AbortSignal): Promise<void> {
    const { logger, metrics } = this.#parts;
    const verdict = judgeAddon(readAddonFacts(), thisMachine());
    if (!verdict.ok)
      throw new SrsError('SRS_STT_UNAVAILABLE', verdict.why ?? 'the native whisper addon cannot be used');
    if (verdict.warning !== undefined) logger.warn({ advice: verdict.warning }, 'native whisper is slow');
    this.#model = await inspectModel(findModel(this.#options.model, this.#options.modelsDir));
    const startLimitMs = this.#parts.startLimitMs ?? START_LIMIT_MS;
    const { path } = this.#model;
    this.#places = Array.from({ length: this.slots }, () => ({
      slot: new NativeSlot({
        modelPath: path,
        threads: this.#threads,
        startLimitMs,
        logger,
        onDeath: () => metrics.whisperRestarts.inc(),
      }),
      busy: false,
      idleTimer: undefined,
    }));
    const first = this.#places[0];
    if (!first || this.#closed) throw new SrsError('SRS_STT_CANCELLED', 'the engine was closed while it started');
    try {
      const startedAt = performance.now();
      await first.slot.run({ language: 'en', translate: false, shortContext: false }, startLimitMs, signal);
      const warmMs = Math.round(performance.now() - startedAt);
      const { slots, bytes } = { slots: this.slots, bytes: this.#model.bytes };
      logger.info({ model: this.#options.model, bytes, slots, threads: this.#threads, warmMs }, 'native whisper ready');
    } catch (error) {
      await this.#closePlaces();
      if (error instanceof SrsError && error.code === 'SRS_STT_CANCELLED') throw error;
      const { message } = SrsError.from(error);
      throw new SrsError('SRS_STT_UNAVAILABLE', `native whisper did not start: ${message}`, { cause: error });
    }
  }

  /** Rejects with a retryable error when the engine died, `SRS_STT_TIMEOUT` at its limit, `SRS_STT_CANCELLED` on abort or close. */
  async transcribe(request: TranscribeRequest, signal: AbortSignal): Promise<SttResult> {
    const model = this.#model;
    if (model === undefined || this.#closed) throw new SrsError('SRS_STT_UNAVAILABLE', 'native whisper is not running');
    const stop = AbortSignal.any([signal, this.#closing.signal]);
    const place = await this.#take(stop);
    try {
      const result = await place.slot.run(this.#jobOf(request, model), this.#options.timeoutMs, stop);
      return { ...result, model: this.#options.model };
    } catch (error) {
      const failure = SrsError.from(error);
      if (failure.code === 'SRS_STT_TIMEOUT') this.#parts.metrics.whisperTimeouts.inc({ model: this.#options.model });
      throw failure;
    } finally {
      this.#give(place);
    }
  }

  /** Idempotent; afterwards no child process is left. */
  close(): Promise<void> {
    this.#closed ??= this.#closePlaces();
    return this.#closed;
  }

  #jobOf(request: TranscribeRequest, model: ModelFile): NativeJob {
    const told = request.language || this.#options.language || '';
    const only = model.packaged?.languages.length === 1 ? model.packaged.languages[0] : undefined;
    // Detection costs a whole pass of the encoder, so it is left out where there is nothing to detect. An unknown code would make
    // whisper.cpp decode with a wrong token without a word.
    const language = model.multilingual ? (only ?? languageCode(told) ?? 'auto') : 'en';
    const prompt = model.packaged?.takesPrompt === false ? undefined : request.prompt;
    return {
      wavPath: request.audio.path,
      language,
      shortContext: model.packaged?.shortContext === true,
      translate: this.#options.task === 'translate' && model.multilingual && only === undefined,
      ...(prompt === undefined || prompt === '' ? {} : { prompt }),
    };
  }

  /** A free place, one with a running process before one without; else the first that becomes free, in order of arrival. */
  #take(signal: AbortSignal): Promise<Place> {
    const free = this.#places.filter((place) => !place.busy);
    const place = free.find(({ slot }) => slot.pid !== undefined) ?? free[0];
    if (signal.aborted) return Promise.reject(new SrsError('SRS_STT_CANCELLED', 'the transcription was cancelled'));
    if (place) {
      place.busy = true;
      clearTimeout(place.idleTimer);
      return Promise.resolve(place);
    }
    return new Promise((resolve, reject) => {
      const taker = (given: Place): void => {
        signal.removeEventListener('abort', onAbort);
        resolve(given);
      };
      const onAbort = (): void => {
        this.#waiting = this.#waiting.filter((other) => other !== taker);
        reject(new SrsError('SRS_STT_CANCELLED', 'the transcription was cancelled'));
      };
      signal.addEventListener('abort', onAbort, { once: true });
      this.#waiting.push(taker);
    });
  }

  #give(place: Place): void {
    const next = this.#waiting.shift();
    if (next) {
      next(place);
      return;
    }
    place.busy = false;
    // The first child stays, so that a quiet hour does not make the next caller wait for a model.
    if (place === this.#places[0] || this.#closed) return;
    place.idleTimer = setTimeout(() => {
      if (!place.busy) void place.slot.rest();
    }, this.#parts.idleLimitMs ?? IDLE_LIMIT_MS);
    place.idleTimer.unref();
  }

  async #closePlaces(): Promise<void> {
    this.#closing.abort();
    for (const place of this.#places) clearTimeout(place.idleTimer);
    await Promise.all(this.#places.map(({ slot }) => slot.close()));
  }
}
