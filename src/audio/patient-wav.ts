import { SrsError } from '../core/errors.js';
import { type WavFormat, WavWriter } from './wav-writer.js';
import type { CallBacklog, FileBacklog } from './write-backlog.js';

export interface PatientWavOptions {
  readonly backlog: CallBacklog;
  /** Told of every write that failed. */
  readonly onError: (error: SrsError) => void;
  /** Told of frames that will never be in the file, because memory for them ran out or the file ended first. */
  readonly onGivenUp: (from: number, to: number) => void;
  /** Go on with a file that is there. */
  readonly resume?: boolean;
}

/**
 * A WAV whose disk may fail and come back: what cannot be written waits in memory, is tried again at every `flush`, and is written at its
 * place. Once something waits, everything that comes waits behind it, so that a failing disk is asked once a flush and not for every
 * block. The header tells what the file has, never what waits.
 *
 * Only the constructor and `begin` throw.
 */
export class PatientWav {
  readonly #writer: WavWriter;
  #backlog: FileBacklog;
  readonly #options: PatientWavOptions;
  #frames = 0;

  /** Creates the file. Throws `SRS_RECORDING_WRITE`. */
  constructor(path: string, format: WavFormat, options: PatientWavOptions) {
    this.#options = options;
    this.#writer = new WavWriter(path, format, options.resume);
    this.#frames = this.#writer.frames;
    this.#backlog = options.backlog.file(format, options.onGivenUp);
  }

  get path(): string {
    return this.#writer.path;
  }

  /** Frames that are written or wait. */
  get frames(): number {
    return this.#frames;
  }

  /** Whether something waits for the disk. */
  get waiting(): boolean {
    return !this.#backlog.empty;
  }

  /** Size of the file on disk. */
  get bytes(): number {
    return this.#writer.bytes;
  }

  get format(): WavFormat {
    return this.#writer.format;
  }

  /** Empties the file and begins anew in another format. When the disk does not take it, the next `flush` makes the header true. */
  restart(format: WavFormat): void {
    this.#options.backlog.remove(this.#backlog);
    this.#backlog = this.#options.backlog.file(format, this.#options.onGivenUp);
    this.#frames = 0;
    try {
      this.#writer.restart(format);
    } catch (error) {
      this.#options.onError(SrsError.from(error));
    }
  }

  /** Writes the header of an empty file. Throws `SRS_RECORDING_WRITE`: a file that cannot have one must not be promised to anybody. */
  begin(): void {
    this.#writer.flush();
  }

  /** Writes `length` bytes of `block` at a frame, past the end or over what is there; now or later. */
  write(frame: number, block: Uint8Array, offset: number, length: number): void {
    this.#frames = Math.max(this.#frames, frame + Math.floor(length / (this.#writer.format.channels * 2)));
    if (this.#backlog.empty) {
      try {
        this.#writer.write(frame, block, offset, length);
        return;
      } catch (error) {
        this.#options.onError(SrsError.from(error));
      }
    }
    this.#backlog.put(frame, block, offset, length);
  }

  /** Reads back what was written or waits; what nobody wrote stays as it was in `block`. */
  read(frame: number, block: Uint8Array, offset: number, length: number): void {
    try {
      this.#writer.read(frame, block, offset, length);
    } catch (error) {
      this.#options.onError(SrsError.from(error));
    }
    this.#backlog.overlay(frame, block, offset, length);
  }

  /** Writes what waits and makes the header true. False when something waits on. */
  flush(): boolean {
    try {
      this.#backlog.drain((frame, block, offset, length) => this.#writer.write(frame, block, offset, length));
      this.#writer.flush();
      return true;
    } catch (error) {
      this.#options.onError(SrsError.from(error));
      // What could be written is there: the header need not wait for the rest.
      if (!this.#backlog.empty) this.#tryHeader();
      return false;
    }
  }

  /**
   * Makes the file `frames` long, with silence or a cut at its end, and closes it. False when the disk does not take it yet, and the file
   * is as it was; with `force` it is closed all the same, and what still waits is given up. Idempotent.
   */
  finish(frames: number, force: boolean): boolean {
    this.#backlog.cut(frames);
    if (!this.flush() && !force) return false;
    this.#backlog.giveUpAll();
    try {
      this.#writer.finish(frames);
    } catch (error) {
      this.#options.onError(SrsError.from(error));
    }
    this.close();
    return true;
  }

  /** Gives memory and descriptor back and leaves the file as it is. Idempotent. */
  close(): void {
    this.#options.backlog.remove(this.#backlog);
    this.#writer.close();
  }

  #tryHeader(): void {
    try {
      this.#writer.flush();
    } catch {
      // The failure of the write itself was told.
    }
  }
}
