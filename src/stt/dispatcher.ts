import { type Clock, systemClock } from '../core/clock.js';
import { SrsError } from '../core/errors.js';
import type { Logger } from '../core/logger.js';
import type { Metrics, SttStatus } from '../core/metrics.js';
import { Scope } from '../core/scope.js';
import type { SttProvider, SttResult, TranscribeRequest } from './provider.js';
import type { TempAudio, TempWav } from './temp-audio.js';
import { type Place, VendorLane } from './vendor-lane.js';

/** One utterance to transcribe. */
export interface SttJob {
  /** Unique; shown in logs. */
  readonly id: string;
  /** SIP Call-ID. */
  readonly callId: string;
  /** Mono. Not held once the audio is on disk. */
  readonly samples: Int16Array;
  /** Hz. */
  readonly sampleRate: number;
  /** BCP 47; absent = detect. */
  readonly language?: string;
  readonly prompt?: string;
  /** Absent = the default vendor. */
  readonly vendor?: string;
}

export type SttOutcome =
  | {
      readonly ok: true;
      readonly result: SttResult;
      readonly vendor: string;
      readonly model: string;
      /** Waiting for the disk, a slot or another try. */
      readonly queuedMs: number;
      /** In a slot, all tries together. */
      readonly ranMs: number;
    }
  | { readonly ok: false; readonly error: SrsError; readonly vendor: string };

export interface SttDispatcherOptions {
  /** By vendor, started. The dispatcher does not close them. */
  readonly providers: ReadonlyMap<string, SttProvider>;
  readonly defaultVendor: string;
  readonly tempAudio: TempAudio;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly clock?: Clock;
  /** Tries after the first; 2 unless told. */
  readonly retries?: number;
  /** Wait before the first new try, doubled for each one after it; 1 s unless told. */
  readonly backoffMs?: number;
  /** Utterances that may wait per vendor, each a file on disk; 100,000 unless told. One more is an explicit failure. */
  readonly maxQueued?: number;
}

/** A job whose speech is on its way to the disk, so that nothing here keeps the samples alive. */
interface Ticket {
  readonly lane: VendorLane;
  readonly place: Place;
  readonly writing: Promise<TempWav>;
  /** For logs. */
  readonly facts: { readonly utterance: string; readonly callId: string; readonly vendor: string };
  readonly hints: Pick<TranscribeRequest, 'language' | 'prompt'>;
}

/** How often the age of the oldest waiting utterance is written down while nothing else happens. */
const AGE_EVERY_MS = 1_000;

function statusOf(error: SrsError): SttStatus {
  if (error.code === 'SRS_STT_TIMEOUT') return 'timeout';
  return error.code === 'SRS_STT_CANCELLED' ? 'cancelled' : 'error';
}

const CANCELLED = 'the server is closing';

/**
 * The only owner of speech-to-text concurrency. An utterance goes to disk at once, waits there in the order of submission, and takes a
 * slot only for the time the engine works on it: the slot is the last thing it gets and the first it gives back.
 */
export class SttDispatcher {
  readonly #options: SttDispatcherOptions;
  readonly #clock: Clock;
  readonly #lanes = new Map<string, VendorLane>();
  readonly #scope = new Scope('stt');
  readonly #open = new Set<Promise<SttOutcome>>();
  #closing: Promise<void> | undefined;

  constructor(options: SttDispatcherOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    for (const [vendor, provider] of options.providers) {
      this.#lanes.set(vendor, new VendorLane(provider, options.metrics, this.#clock, this.#scope));
    }
    this.#scope.interval(() => {
      for (const lane of this.#lanes.values()) lane.report();
    }, AGE_EVERY_MS);
  }

  /** Utterances without an outcome yet. */
  get pending(): number {
    return this.#open.size;
  }

  /** Queues an utterance. Resolves with its words or with the error that ended it; never rejects. */
  submit(job: SttJob): Promise<SttOutcome> {
    const vendor = job.vendor ?? this.#options.defaultVendor;
    const facts = { utterance: job.id, callId: job.callId, vendor };
    const outcome = this.#accept(job, facts)
      .then((ticket) => this.#transcribe(ticket))
      .catch((thrown: unknown): SttOutcome => {
        // The border: whatever was thrown below is an outcome above.
        const error = SrsError.from(thrown);
        // Refused before any attempt, which would have counted it.
        if (error.code === 'SRS_STT_SPOOL') this.#options.metrics.sttErrors.inc({ vendor });
        this.#options.logger.warn({ ...facts, code: error.code, ...error.facts }, 'transcription failed');
        return { ok: false, error, vendor };
      });
    this.#open.add(outcome);
    void outcome.then(() => this.#open.delete(outcome));
    return outcome;
  }

  /** Ends what runs and what waits, each with the outcome `SRS_STT_CANCELLED`, and waits for that. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    for (const lane of this.#lanes.values()) lane.close();
    await Promise.all(this.#open);
    await this.#scope.close();
  }

  /** Takes the place in the queue before the disk is asked, so that a short utterance cannot overtake a long one. */
  async #accept(job: SttJob, facts: Ticket['facts']): Promise<Ticket> {
    if (this.#closing) throw new SrsError('SRS_STT_CANCELLED', CANCELLED);
    const lane = this.#lanes.get(facts.vendor);
    if (!lane) {
      const known = [...this.#lanes.keys()].join(', ');
      throw new SrsError('SRS_STT_VENDOR_UNKNOWN', `the vendor ${facts.vendor} is not running; running: ${known}`);
    }
    const limit = this.#options.maxQueued ?? 100_000;
    if (lane.depth >= limit) {
      throw new SrsError('SRS_STT_SPOOL', `${limit} utterances wait for ${lane.vendor} already; no more are taken`);
    }
    const { language, prompt } = job;
    const hints = { ...(language === undefined ? {} : { language }), ...(prompt === undefined ? {} : { prompt }) };
    const place = lane.reserve();
    const writing = this.#options.tempAudio.write(job.samples, job.sampleRate, lane.provider.capabilities);
    return { lane, place, writing, facts, hints };
  }

  async #transcribe({ lane, place, writing, facts, hints }: Ticket): Promise<SttOutcome> {
    const wav = await writing.catch((error: unknown) => {
      lane.leave(place);
      throw error;
    });
    try {
      let ranMs = 0;
      for (let failures = 0; ; failures += 1) {
        if (!(await lane.turn(place))) throw new SrsError('SRS_STT_CANCELLED', CANCELLED);
        const startedAt = this.#clock.monotonic();
        const result = await lane.run((signal) => this.#attempt(lane, { audio: wav.audio, ...hints }, signal));
        const endedAt = this.#clock.monotonic();
        ranMs += endedAt - startedAt;
        if (!(result instanceof SrsError)) {
          this.#options.metrics.sttAudioSeconds.inc({ vendor: lane.vendor }, wav.audio.durationMs / 1000);
          const queuedMs = endedAt - place.submittedAt - ranMs;
          return { ok: true, result, vendor: lane.vendor, model: result.model, queuedMs, ranMs };
        }
        if (!result.retryable || failures >= (this.#options.retries ?? 2)) throw result;
        const backoffMs = (this.#options.backoffMs ?? 1_000) * 2 ** failures;
        this.#options.logger.info({ ...facts, code: result.code, backoffMs }, 'transcription will be tried again');
        if (!(await lane.rest(place, backoffMs))) throw new SrsError('SRS_STT_CANCELLED', CANCELLED);
      }
    } finally {
      await wav.release();
    }
  }

  /** One try in a slot, counted. An error is a value here, so that the slot is given back before anything else happens. */
  async #attempt(lane: VendorLane, request: TranscribeRequest, signal: AbortSignal): Promise<SttResult | SrsError> {
    const { metrics } = this.#options;
    const { vendor } = lane;
    const startedAt = this.#clock.monotonic();
    try {
      const result = await lane.provider.transcribe(request, signal);
      metrics.sttRequests.inc({ vendor, status: 'success' });
      return result;
    } catch (thrown) {
      // What a provider throws while it is being aborted is the abort, whatever it calls it.
      const error = signal.aborted
        ? new SrsError('SRS_STT_CANCELLED', CANCELLED, { cause: thrown })
        : SrsError.from(thrown);
      const status = statusOf(error);
      metrics.sttRequests.inc({ vendor, status });
      if (status !== 'cancelled') metrics.sttErrors.inc({ vendor });
      return error;
    } finally {
      metrics.observeSttLatency(vendor, this.#clock.monotonic() - startedAt);
    }
  }
}
