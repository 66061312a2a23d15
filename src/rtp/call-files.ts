import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { WavWriter } from '../audio/wav-writer.js';
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
  readonly writer: WavWriter;
  readonly timeline: LegTimeline;
  written: number;
}

/** The files of one call: a mono WAV per leg and a stereo WAV of legs 1 and 2, written from the legs' rings. */
export class CallFiles {
  readonly #directory: string;
  readonly #onError: (error: unknown) => void;
  readonly #legs = new Map<number, LegFile>();
  readonly #stereo: WavWriter;
  #stereoWritten = 0;
  #failed = false;

  /**
   * Creates the folder and `call.wav`. Throws `SRS_RECORDING_WRITE` when they cannot be created.
   *
   * @param onError called once per episode: again only after a round of writes went well
   */
  constructor(directory: string, onError: (error: unknown) => void) {
    this.#directory = directory;
    this.#onError = onError;
    try {
      mkdirSync(directory, { recursive: true, mode: FOLDER_MODE });
    } catch (error) {
      throw new SrsError('SRS_RECORDING_WRITE', 'The folder of a recording cannot be made.', { cause: error });
    }
    this.#stereo = new WavWriter(join(directory, 'call.wav'), { sampleRate: SAMPLE_RATE, channels: CHANNELS });
    this.#attempt(() => this.#stereo.flush());
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
    const path = join(this.#directory, CallFiles.nameOf(leg));
    const writer = new WavWriter(path, { sampleRate: SAMPLE_RATE, channels: 1 });
    this.#legs.set(leg, { writer, timeline, written: timeline.committed });
    this.#attempt(() => writer.flush());
  }

  removeLeg(leg: number): void {
    const file = this.#legs.get(leg);
    this.#legs.delete(leg);
    file?.writer.close();
    if (file) this.#attempt(() => rmSync(file.writer.path, { force: true }));
  }

  /** Writes what is committed and makes the headers true. */
  flush(): void {
    let well = true;
    for (const file of this.#legs.values()) {
      if (!this.#attempt(() => this.#writeLeg(file, file.timeline.committed))) well = false;
    }
    if (!this.#attempt(() => this.#writeStereo(this.#commonEnd()))) well = false;
    if (well) this.#failed = false;
    this.#updateKept();
  }

  /** The ring of a leg is about to reuse the slots below `before`: what cannot be written by now is given up. */
  makeRoom(leg: number, before: number): void {
    const file = this.#legs.get(leg);
    if (!file) return;
    this.#attempt(() => this.#writeLeg(file, file.timeline.committed));
    file.written = Math.max(file.written, before);
    if (leg <= CHANNELS && this.#stereoWritten < before) {
      this.#attempt(() => this.#writeStereo(before));
      this.#stereoWritten = Math.max(this.#stereoWritten, before);
    }
    this.#updateKept();
  }

  /** Samples of a leg changed, or came to be, where files are already written. */
  patch(leg: number, from: number, to: number): void {
    const file = this.#legs.get(leg);
    if (!file) return;
    if (from < file.written) {
      const end = Math.min(to, file.written);
      this.#attempt(() => writeRing(file.writer, file.timeline, from, end));
    }
    if (leg <= CHANNELS && from < this.#stereoWritten) {
      const end = Math.min(to, this.#stereoWritten);
      this.#attempt(() => this.#patchStereo(from, end, (at, to) => copyChannel(file.timeline, leg, at, to)));
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
      this.#attempt(() => file.writer.write(from, blockBytes, 0, (to - from) * 2));
    }
    if (leg > CHANNELS) return;
    this.#attempt(() => this.#patchStereo(start, start + length, (at, to) => decode(at, to, leg - 1, CHANNELS)));
  }

  /** Writes the rest, makes every file as long as the call and closes them. */
  finish(endMs: number): void {
    const end = Math.round((endMs * SAMPLE_RATE) / 1000);
    for (const file of this.#legs.values()) {
      this.#attempt(() => this.#writeLeg(file, Math.min(end, file.timeline.committed)));
      this.#attempt(() => file.writer.finish(end));
    }
    this.#attempt(() => this.#writeStereo(this.#legs.size > 0 ? end : 0));
    this.#attempt(() => this.#stereo.finish(end));
  }

  /** Gives the descriptors back and leaves the files as they are. Idempotent. */
  close(): void {
    for (const { writer } of this.#legs.values()) writer.close();
    this.#stereo.close();
  }

  #writeLeg(file: LegFile, end: number): void {
    if (end <= file.written) return;
    writeRing(file.writer, file.timeline, file.written, end);
    file.written = end;
    file.writer.flush();
  }

  #writeStereo(end: number): void {
    if (end <= this.#stereoWritten) return;
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
    this.#stereo.flush();
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

  #attempt(write: () => void): boolean {
    try {
      write();
      return true;
    } catch (error) {
      if (!this.#failed) this.#onError(error);
      this.#failed = true;
      return false;
    }
  }
}

function writeRing(writer: WavWriter, timeline: LegTimeline, from: number, to: number): void {
  const { ring } = timeline;
  ring.eachPiece(from, to, (slot, length, position) => writer.write(position, ring.bytes, slot * 2, length * 2));
}

/** Puts the part of `[from, to)` that the ring holds into one channel of the block, whose first frame is `from`. */
function copyChannel(timeline: LegTimeline, leg: number, from: number, to: number): void {
  const start = Math.max(from, timeline.head - timeline.ring.capacity, 0);
  const end = Math.min(to, timeline.head);
  if (start < end) timeline.ring.copyInto(block, start, end, (start - from) * CHANNELS + leg - 1, CHANNELS);
}
