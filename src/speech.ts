import type { Config } from '../config/config.js';
import { SECRET_NAMES } from '../config/schema.js';
import { SrsError } from './core/errors.js';
import type { Logger } from './core/logger.js';
import type { Metrics } from './core/metrics.js';
import type { HealthPart } from './http/health-report.js';
import { makeWritableDirectory } from './store/writable-directory.js';
import { SttDispatcher, type SttJob, type SttOutcome } from './stt/dispatcher.js';
import type { SttProvider } from './stt/provider.js';
import { TempAudio } from './stt/temp-audio.js';
import { createVendor } from './stt/vendors.js';
import type { WhisperEngineFactories } from './stt/whisper/choose-engine.js';
import { WhisperCliEngine } from './stt/whisper/cli-engine.js';
import { NativeWhisperEngine } from './stt/whisper/native-engine.js';

/** One utterance may be odd; so many in a row mean that the engine is. */
const FAILURES_THAT_TELL = 3;

/** The speech-to-text side put together from the configuration: vendors, temporary audio and the dispatcher. */
export class Speech {
  readonly #config: Config;
  readonly #metrics: Metrics;
  readonly #log: Logger;
  readonly #providers = new Map<string, SttProvider>();
  #temp: TempAudio | undefined;
  #dispatcher: SttDispatcher | undefined;
  #closing: Promise<void> | undefined;
  #failedInARow = 0;
  #lastFailure = '';

  constructor(config: Config, metrics: Metrics, logger: Logger) {
    this.#config = config;
    this.#metrics = metrics;
    this.#log = logger;
  }

  /**
   * Finds and warms the engines. Throws `SRS_STT_UNAVAILABLE`, `SRS_STT_MODEL` or `SRS_STT_VENDOR_UNKNOWN` with what to do, and
   * `SRS_STT_CANCELLED` on abort.
   */
  async start(signal: AbortSignal): Promise<void> {
    const { stt, whisper, tempDir } = this.#config;
    // Utterances wait there as files.
    await makeWritableDirectory(tempDir, 'TMPDIR', 0o700);
    const metrics = this.#metrics;
    const logger = this.#log;
    const parts = { whisper, whisperEngines: this.#whisperEngines(), metrics, logger };
    for (const vendor of stt.vendors) this.#providers.set(vendor, createVendor(vendor, parts));
    await Promise.all([...this.#providers.values()].map((provider) => provider.start(signal)));
    if (stt.defaultVendor === undefined) {
      logger.warn('no speech-to-text vendor is configured: calls are recorded without words');
      return;
    }
    this.#temp = new TempAudio({ root: tempDir, metrics, logger });
    await this.#temp.start();
    this.#dispatcher = new SttDispatcher({
      providers: this.#providers,
      defaultVendor: stt.defaultVendor,
      tempAudio: this.#temp,
      retries: stt.maxAttempts - 1,
      maxQueued: stt.queueLimit,
      metrics,
      logger,
    });
  }

  /** Whether utterances are worth cutting at all. */
  get enabled(): boolean {
    return this.#config.stt.defaultVendor !== undefined;
  }

  async submit(job: SttJob): Promise<SttOutcome> {
    if (this.#dispatcher) {
      const outcome = await this.#dispatcher.submit(job);
      this.#count(outcome);
      return outcome;
    }
    return { ok: false, error: new SrsError('SRS_STT_UNAVAILABLE', 'no speech-to-text vendor runs'), vendor: 'none' };
  }

  health(): HealthPart {
    const waiting = this.#dispatcher?.pending ?? 0;
    if (!this.#dispatcher && this.enabled) return { state: 'down', essential: false, waiting };
    if (this.#failedInARow < FAILURES_THAT_TELL) return { state: 'ok', essential: false, waiting };
    const detail = `the last ${this.#failedInARow} utterances failed, the last one with ${this.#lastFailure}`;
    return { state: 'degraded', essential: false, waiting, detail };
  }

  /** Cancels what runs and waits, removes children and files. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** What an operator ended says nothing about the engine. */
  #count(outcome: SttOutcome): void {
    if (outcome.ok) this.#failedInARow = 0;
    else if (outcome.error.code !== 'SRS_STT_CANCELLED') {
      this.#failedInARow += 1;
      this.#lastFailure = outcome.error.code;
    }
  }

  async #close(): Promise<void> {
    await this.#dispatcher?.close();
    await Promise.all([...this.#providers.values()].map((provider) => provider.close()));
    await this.#temp?.close();
  }

  #whisperEngines(): WhisperEngineFactories {
    const parts = { metrics: this.#metrics, logger: this.#log };
    // A program has its own place for models and fills it by itself; ours is named to it only when the operator says so.
    const dirGiven = this.#config.entries.some(
      ({ name, source }) => name === 'WHISPER_MODELS_DIR' && source !== 'default',
    );
    return {
      native: (options) => new NativeWhisperEngine(options, parts),
      nativeAvailable: () => NativeWhisperEngine.available(),
      cli: ({ modelsDir, ...options }) =>
        new WhisperCliEngine(dirGiven && modelsDir !== undefined ? { ...options, modelsDir } : options, {
          ...parts,
          tempRoot: this.#config.tempDir,
          hiddenVariables: SECRET_NAMES,
        }),
    };
  }
}
