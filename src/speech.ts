import { access, constants, mkdir } from 'node:fs/promises';
import type { Config } from '../config/config.js';
import { SrsError } from './core/errors.js';
import type { Logger } from './core/logger.js';
import type { Metrics } from './core/metrics.js';
import type { HealthPart } from './http/health-report.js';
import { SttDispatcher, type SttJob, type SttOutcome } from './stt/dispatcher.js';
import type { SttProvider } from './stt/provider.js';
import { TempAudio } from './stt/temp-audio.js';
import { createVendor } from './stt/vendors.js';
import type { WhisperEngineFactories } from './stt/whisper/choose-engine.js';
import { WhisperCliEngine } from './stt/whisper/cli-engine.js';
import { NativeWhisperEngine } from './stt/whisper/native-engine.js';

/** The speech-to-text side put together from the configuration: vendors, temporary audio and the dispatcher. */
export class Speech {
  readonly #config: Config;
  readonly #metrics: Metrics;
  readonly #log: Logger;
  readonly #providers = new Map<string, SttProvider>();
  #temp: TempAudio | undefined;
  #dispatcher: SttDispatcher | undefined;
  #closing: Promise<void> | undefined;

  constructor(config: Config, metrics: Metrics, logger: Logger) {
    this.#config = config;
    this.#metrics = metrics;
    this.#log = logger;
  }

  /** Finds and warms the engines. Throws `SRS_STT_UNAVAILABLE`, `SRS_STT_MODEL` or `SRS_STT_VENDOR_UNKNOWN` with what to do. */
  async start(): Promise<void> {
    const { stt, whisper, tempDir } = this.#config;
    await makeTempRoot(tempDir);
    const metrics = this.#metrics;
    const logger = this.#log;
    const parts = { whisper, whisperEngines: this.#whisperEngines(), metrics, logger };
    for (const vendor of stt.vendors) this.#providers.set(vendor, createVendor(vendor, parts));
    await Promise.all([...this.#providers.values()].map((provider) => provider.start(new AbortController().signal)));
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
    if (this.#dispatcher) return this.#dispatcher.submit(job);
    return { ok: false, error: new SrsError('SRS_STT_UNAVAILABLE', 'no speech-to-text vendor runs'), vendor: 'none' };
  }

  health(): HealthPart {
    const waiting = this.#dispatcher?.pending ?? 0;
    return { state: this.#dispatcher || !this.enabled ? 'ok' : 'down', essential: false, waiting };
  }

  /** Cancels what runs and waits, removes children and files. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
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
        }),
    };
  }
}

/** Utterances wait there as files: found out at start, not at the first word of the first call. */
async function makeTempRoot(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
    await access(path, constants.W_OK);
  } catch (error) {
    throw new SrsError('SRS_CONFIG_INVALID', `TMPDIR ${path} cannot be made or written`, { cause: error });
  }
}
