import { FfmpegStream } from '../audio/ffmpeg-stream.js';
import type { FfmpegDecoderName } from '../core/audio-codec.js';
import type { PayloadPlace } from './payload.js';

/** A frame whose samples have not come yet. */
interface AwaitedFrame {
  readonly place: PayloadPlace;
  /** Age of the run when it was fed, in ms. */
  readonly fedAt: number;
  /** Whether the frame before it in time is the one before it here. */
  readonly follows: boolean;
}

interface UnplacedFrame extends AwaitedFrame {
  readonly samples: Int16Array;
}

/** How long the leg waits for samples before live users are told that there is silence; the file gets them whenever they come. */
const HELD_MS = 1500;
/** A child that owes samples for so long hangs. Starting takes a tenth of a second, on a machine that has time. */
const HANGS_MS = 3000;
/** A tick of ours that takes longer is a stall, in which the child may have been quick. */
const LONGEST_TICK_MS = 200;

export interface FfmpegRunOptions {
  readonly program: string;
  readonly decoder: FfmpegDecoderName;
  readonly samplesPerFrame: number;
  /** Samples of a frame, and where they belong. The array is not used again. */
  readonly decoded: (samples: Int16Array, place: PayloadPlace, follows: boolean) => void;
  /** The child is gone, and so are the samples of the frames that came to stand here. Called once. */
  readonly ended: (undecoded: readonly PayloadPlace[]) => void;
}

/** One child of a leg and the frames that it owes: each frame has a known number of samples, so what comes out first belongs to the first. */
export class FfmpegRun {
  readonly #options: FfmpegRunOptions;
  readonly #stream: FfmpegStream;
  #awaited: AwaitedFrame[] = [];
  #unplaced: UnplacedFrame[] = [];
  #frame: Int16Array;
  #filled = 0;
  #ageMs = 0;
  #tickedAt: number | undefined;
  #over = false;

  constructor(options: FfmpegRunOptions) {
    this.#options = options;
    this.#frame = new Int16Array(options.samplesPerFrame);
    this.#stream = new FfmpegStream(options.program, options.decoder, {
      samples: (samples) => this.#take(samples),
      ended: () => this.#end(),
    });
  }

  /** Lowest position of which samples are owed; infinite when live users need not wait. */
  get owedFrom(): PayloadPlace | undefined {
    const [first] = this.#awaited;
    return first && this.#ageMs - first.fedAt < HELD_MS ? first.place : undefined;
  }

  /** Frames of one packet with their places. False when the child is gone or hangs. */
  feed(
    frames: readonly { readonly bytes: Uint8Array; readonly place: PayloadPlace; readonly follows: boolean }[],
  ): boolean {
    if (this.#over) return false;
    for (const { place, follows } of frames) this.#awaited.push({ place, follows, fedAt: this.#ageMs });
    if (this.#stream.feed(frames.map(({ bytes }) => bytes))) return true;
    this.close();
    return false;
  }

  tick(nowMs: number): void {
    this.#ageMs += Math.min(LONGEST_TICK_MS, Math.max(0, nowMs - (this.#tickedAt ?? nowMs)));
    this.#tickedAt = nowMs;
    if (this.#unplaced.length > 0) {
      const known = this.#unplaced.filter(({ place }) => place.known);
      this.#unplaced = this.#unplaced.filter(({ place, fedAt }) => !place.known && this.#ageMs - fedAt < HANGS_MS);
      for (const { samples, place, follows } of known) this.#options.decoded(samples, place, follows);
    }
    const [first] = this.#awaited;
    if (first && this.#ageMs - first.fedAt >= HANGS_MS) this.close();
  }

  /** No more frames come: the child ends when it has given what it owes. */
  retire(): void {
    this.#stream.end();
  }

  /** Ends the child at once. Idempotent. */
  close(): void {
    this.#stream.close();
    this.#end();
  }

  #take(samples: Int16Array): void {
    const size = this.#options.samplesPerFrame;
    for (let done = 0; done < samples.length; ) {
      const take = Math.min(samples.length - done, size - this.#filled);
      this.#frame.set(samples.subarray(done, done + take), this.#filled);
      done += take;
      this.#filled += take;
      if (this.#filled < size) return;
      const whole = this.#frame;
      this.#frame = new Int16Array(size);
      this.#filled = 0;
      const owed = this.#awaited.shift();
      if (!owed) continue;
      if (owed.place.known) this.#options.decoded(whole, owed.place, owed.follows);
      else this.#unplaced.push({ ...owed, samples: whole });
    }
  }

  #end(): void {
    if (this.#over) return;
    this.#over = true;
    const undecoded = this.#awaited.map(({ place }) => place);
    this.#awaited = [];
    this.#options.ended(undecoded);
  }
}
