import { renameSync } from 'node:fs';
import { SrsError } from '../core/errors.js';
import { doubleRate, HALF_BAND_REACH } from './half-band.js';
import { PatientWav } from './patient-wav.js';
import { wavDurationMs, wavFormat } from './wav-extent.js';
import type { WavFormat } from './wav-writer.js';
import type { CallBacklog } from './write-backlog.js';

/** Frames of the old file that are brought over at a time: 0.5 s at 8 kHz, half a millisecond of work for each channel. */
const BLOCK_FRAMES = 4096;
/** Blocks of every `step`. */
const BLOCKS_PER_STEP = 8;
/** The end of the old file is brought over at once: late packets may still belong there. */
const RECENT_SECONDS = 12;

const MAX_CHANNELS = 8;
const READ_FRAMES = BLOCK_FRAMES + 2 * HALF_BAND_REACH;
/** One set for all files of a thread: each block is done before the next begins. */
const input = new Int16Array(READ_FRAMES * MAX_CHANNELS);
const inputBytes = new Uint8Array(input.buffer);
const one = new Int16Array(READ_FRAMES);
const output = new Int16Array(2 * BLOCK_FRAMES * MAX_CHANNELS);
const outputBytes = new Uint8Array(output.buffer);

export interface RaisableWavOptions {
  readonly backlog: CallBacklog;
  /** Told of every write that failed. */
  readonly onError: (error: SrsError) => void;
  /** Go on with what is there. */
  readonly resume?: boolean;
  /** Told of stretches that will never be in the file. */
  readonly onGivenUp: (fromMs: number, toMs: number) => void;
}

/**
 * A WAV whose rate can be doubled while it grows, because wide-band audio comes to what was narrow-band. An empty file begins anew. One
 * that holds audio is followed by another beside it, which takes what comes from then on; what is there already is interpolated into it
 * in slices, and when all is over it takes the name of the first. A process that ends between the two leaves both, and both can be played.
 */
export class RaisableWav {
  readonly #path: string;
  readonly #options: RaisableWavOptions;
  #format: WavFormat;
  #file: PatientWav;
  /** The narrow-band file, while it is brought over. */
  #old: PatientWav | undefined;
  #filled = 0;
  #toFill = 0;

  /** Creates the file and its header. Throws `SRS_RECORDING_WRITE`; then there is none. */
  constructor(path: string, format: WavFormat, options: RaisableWavOptions) {
    this.#path = path;
    this.#options = options;
    const there = options.resume ? wavFormat(path) : undefined;
    this.#format = there ?? format;
    this.#file = this.#open(path, this.#format);
    const wide = options.resume ? wavFormat(this.#besidePath) : undefined;
    if (!wide) return;
    // A process that ended while it raised the rate has left two files: it is brought over from the beginning.
    this.#old = this.#file;
    this.#file = this.#open(this.#besidePath, wide);
    this.#toFill = this.#old.frames;
    this.#format = wide;
  }

  get path(): string {
    return this.#path;
  }

  /** How much is in a file already, and in the one beside it, in ms. */
  static foundMs(path: string): number {
    return wavDurationMs(besideOf(path)) || wavDurationMs(path);
  }

  get channels(): number {
    return this.#format.channels;
  }

  /** Frames that are written or wait. */
  get frames(): number {
    return this.#file.frames;
  }

  get sampleRate(): number {
    return this.#format.sampleRate;
  }

  /** Whether something waits for the disk. */
  get waiting(): boolean {
    return this.#file.waiting;
  }

  /** Size on disk. */
  get bytes(): number {
    return this.#file.bytes + (this.#old?.bytes ?? 0);
  }

  /** See `PatientWav`. */
  begin(): void {
    this.#file.begin();
  }

  write(frame: number, block: Uint8Array, offset: number, length: number): void {
    this.#file.write(frame, block, offset, length);
  }

  read(frame: number, block: Uint8Array, offset: number, length: number): void {
    this.#file.read(frame, block, offset, length);
  }

  flush(): boolean {
    return this.#file.flush();
  }

  /**
   * Doubles the rate. False when no second file can be made: then everything is as it was.
   *
   * @param empty whether nothing but silence is in the file
   */
  raise(empty: boolean): boolean {
    const format = { ...this.#format, sampleRate: this.#format.sampleRate * 2 };
    if (empty) this.#file.restart(format);
    else {
      this.#catchUp();
      const wide = this.#second(format);
      if (!wide) return false;
      this.#old = this.#file;
      this.#file = wide;
      this.#old.flush();
      const end = this.#old.frames;
      this.#filled = 0;
      this.#toFill = Math.max(0, end - RECENT_SECONDS * this.#format.sampleRate);
      for (let from = this.#toFill; from < end; from += BLOCK_FRAMES)
        this.#bring(from, Math.min(end, from + BLOCK_FRAMES));
    }
    this.#format = format;
    return true;
  }

  /** Goes on with bringing the old file over. To be called now and then. */
  step(): void {
    for (let i = 0; i < BLOCKS_PER_STEP && this.#old; i++) this.#stepBlock();
  }

  /** See `PatientWav.finish`. */
  finish(frames: number, force: boolean): boolean {
    this.#catchUp();
    return this.#file.finish(frames, force);
  }

  /** Gives memory and descriptors back and leaves everything as it is. Idempotent. */
  close(): void {
    this.#old?.close();
    this.#old = undefined;
    this.#file.close();
  }

  #second(format: WavFormat): PatientWav | undefined {
    try {
      return this.#open(this.#besidePath, format);
    } catch (error) {
      this.#options.onError(SrsError.from(error));
      return undefined;
    }
  }

  #open(path: string, format: WavFormat): PatientWav {
    const { backlog, onError, onGivenUp, resume = false } = this.#options;
    const file: PatientWav = new PatientWav(path, format, {
      backlog,
      onError,
      resume,
      onGivenUp: (from, to) => {
        const { sampleRate } = file.format;
        onGivenUp((from * 1000) / sampleRate, (to * 1000) / sampleRate);
      },
    });
    return file;
  }

  get #besidePath(): string {
    return besideOf(this.#path);
  }

  #catchUp(): void {
    while (this.#old) this.#stepBlock();
  }

  #stepBlock(): void {
    const from = this.#filled;
    const to = Math.min(this.#toFill, from + BLOCK_FRAMES);
    if (from < to) this.#bring(from, to);
    this.#filled = to;
    if (to < this.#toFill) return;
    this.#old?.close();
    this.#old = undefined;
    try {
      renameSync(this.#besidePath, this.#path);
    } catch (error) {
      this.#options.onError(SrsError.from(error));
    }
  }

  /** Interpolates frames of the old file into the new one. */
  #bring(from: number, to: number): void {
    const { channels } = this.#format;
    const first = Math.max(0, from - HALF_BAND_REACH);
    const last = Math.min(this.#old?.frames ?? 0, to + HALF_BAND_REACH);
    const margin = first - (from - HALF_BAND_REACH);
    input.fill(0);
    this.#old?.read(first, inputBytes, margin * channels * 2, (last - first) * channels * 2);
    for (let channel = 0; channel < channels; channel++) {
      for (let i = 0, at = channel; i < to - from + 2 * HALF_BAND_REACH; i++, at += channels)
        one[i] = input[at] as number;
      doubleRate(one, HALF_BAND_REACH, to - from, output, channel, channels);
    }
    this.#file.write(2 * from, outputBytes, 0, 2 * (to - from) * channels * 2);
  }
}

function besideOf(path: string): string {
  return path.replace(/\.wav$/, '.wide.wav');
}
