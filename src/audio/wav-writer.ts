import { closeSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import { SrsError } from '../core/errors.js';

/** Bytes before the first sample: RIFF, `fmt ` and the head of `data`. */
export const WAV_HEADER_BYTES = 44;
/** RIFF sizes are 32 bits; a longer file says this and goes on. */
const MAX_DATA_BYTES = 0xffffffff - WAV_HEADER_BYTES;

export interface WavFormat {
  readonly sampleRate: number;
  readonly channels: number;
}

/** One for all files of a thread: it is written as soon as it is made. */
const scratch = Buffer.alloc(WAV_HEADER_BYTES);

/** The canonical 44-byte header of 16-bit PCM. */
export function wavHeader(
  { sampleRate, channels }: WavFormat,
  dataBytes: number,
  header = Buffer.alloc(WAV_HEADER_BYTES),
): Buffer {
  const size = Math.min(dataBytes, MAX_DATA_BYTES);
  header.write('RIFF', 0, 'latin1');
  header.writeUInt32LE(size + WAV_HEADER_BYTES - 8, 4);
  header.write('WAVEfmt ', 8, 'latin1');
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(1, 20);
  header.writeUInt16LE(channels, 22);
  header.writeUInt32LE(sampleRate, 24);
  header.writeUInt32LE(sampleRate * channels * 2, 28);
  header.writeUInt16LE(channels * 2, 32);
  header.writeUInt16LE(16, 34);
  header.write('data', 36, 'latin1');
  header.writeUInt32LE(size, 40);
  return header;
}

/**
 * A 16-bit PCM WAV that grows while it is read by others. The header is right after every `flush`, so whatever ends the process leaves
 * a file that plays. Writes are synchronous and at positions: measured, one write of a second of audio blocks for 0.1 ms and costs half
 * of an asynchronous one, and a late packet can be put where it belongs. Frames that nobody wrote read as silence.
 *
 * Every method that touches the disk throws `SRS_RECORDING_WRITE`, and can be called again.
 */
export class WavWriter {
  readonly path: string;
  #format: WavFormat;
  #frameBytes: number;
  #fd: number | undefined;
  #frames = 0;

  /**
   * Creates the file, or empties it. Its header comes with the first `flush`. With `resume` a file that is there is gone on with: all
   * that it has is kept.
   */
  constructor(path: string, format: WavFormat, resume = false) {
    this.path = path;
    this.#format = format;
    this.#frameBytes = format.channels * 2;
    try {
      const old = resume ? openOld(path) : undefined;
      this.#fd = old ?? openSync(path, 'w+', 0o640);
      if (old !== undefined) this.#frames = framesOf(fstatSync(old).size, this.#frameBytes);
    } catch (error) {
      throw failed('opened', error);
    }
  }

  /** Frames from the start of the file to the end of the furthest write. */
  get frames(): number {
    return this.#frames;
  }

  /** Size of the file. */
  get bytes(): number {
    return WAV_HEADER_BYTES + this.#frames * this.#frameBytes;
  }

  /** Writes `length` bytes of `block` at a frame, past the end or over what is there. */
  write(frame: number, block: Uint8Array, offset: number, length: number): void {
    this.#put(WAV_HEADER_BYTES + frame * this.#frameBytes, block, offset, length);
    this.#frames = Math.max(this.#frames, frame + Math.floor(length / this.#frameBytes));
  }

  /** Reads back `length` bytes at a frame; what the file does not have stays as it was in `block`. */
  read(frame: number, block: Uint8Array, offset: number, length: number): void {
    try {
      if (this.#fd !== undefined)
        readSync(this.#fd, block, offset, length, WAV_HEADER_BYTES + frame * this.#frameBytes);
    } catch (error) {
      throw failed('read', error);
    }
  }

  /** Makes the header true. */
  flush(): void {
    this.#put(0, wavHeader(this.#format, this.#frames * this.#frameBytes, scratch), 0, WAV_HEADER_BYTES);
  }

  /** Empties the file and begins anew in another format. */
  restart(format: WavFormat): void {
    this.#format = format;
    this.#frameBytes = format.channels * 2;
    this.#frames = 0;
    try {
      if (this.#fd !== undefined) ftruncateSync(this.#fd, 0);
    } catch (error) {
      throw failed('emptied', error);
    }
    this.flush();
  }

  /** Makes the file `frames` long, with silence or a cut at its end, and closes it. Idempotent; the descriptor never leaks. */
  finish(frames: number): void {
    const fd = this.#fd;
    if (fd === undefined) return;
    try {
      this.#frames = frames;
      ftruncateSync(fd, this.bytes);
      this.flush();
    } catch (error) {
      throw error instanceof SrsError ? error : failed('finished', error);
    } finally {
      this.close();
    }
  }

  /** Gives the descriptor back and leaves the file as it is. Idempotent. */
  close(): void {
    if (this.#fd === undefined) return;
    const fd = this.#fd;
    this.#fd = undefined;
    closeSync(fd);
  }

  get format(): WavFormat {
    return this.#format;
  }

  #put(position: number, block: Uint8Array, offset: number, length: number): void {
    const fd = this.#fd;
    if (fd === undefined) return;
    try {
      for (let done = 0; done < length; ) done += writeSync(fd, block, offset + done, length - done, position + done);
    } catch (error) {
      throw failed('written', error);
    }
  }
}

function openOld(path: string): number | undefined {
  try {
    return openSync(path, 'r+');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Whole frames of a file; one that was cut off in the middle is written anew. */
function framesOf(bytes: number, frameBytes: number): number {
  return Math.max(0, Math.floor((bytes - WAV_HEADER_BYTES) / frameBytes));
}

/** The message carries the system's code, not the path: the path belongs to the record, not to a log line. */
function failed(what: string, cause: unknown): SrsError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown';
  return new SrsError('SRS_RECORDING_WRITE', `A recording cannot be ${what}: ${code}.`, { cause, facts: { code } });
}
