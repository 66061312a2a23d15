import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from '../core/logger.js';
import type { Metrics } from '../core/metrics.js';
import type { Warning } from '../core/warning.js';
import type { FinishedFile, RecordingFormat } from '../store/finished-file.js';
import type { AudioThread } from './audio-thread.js';
import { encode } from './ffmpeg-encoder.js';

/** Calls that may wait. A day's worth: more means that the machine cannot keep up, and that somebody should hear of it. */
const MAX_WAITING = 10_000;
/** ffmpeg needs seconds for an hour of speech. One that takes longer than this hangs. */
const TIMEOUT_MS = 3_600_000;

export interface EncodingQueueOptions {
  readonly formats: readonly RecordingFormat[];
  /** ffmpeg, by path or by name on PATH. */
  readonly program: string;
  readonly thread: Pick<AudioThread, 'ask'>;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly maxWaiting?: number;
  readonly timeoutMs?: number;
}

/**
 * Encodes the recordings of calls that have ended, one after another. An encoding has its name only when it is whole; the WAV is never
 * touched. What fails is a warning in the record, in the log and in a metric.
 */
export class EncodingQueue {
  readonly #options: EncodingQueueOptions;
  readonly #abort = new AbortController();
  readonly #waiting: string[] = [];
  #running: Promise<void> | undefined;

  constructor(options: EncodingQueueOptions) {
    this.#options = options;
  }

  /** Returns at once. @param directory of a call whose record nobody writes any more */
  add(directory: string): void {
    const { formats, metrics, logger, maxWaiting = MAX_WAITING } = this.#options;
    if (formats.length === 0 || this.#abort.signal.aborted) return;
    if (this.#waiting.length >= maxWaiting) {
      metrics.encodings.inc({ status: 'skipped' }, formats.length);
      logger.warn({ directory, waiting: this.#waiting.length }, 'recording not encoded: too many wait');
      return;
    }
    this.#waiting.push(directory);
    this.#running ??= this.#run();
  }

  /** Resolves when nothing waits any more. */
  async idle(): Promise<void> {
    await this.#running;
  }

  /** Ends the encoding under way, and leaves nothing half-done behind. What waits is not done. Idempotent. */
  async close(): Promise<void> {
    this.#abort.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    try {
      for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) await this.#call(next);
    } finally {
      // At once: a call that is added a moment later begins anew and is not left waiting.
      this.#running = undefined;
    }
  }

  async #call(directory: string): Promise<void> {
    const { formats, metrics, thread, logger } = this.#options;
    const files: FinishedFile[] = [];
    const warnings: Warning[] = [];
    for (const format of formats) {
      if (this.#abort.signal.aborted) return;
      try {
        files.push(...(await this.#encode(directory, format)));
        metrics.encodings.inc({ status: 'success' });
      } catch (error) {
        if (this.#abort.signal.aborted) break;
        metrics.encodings.inc({ status: 'error' });
        logger.warn({ directory, format, err: error }, 'recording not encoded');
        warnings.push({ code: 'encoding_failed', detail: format });
      }
    }
    if (files.length + warnings.length === 0) return;
    await thread.ask({ kind: 'amend', directory, files, warnings }).catch((error: unknown) => {
      logger.error({ directory, err: error }, 'call record cannot tell of its encodings');
    });
  }

  async #encode(directory: string, format: RecordingFormat): Promise<readonly FinishedFile[]> {
    const { program, thread, timeoutMs = TIMEOUT_MS } = this.#options;
    const name = `call.${format}`;
    const temporary = `${name}.part`;
    const output = join(directory, temporary);
    try {
      await encode({ program, format, input: join(directory, 'call.wav'), output, timeoutMs }, this.#abort.signal);
      return await thread.ask({ kind: 'adopt', directory, temporary, name });
    } catch (error) {
      await rm(output, { force: true }).catch(() => {});
      throw error;
    }
  }
}
