import { mkdirSync, rmSync } from 'node:fs';
import { HALF_BAND_REACH } from '../audio/half-band.js';
import { RaisableWav } from '../audio/raisable-wav.js';
import { type BacklogBudget, CallBacklog } from '../audio/write-backlog.js';
import { SrsError } from '../core/errors.js';
import { CallMix, MAX_CHANNELS } from './call-mix.js';
import type { LegTimeline } from './leg-timeline.js';
import type { Payload } from './payload.js';

/** Every file begins narrow-band, and is raised when wide-band audio comes. */
const SAMPLE_RATE = 8000;
/** Readable by the owner and its group only. */
const FOLDER_MODE = 0o750;
/** Samples of a very late packet that are copied at a time. */
const BLOCK_SAMPLES = 8192;
const block = new Int16Array(BLOCK_SAMPLES);
const blockBytes = new Uint8Array(block.buffer);

interface LegFile {
  readonly writer: RaisableWav;
  readonly timeline: LegTimeline;
  written: number;
}

export interface CallFilesOptions {
  readonly budget: BacklogBudget;
  /** Go on with the files that are there, as the successor of a worker that died. */
  readonly resume?: boolean;
  /** Streams of the first offer: legs 1 to this are the channels of `call.wav`, two at least and eight at most. */
  readonly channels: number;
  /** Called once per episode: again only after a round of writes went well. */
  readonly onError: (error: unknown) => void;
  /** A stretch of a leg, or of `call.wav` when no leg is given, that will never be in its file. In ms of the call clock. */
  readonly onGivenUp: (leg: number | undefined, fromMs: number, toMs: number) => void;
}

/**
 * The files of one call: a mono WAV per leg, and `call.wav` with a leg in each channel, written from the legs' rings. What the disk does
 * not take waits in memory, see `patient-wav.ts`.
 */
export class CallFiles {
  readonly #directory: string;
  readonly #options: CallFilesOptions;
  readonly #backlog: CallBacklog;
  readonly #legs = new Map<number, LegFile>();
  readonly #mix: CallMix;
  #failed = false;

  /** Creates the folder and `call.wav`. Throws `SRS_RECORDING_WRITE` when they cannot be created. */
  constructor(directory: string, options: CallFilesOptions) {
    this.#directory = directory;
    this.#options = options;
    this.#backlog = new CallBacklog(options.budget);
    try {
      mkdirSync(directory, { recursive: true, mode: FOLDER_MODE });
    } catch (error) {
      throw new SrsError('SRS_RECORDING_WRITE', 'The folder of a recording cannot be made.', { cause: error });
    }
    const wanted = Math.max(2, Math.min(MAX_CHANNELS, options.channels));
    this.#mix = new CallMix(this.#create('call.wav', wanted), this.#legs);
  }

  static nameOf(leg: number): string {
    return `leg-${leg}.wav`;
  }

  /** Bytes of all files. */
  get bytes(): number {
    let sum = this.#mix.writer.bytes;
    for (const { writer } of this.#legs.values()) sum += writer.bytes;
    return sum;
  }

  /** Creates the file of a leg. Throws `SRS_RECORDING_WRITE` when it cannot be created. */
  addLeg(leg: number, timeline: LegTimeline): void {
    const writer = this.#create(CallFiles.nameOf(leg), 1, leg);
    // A file that is gone on with may be wide-band already.
    timeline.rerate(writer.sampleRate);
    this.#legs.set(leg, { writer, timeline, written: timeline.committed });
  }

  /** How much of a leg is in its file already, in ms. */
  foundMs(leg: number): number {
    return this.#options.resume ? RaisableWav.foundMs(this.#pathOf(CallFiles.nameOf(leg))) : 0;
  }

  /** Puts into `call.wav` what a leg's file had and `call.wav` had not, when the worker before died. */
  catchUp(leg: number): void {
    this.#mix.catchUp(leg);
    this.#updateKept();
  }

  removeLeg(leg: number): void {
    const file = this.#legs.get(leg);
    this.#legs.delete(leg);
    file?.writer.close();
    if (!file) return;
    this.#remove(file.writer.path);
  }

  /**
   * Doubles the rate of a leg, and of `call.wav` when that is lower: `rerate` does so with the timeline, between what is written before
   * and after. False when the disk does not allow it; then everything is as it was.
   */
  raise(leg: number, rerate: () => void): boolean {
    const file = this.#legs.get(leg);
    if (!file) return false;
    // A wide `call.wav` takes narrow legs, so this one comes first.
    if (leg <= this.#mix.channels && !this.#mix.raise(file.writer.sampleRate * 2)) return false;
    this.#writeLeg(file, file.timeline.committed);
    if (!file.writer.raise(file.timeline.untouched)) return false;
    file.written *= 2;
    rerate();
    // At its end the file was interpolated as if silence came. The ring knows what came.
    const { head, ring } = file.timeline;
    const from = Math.max(0, file.written - 4 * HALF_BAND_REACH, head - ring.capacity);
    if (from < file.written && !file.timeline.untouched) writeRing(file, from, file.written);
    this.#updateKept();
    return true;
  }

  /** Writes what is committed and what waits, and makes the headers true. False when something waits on. */
  flush(): boolean {
    let well = true;
    for (const file of this.#legs.values()) {
      const grown = this.#writeLeg(file, file.timeline.committed);
      if ((grown || file.writer.waiting) && !file.writer.flush()) well = false;
    }
    const grown = this.#mix.grow();
    if ((grown || this.#mix.writer.waiting) && !this.#mix.writer.flush()) well = false;
    if (well) this.#failed = false;
    this.#updateKept();
    return well;
  }

  /** One tick of the loop: what was narrow-band is brought over to wide-band files a little at a time. */
  step(): void {
    for (const { writer } of this.#legs.values()) writer.step();
    this.#mix.writer.step();
  }

  /** The ring of a leg is about to reuse the slots below `before`. */
  makeRoom(leg: number, before: number): void {
    const file = this.#legs.get(leg);
    if (!file) return;
    this.#writeLeg(file, file.timeline.committed);
    file.written = Math.max(file.written, before);
    this.#mix.makeRoom(leg, before);
    this.#updateKept();
  }

  /** Samples of a leg changed, or came to be, where files are already written. */
  patch(leg: number, from: number, to: number): void {
    const file = this.#legs.get(leg);
    if (!file) return;
    if (from < file.written) writeRing(file, from, Math.min(to, file.written));
    this.#mix.patch(leg, from, to);
  }

  /** Puts `length` samples of a very late packet, from its sample `first` on, where they belong in the files. */
  patchPast(leg: number, start: number, payload: Payload, first: number, length: number): void {
    const file = this.#legs.get(leg);
    if (!file) return;
    for (let done = 0; done < length; done += BLOCK_SAMPLES) {
      const count = Math.min(length - done, BLOCK_SAMPLES);
      payload.copyInto(block, first + done, first + done + count);
      file.writer.write(start + done, blockBytes, 0, count * 2);
    }
    this.#mix.patchPast(leg, start, payload, first, length);
  }

  /**
   * Writes the rest, makes every file as long as the call and closes them. False when the disk does not take it yet: then this is to be
   * asked again. With `force` it is done all the same, and what still waits is given up.
   */
  finish(endMs: number, force: boolean): boolean {
    let done = true;
    for (const file of this.#legs.values()) {
      const end = framesOf(endMs, file.timeline.rate);
      this.#writeLeg(file, Math.min(end, file.timeline.committed));
      if (!file.writer.finish(end, force)) done = false;
    }
    const { writer } = this.#mix;
    const end = framesOf(endMs, writer.sampleRate);
    this.#mix.writeTo(this.#legs.size > 0 ? end : 0);
    this.#updateKept();
    return writer.finish(end, force) && done;
  }

  /** Gives the descriptors back and leaves the files as they are. Idempotent. */
  close(): void {
    for (const { writer } of this.#legs.values()) writer.close();
    this.#mix.writer.close();
  }

  #create(name: string, channels: number, leg?: number): RaisableWav {
    const path = this.#pathOf(name);
    const file = new RaisableWav(
      path,
      { sampleRate: SAMPLE_RATE, channels },
      {
        backlog: this.#backlog,
        ...(this.#options.resume ? { resume: true } : {}),
        onError: (error) => this.#fail(error),
        onGivenUp: (fromMs, toMs) => this.#options.onGivenUp(leg, fromMs, toMs),
      },
    );
    try {
      file.begin();
    } catch (error) {
      file.close();
      this.#remove(path);
      throw error;
    }
    return file;
  }

  /** Not by `join`, whose results are trees of their pieces, ten times as large, and live as long as the file. */
  #pathOf(name: string): string {
    return `${this.#directory}/${name}`;
  }

  /** True when there was something to write. */
  #writeLeg(file: LegFile, end: number): boolean {
    if (end <= file.written) return false;
    writeRing(file, file.written, end);
    file.written = end;
    return true;
  }

  #updateKept(): void {
    for (const [leg, { timeline, written }] of this.#legs) {
      timeline.kept = Math.min(written, this.#mix.keptOf(leg, timeline));
    }
  }

  #remove(path: string): void {
    try {
      rmSync(path, { force: true });
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    if (!this.#failed) this.#options.onError(error);
    this.#failed = true;
  }
}

function framesOf(ms: number, sampleRate: number): number {
  return Math.round((ms * sampleRate) / 1000);
}

function writeRing({ writer, timeline }: LegFile, from: number, to: number): void {
  const { ring } = timeline;
  ring.eachPiece(from, to, (slot, length, position) => writer.write(position, ring.bytes, slot * 2, length * 2));
}
