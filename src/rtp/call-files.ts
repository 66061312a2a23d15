import { mkdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { PatientWav } from '../audio/patient-wav.js';
import { WAV_HEADER_BYTES } from '../audio/wav-writer.js';
import { type BacklogBudget, CallBacklog } from '../audio/write-backlog.js';
import { SrsError } from '../core/errors.js';
import type { LegTimeline } from './leg-timeline.js';
import type { Payload } from './payload.js';

const SAMPLE_RATE = 8000;
/** Readable by the owner and its group only. */
const FOLDER_MODE = 0o750;
/** Legs 1 and 2 are the channels of `call.wav`. */
const CHANNELS = 2;
/** Frames that are interleaved at a time. One block serves all calls of a thread: it is used up before the call returns. */
const BLOCK_FRAMES = 8192;
const block = new Int16Array(BLOCK_FRAMES * CHANNELS);
const blockBytes = new Uint8Array(block.buffer);

interface LegFile {
  readonly writer: PatientWav;
  readonly timeline: LegTimeline;
  written: number;
}

export interface CallFilesOptions {
  readonly budget: BacklogBudget;
  /** Go on with the files that are there, as the successor of a worker that died. */
  readonly resume?: boolean;
  /** Called once per episode: again only after a round of writes went well. */
  readonly onError: (error: unknown) => void;
  /** A stretch of a leg, or of `call.wav` when no leg is given, that will never be in its file. In ms of the call clock. */
  readonly onGivenUp: (leg: number | undefined, fromMs: number, toMs: number) => void;
}

/**
 * The files of one call: a mono WAV per leg and a stereo WAV of legs 1 and 2, written from the legs' rings. What the disk does not take
 * waits in memory, see `patient-wav.ts`.
 */
export class CallFiles {
  readonly #directory: string;
  readonly #options: CallFilesOptions;
  readonly #backlog: CallBacklog;
  readonly #legs = new Map<number, LegFile>();
  readonly #stereo: PatientWav;
  #stereoWritten = 0;
  /** Frames of `call.wav` that were there at the beginning. */
  readonly #stereoFound: number;
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
    this.#stereo = this.#create('call.wav', CHANNELS);
    this.#stereoFound = this.#stereo.frames;
    this.#stereoWritten = this.#stereoFound;
  }

  static nameOf(leg: number): string {
    return `leg-${leg}.wav`;
  }

  /** Bytes of all files. */
  get bytes(): number {
    let sum = this.#stereo.bytes;
    for (const { writer } of this.#legs.values()) sum += writer.bytes;
    return sum;
  }

  /** Creates the file of a leg. Throws `SRS_RECORDING_WRITE` when it cannot be created. */
  addLeg(leg: number, timeline: LegTimeline): void {
    const writer = this.#create(CallFiles.nameOf(leg), 1, leg);
    this.#legs.set(leg, { writer, timeline, written: timeline.committed });
  }

  /** How much of a leg is in its file already, in ms. */
  foundMs(leg: number): number {
    try {
      const frames = Math.floor((statSync(join(this.#directory, CallFiles.nameOf(leg))).size - WAV_HEADER_BYTES) / 2);
      return this.#options.resume ? (Math.max(0, frames) * 1000) / SAMPLE_RATE : 0;
    } catch {
      return 0;
    }
  }

  /** Puts into `call.wav` what a leg's file had and `call.wav` had not, when the worker before died. */
  catchUp(leg: number): void {
    const file = this.#legs.get(leg);
    if (!file || leg > CHANNELS) return;
    const samples = new Int16Array(BLOCK_FRAMES);
    const bytes = new Uint8Array(samples.buffer);
    const end = file.writer.frames;
    this.#patchStereo(this.#stereoFound, end, (from, to) => {
      file.writer.read(from, bytes, 0, (to - from) * 2);
      for (let i = 0; i < to - from; i++) block[i * CHANNELS + leg - 1] = samples[i] as number;
    });
    this.#stereoWritten = Math.max(this.#stereoWritten, end);
    this.#updateKept();
  }

  removeLeg(leg: number): void {
    const file = this.#legs.get(leg);
    this.#legs.delete(leg);
    file?.writer.close();
    if (!file) return;
    this.#remove(file.writer.path);
  }

  /** Writes what is committed and what waits, and makes the headers true. False when something waits on. */
  flush(): boolean {
    let well = true;
    for (const file of this.#legs.values()) {
      const grown = this.#writeLeg(file, file.timeline.committed);
      if ((grown || file.writer.waiting) && !file.writer.flush()) well = false;
    }
    const grown = this.#writeStereo(this.#commonEnd());
    if ((grown || this.#stereo.waiting) && !this.#stereo.flush()) well = false;
    if (well) this.#failed = false;
    this.#updateKept();
    return well;
  }

  /** The ring of a leg is about to reuse the slots below `before`. */
  makeRoom(leg: number, before: number): void {
    const file = this.#legs.get(leg);
    if (!file) return;
    this.#writeLeg(file, file.timeline.committed);
    file.written = Math.max(file.written, before);
    if (leg <= CHANNELS) this.#writeStereo(before);
    this.#updateKept();
  }

  /** Samples of a leg changed, or came to be, where files are already written. */
  patch(leg: number, from: number, to: number): void {
    const file = this.#legs.get(leg);
    if (!file) return;
    if (from < file.written) {
      const end = Math.min(to, file.written);
      writeRing(file.writer, file.timeline, from, end);
    }
    if (leg <= CHANNELS && from < this.#stereoWritten) {
      const end = Math.min(to, this.#stereoWritten);
      this.#patchStereo(from, end, (at, to) => copyChannel(file.timeline, leg, at, to));
    }
  }

  /** Puts `length` samples of a very late packet, from its sample `first` on, where they belong in the files. */
  patchPast(leg: number, start: number, payload: Payload, first: number, length: number): void {
    const file = this.#legs.get(leg);
    if (!file) return;
    const decode = (from: number, to: number, at: number, stride: number): void =>
      payload.copyInto(block, first + from - start, first + to - start, at, stride);
    for (let from = start; from < start + length; from += BLOCK_FRAMES) {
      const to = Math.min(start + length, from + BLOCK_FRAMES);
      decode(from, to, 0, 1);
      file.writer.write(from, blockBytes, 0, (to - from) * 2);
    }
    if (leg > CHANNELS) return;
    this.#patchStereo(start, start + length, (at, to) => decode(at, to, leg - 1, CHANNELS));
  }

  /**
   * Writes the rest, makes every file as long as the call and closes them. False when the disk does not take it yet: then this is to be
   * asked again. With `force` it is done all the same, and what still waits is given up.
   */
  finish(endMs: number, force: boolean): boolean {
    const end = Math.round((endMs * SAMPLE_RATE) / 1000);
    let done = true;
    for (const file of this.#legs.values()) {
      this.#writeLeg(file, Math.min(end, file.timeline.committed));
      if (!file.writer.finish(end, force)) done = false;
    }
    this.#writeStereo(this.#legs.size > 0 ? end : 0);
    this.#updateKept();
    return this.#stereo.finish(end, force) && done;
  }

  /** Gives the descriptors back and leaves the files as they are. Idempotent. */
  close(): void {
    for (const { writer } of this.#legs.values()) writer.close();
    this.#stereo.close();
  }

  #create(name: string, channels: number, leg?: number): PatientWav {
    const path = join(this.#directory, name);
    const file = new PatientWav(
      path,
      { sampleRate: SAMPLE_RATE, channels },
      {
        backlog: this.#backlog,
        ...(this.#options.resume ? { resume: true } : {}),
        onError: (error) => this.#fail(error),
        onGivenUp: (from, to) => this.#options.onGivenUp(leg, (from * 1000) / SAMPLE_RATE, (to * 1000) / SAMPLE_RATE),
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

  /** True when there was something to write. */
  #writeLeg(file: LegFile, end: number): boolean {
    if (end <= file.written) return false;
    writeRing(file.writer, file.timeline, file.written, end);
    file.written = end;
    return true;
  }

  #writeStereo(end: number): boolean {
    if (end <= this.#stereoWritten) return false;
    while (this.#stereoWritten < end) {
      const from = this.#stereoWritten;
      const to = Math.min(end, from + BLOCK_FRAMES);
      block.fill(0, 0, (to - from) * CHANNELS);
      for (let leg = 1; leg <= CHANNELS; leg++) {
        const timeline = this.#legs.get(leg)?.timeline;
        if (timeline) copyChannel(timeline, leg, from, to);
      }
      this.#stereo.write(from, blockBytes, 0, (to - from) * CHANNELS * 2);
      this.#stereoWritten = to;
    }
    return true;
  }

  /** Reads frames back, lets `fill` put one channel into the block, and writes them again. */
  #patchStereo(start: number, end: number, fill: (from: number, to: number) => void): void {
    for (let from = start; from < end; from += BLOCK_FRAMES) {
      const to = Math.min(end, from + BLOCK_FRAMES);
      const bytes = (to - from) * CHANNELS * 2;
      blockBytes.fill(0, 0, bytes);
      this.#stereo.read(from, blockBytes, 0, bytes);
      fill(from, to);
      this.#stereo.write(from, blockBytes, 0, bytes);
    }
  }

  /** How far both channels are committed; a channel without a leg waits for nobody. */
  #commonEnd(): number {
    let end = Number.POSITIVE_INFINITY;
    for (let leg = 1; leg <= CHANNELS; leg++) {
      const timeline = this.#legs.get(leg)?.timeline;
      if (timeline) end = Math.min(end, timeline.committed);
    }
    return Number.isFinite(end) ? end : 0;
  }

  #updateKept(): void {
    for (const [leg, file] of this.#legs) {
      file.timeline.kept = leg <= CHANNELS ? Math.min(file.written, this.#stereoWritten) : file.written;
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

function writeRing(writer: PatientWav, timeline: LegTimeline, from: number, to: number): void {
  const { ring } = timeline;
  ring.eachPiece(from, to, (slot, length, position) => writer.write(position, ring.bytes, slot * 2, length * 2));
}

/** Puts the part of `[from, to)` that the ring holds into one channel of the block, whose first frame is `from`. */
function copyChannel(timeline: LegTimeline, leg: number, from: number, to: number): void {
  const start = Math.max(from, timeline.head - timeline.ring.capacity, 0);
  const end = Math.min(to, timeline.head);
  if (start < end) timeline.ring.copyInto(block, start, end, (start - from) * CHANNELS + leg - 1, CHANNELS);
}
