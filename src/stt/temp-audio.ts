import { mkdir, open, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Resampling } from '../audio/resampler.js';
import { encodeWav } from '../audio/wav-file.js';
import { SrsError } from '../core/errors.js';
import type { Logger } from '../core/logger.js';
import type { Metrics } from '../core/metrics.js';
import type { SpeechAudio } from './provider.js';
import { makeTempDirectory, removeStaleDirectories } from './temp-directory.js';

export interface TempAudioOptions {
  /** TMPDIR. */
  readonly root: string;
  readonly metrics: Metrics;
  readonly logger: Logger;
}

/** A WAV that exists until it is released. */
export interface TempWav {
  readonly audio: SpeechAudio;
  readonly bytes: number;
  /** Removes the file; idempotent, never rejects. */
  release(): Promise<void>;
}

/** Output samples per turn of the event loop: measured, about 3 ms on a slow core, where 25 s in one piece take 80 ms. */
const SAMPLES_PER_TURN = 8_192;

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function resampleInTurns(samples: Int16Array, fromRate: number, toRate: number): Promise<Int16Array> {
  if (fromRate === toRate) return samples;
  const work = new Resampling(samples, fromRate, toRate);
  while (!work.advance(SAMPLES_PER_TURN)) await turn();
  return work.output;
}

/** The same voice on every channel. */
function spread(samples: Int16Array, channels: number): Int16Array {
  if (channels === 1) return samples;
  const out = new Int16Array(samples.length * channels);
  for (let i = 0; i < out.length; i += 1) out[i] = samples[Math.floor(i / channels)] ?? 0;
  return out;
}

function isGone(error: unknown): boolean {
  const cause = error instanceof SrsError ? error.cause : error;
  return cause instanceof Error && 'code' in cause && cause.code === 'ENOENT';
}

/**
 * The WAVs that wait for a speech engine, in one private directory. It is the queue's body: an utterance leaves memory as soon as it is
 * here. `siprec_whisper_temp_file_bytes` is the size of the files that exist, no more and no less.
 */
export class TempAudio {
  readonly #options: TempAudioOptions;
  #directory: Promise<string> | undefined;
  readonly #files = new Map<string, number>();
  readonly #writing = new Set<Promise<string>>();
  #bytes = 0;
  #count = 0;
  #closed = false;

  constructor(options: TempAudioOptions) {
    this.#options = options;
  }

  /** Makes the directory and clears away what killed processes left. Throws `SRS_STT_SPOOL` when TMPDIR cannot be written. */
  async start(): Promise<void> {
    const { root, logger } = this.#options;
    const removed = await removeStaleDirectories(root);
    if (removed > 0) logger.info({ removed }, 'stale temporary audio removed');
    await this.#ready();
  }

  /** Bytes of the files that exist now. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Resamples mono speech to the target and writes it. Rates in Hz.
   * Throws `SRS_STT_SPOOL` when the disk refuses, `SRS_STT_CANCELLED` when the store is closed; then no file is left.
   */
  async write(
    samples: Int16Array,
    sampleRate: number,
    target: { readonly sampleRate: number; readonly channels: number },
  ): Promise<TempWav> {
    await this.#ready();
    const resampled = await resampleInTurns(samples, sampleRate, target.sampleRate);
    const wav = encodeWav(spread(resampled, target.channels), target.sampleRate, target.channels);
    // `close` waits for the writes that it can see; one that would begin behind its back must not.
    if (this.#closed) throw this.#isClosed();
    const writing = this.#place(wav);
    this.#writing.add(writing);
    const path = await writing.finally(() => this.#writing.delete(writing));
    const durationMs = (samples.length * 1000) / sampleRate;
    return {
      audio: { path, sampleRate: target.sampleRate, channels: target.channels, durationMs },
      bytes: wav.byteLength,
      release: () => this.#remove(path),
    };
  }

  /** Removes the directory and everything in it. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#writing);
    const directory = await this.#directory?.catch(() => undefined);
    if (directory !== undefined) await rm(directory, { recursive: true, force: true });
    this.#files.clear();
    this.#bytes = 0;
    this.#report();
  }

  #ready(): Promise<string> {
    if (this.#closed)
      return Promise.reject(new SrsError('SRS_STT_CANCELLED', 'the store of temporary audio is closed'));
    this.#directory ??= this.#make().catch((cause: unknown) => {
      this.#directory = undefined;
      throw this.#refused(cause);
    });
    return this.#directory;
  }

  async #make(): Promise<string> {
    const { root } = this.#options;
    await mkdir(root, { recursive: true, mode: 0o700 });
    return makeTempDirectory(root);
  }

  /** Writes a file of its own and returns its path; makes the directory again when a cleaner of old temporary files took it. */
  async #place(wav: Uint8Array): Promise<string> {
    this.#count += 1;
    // Some programs cut at the first dot and some shells at a blank: the name has neither.
    const name = `utterance-${this.#count}.wav`;
    const directory = await this.#ready();
    try {
      return await this.#store(join(directory, name), wav);
    } catch (error) {
      if (!isGone(error)) throw error;
      if (this.#directory !== undefined && (await this.#directory.catch(() => directory)) === directory) {
        this.#options.logger.warn('the folder of temporary audio was removed and is made again');
        this.#directory = undefined;
      }
      return this.#store(join(await this.#ready(), name), wav);
    }
  }

  async #store(path: string, wav: Uint8Array): Promise<string> {
    try {
      const file = await open(path, 'wx', 0o600);
      // Counted from here on, because from here on the file takes room.
      this.#files.set(path, wav.byteLength);
      this.#bytes += wav.byteLength;
      this.#report();
      try {
        await file.writeFile(wav);
      } finally {
        await file.close();
      }
      if (this.#closed) throw this.#isClosed();
      return path;
    } catch (cause) {
      await this.#remove(path);
      throw this.#closed ? this.#isClosed() : this.#refused(cause);
    }
  }

  async #remove(path: string): Promise<void> {
    const size = this.#files.get(path);
    if (size === undefined) return;
    try {
      await rm(path, { force: true });
    } catch (error) {
      // A file that will not go still takes room, and the gauge must go on saying so.
      if (
        await stat(path).then(
          () => true,
          () => false,
        )
      ) {
        this.#options.logger.warn({ err: error }, 'temporary audio cannot be removed');
        return;
      }
    }
    if (this.#files.delete(path)) this.#bytes -= size;
    this.#report();
  }

  #report(): void {
    this.#options.metrics.whisperTempBytes.set(this.#bytes);
  }

  #isClosed(): SrsError {
    return new SrsError('SRS_STT_CANCELLED', 'the store of temporary audio is closed');
  }

  #refused(cause: unknown): SrsError {
    const why = cause instanceof Error ? cause.message : String(cause);
    return new SrsError('SRS_STT_SPOOL', `temporary audio cannot be written below ${this.#options.root}: ${why}`, {
      cause,
    });
  }
}
