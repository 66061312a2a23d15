import { G722Decoder } from '../audio/g722.js';
import { L16Decoder } from '../audio/l16.js';
import { OpusEngine } from '../audio/opus.js';
import type { PayloadDecoder } from '../audio/payload-decoder.js';
import { TableDecoder } from '../audio/table-decoder.js';
import type { MediaFormat } from '../core/model.js';
import { FfmpegRun, type FfmpegRunOptions } from './ffmpeg-run.js';
import type { AudioFormat } from './payload-table.js';

/** Children of one thread. Each takes some 15 MB: a recorder for so many calls of G.729 at once wants to be told that it is too small. */
const MAX_CHILDREN = 200;

/** Makes the decoders of a thread, and counts its children. */
export class Decoders {
  readonly #program: string | undefined;
  readonly #children = new Set<FfmpegRun>();
  #opus: OpusEngine | undefined;
  #loading: Promise<void> | undefined;

  /** @param program the ffmpeg to be started, when there is one */
  constructor(program?: string) {
    this.#program = program;
  }

  /** Children that run. */
  get children(): number {
    return this.#children.size;
  }

  /** Loads what these formats need. To be waited for before the first of their packets can come. */
  async prepare(formats: readonly MediaFormat[]): Promise<void> {
    if (!formats.some(({ encoding }) => encoding.toUpperCase() === 'OPUS')) return;
    this.#loading ??= OpusEngine.load().then((engine) => {
      this.#opus = engine;
    });
    await this.#loading;
  }

  /** A decoder for one source; undefined when there is none. */
  decoder({ name, table, sampleRate, channels }: AudioFormat): PayloadDecoder | undefined {
    if (table) return new TableDecoder(table, sampleRate);
    if (name === 'G722') return new G722Decoder();
    if (name === 'L16') return new L16Decoder(sampleRate, channels);
    return name === 'OPUS' ? this.#opus?.decoder() : undefined;
  }

  /** Starts a child for one source; undefined when there is no ffmpeg, or there are too many children. */
  run({ ffmpeg }: AudioFormat, events: Pick<FfmpegRunOptions, 'decoded' | 'ended'>): FfmpegRun | undefined {
    if (!this.#program || !ffmpeg || this.#children.size >= MAX_CHILDREN) return undefined;
    let run: FfmpegRun | undefined;
    try {
      run = new FfmpegRun({
        program: this.#program,
        decoder: ffmpeg.decoder,
        samplesPerFrame: ffmpeg.frames.samplesPerFrame,
        decoded: events.decoded,
        ended: (undecoded) => {
          if (!run) return;
          this.#children.delete(run);
          events.ended(undecoded);
        },
      });
    } catch {
      // The system has no more descriptors or processes: Node throws then, and may tell of the end of a child that never was.
      return undefined;
    }
    this.#children.add(run);
    return run;
  }
}
