import { availableParallelism } from 'node:os';
import { SrsError } from '../../core/errors.js';
import type { Logger } from '../../core/logger.js';
import type { Metrics, WhisperStatus } from '../../core/metrics.js';
import type { SttCapabilities, SttProvider, SttResult, TranscribeRequest } from '../provider.js';
import { chooseEngine, type WhisperEngineFactories } from './choose-engine.js';
import type { WhisperEngine, WhisperOptions } from './engine.js';

export interface WhisperProviderParts {
  readonly engines: WhisperEngineFactories;
  readonly metrics: Metrics;
  readonly logger: Logger;
}

/** `WHISPER_MAX_CONCURRENT`: -1 = CPU cores, 0 = no limit, N. */
export function whisperSlots(maxConcurrent: number): number {
  if (maxConcurrent < 0) return availableParallelism();
  return maxConcurrent === 0 ? Number.POSITIVE_INFINITY : maxConcurrent;
}

/** The vendor `whisper`: one engine of two, with the figures that dashboards watch measured around either. */
export class WhisperProvider implements SttProvider {
  readonly vendor = 'whisper';
  readonly model: string;
  readonly capabilities: SttCapabilities;
  readonly #options: WhisperOptions;
  readonly #parts: WhisperProviderParts;
  #engine: WhisperEngine | undefined;
  #starting: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: WhisperOptions, parts: WhisperProviderParts) {
    this.#options = options;
    this.#parts = parts;
    this.model = options.model;
    const { sampleRate, channels } = options;
    this.capabilities = { streaming: false, wordTimes: true, sampleRate, channels };
  }

  /** The smaller of what the operator allows and what the engine can do. */
  get slots(): number {
    return Math.min(whisperSlots(this.#options.maxConcurrent), this.#engine?.slots ?? Number.POSITIVE_INFINITY);
  }

  /** Which engine runs; absent before the start. */
  get engineKind(): WhisperEngine['kind'] | undefined {
    return this.#engine?.kind;
  }

  start(signal: AbortSignal): Promise<void> {
    this.#starting ??= this.#start(signal);
    return this.#starting;
  }

  async #start(signal: AbortSignal): Promise<void> {
    const { logger, engines } = this.#parts;
    const { model, outputFormat, binaryPath } = this.#options;
    const engine = await chooseEngine(this.#options, engines, logger);
    this.#engine = engine;
    await engine.start(signal);
    const binary = engine.kind === 'cli' ? (binaryPath ?? 'whisper') : 'native';
    logger.info({ binary, model, outputFormat, engine: engine.kind }, 'whisper provider initialized');
    const slots = this.slots;
    if (Number.isFinite(slots)) logger.info({ max_concurrent: slots }, 'Whisper rate limiting enabled');
  }

  async transcribe(request: TranscribeRequest, signal: AbortSignal): Promise<SttResult> {
    const engine = this.#engine;
    if (!engine) throw new SrsError('SRS_STT_UNAVAILABLE', 'the whisper provider is not started');
    const startedAt = performance.now();
    try {
      const result = await engine.transcribe(request, signal);
      const durationMs = this.#measure('success', startedAt);
      // How much was said tells nothing of what was said.
      const facts = { durationMs: Math.round(durationMs), audioMs: Math.round(request.audio.durationMs) };
      this.#parts.logger.info(
        { model: this.model, ...facts, empty: result.text === '' },
        'Whisper transcription completed',
      );
      return result;
    } catch (thrown) {
      const error = SrsError.from(thrown);
      if (error.code === 'SRS_STT_TIMEOUT') this.#measure('timeout', startedAt);
      else if (error.code !== 'SRS_STT_CANCELLED') this.#measure('error', startedAt);
      throw error;
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#engine?.close();
    // A start that was under way ends by the close; its outcome went to whoever asked for it.
    await this.#starting?.catch(() => {});
    await this.#engine?.close();
  }

  #measure(status: WhisperStatus, startedAt: number): number {
    const ms = performance.now() - startedAt;
    this.#parts.metrics.observeWhisper(this.model, status, ms);
    return ms;
  }
}
