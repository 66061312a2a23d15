import type { Logger } from '../core/logger.js';
import type { Metrics } from '../core/metrics.js';
import type { FinishedFile, RecordingFormat } from '../store/finished-file.js';
import { AudioThread } from './audio-thread.js';
import { EncodingQueue } from './encoding-queue.js';
import { checkEncoders } from './ffmpeg-encoder.js';

export interface FileFinisherOptions {
  /** Encodings of every recording; none when empty. */
  readonly formats: readonly RecordingFormat[];
  /** ffmpeg, by path or by name on PATH. */
  readonly ffmpeg?: string;
  readonly metrics: Metrics;
  readonly logger: Logger;
}

/** What is made of the audio of a call when it is finished: checksums and peaks before the call has ended, encodings after. */
export class FileFinisher {
  readonly #options: FileFinisherOptions;
  readonly #thread = new AudioThread();
  readonly #encodings: EncodingQueue;

  constructor(options: FileFinisherOptions) {
    this.#options = options;
    const { ffmpeg: program = 'ffmpeg', ...rest } = options;
    this.#encodings = new EncodingQueue({ ...rest, program, thread: this.#thread });
  }

  /** Throws `SRS_CONFIG_INVALID` when encodings are asked for that cannot be made here. */
  async start(): Promise<void> {
    const { formats, ffmpeg = 'ffmpeg' } = this.#options;
    if (formats.length > 0) await checkEncoders(ffmpeg, formats);
  }

  /** Checksums of WAVs that will not change any more, and `peaks.json` of `call.wav`. Throws when one of them cannot be read. */
  finish(directory: string, names: readonly string[]): Promise<readonly FinishedFile[]> {
    return this.#thread.ask({ kind: 'finish', directory, names });
  }

  /** Queues the encodings of a call whose record is whole. Returns at once. */
  encode(directory: string): void {
    this.#encodings.add(directory);
  }

  /** What is under way is ended and leaves no half of a file; what waits is not done any more. Idempotent. */
  async close(): Promise<void> {
    await this.#encodings.close();
    await this.#thread.close();
  }
}
