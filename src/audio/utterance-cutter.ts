import type { CutReason } from '../core/model.js';
import { SampleQueue } from './sample-queue.js';

export interface UtteranceCutterOptions {
  readonly sampleRate: number;
  /** Length of one voice decision. */
  readonly frameMs: number;
  /** Kept before the first and after the last voiced frame, so that soft onsets and endings are not clipped. */
  readonly paddingMs: number;
  /** Voice that an utterance must hold; less is a click. */
  readonly minSpeechMs: number;
  /** Silence that ends an utterance. */
  readonly endSilenceMs: number;
  /** Length at which speech without a pause is cut, at its quietest place of late. */
  readonly maxUtteranceMs: number;
}

export const UTTERANCE_DEFAULTS: UtteranceCutterOptions = {
  sampleRate: 8000,
  frameMs: 20,
  paddingMs: 240,
  minSpeechMs: 100,
  endSilenceMs: 600,
  maxUtteranceMs: 25_000,
};

/** An utterance with its place on the call clock, in samples. */
export interface Cut {
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
  readonly reason: CutReason;
  /** Its own copy. */
  readonly samples: Int16Array;
}

/** How far back from the maximum the quietest frame is looked for. */
const SEARCH_MS = 3000;
/** Speech begins when three of five frames are voiced: one knock is not a word. */
const WINDOW_FRAMES = 5;
const WINDOW_VOICED = 3;

/**
 * Cuts the samples of one leg into utterances. Pure: samples in, cuts out; whether a frame holds voice is asked of `isVoiced`.
 *
 * While nobody speaks it keeps only the padding and the window; while somebody speaks it keeps the utterance.
 */
export class UtteranceCutter {
  readonly #isVoiced: (frame: Int16Array) => boolean;
  readonly #emit: (cut: Cut) => void;
  readonly #frame: Int16Array;
  readonly #padding: number;
  readonly #minVoiced: number;
  readonly #endSilence: number;
  readonly #max: number;
  readonly #search: number;
  #filled = 0;
  /** Samples kept; the first of them is at `#start` on the call clock. */
  readonly #kept = new SampleQueue();
  #start: number;
  #speaking = false;
  /** The last voice decisions, the newest in bit 0. */
  #window = 0;
  #voicedSamples = 0;
  /** Place in `#kept` after the last voiced frame. */
  #lastVoiced = 0;

  /** @param position of the first sample, on the call clock */
  constructor(
    options: Partial<UtteranceCutterOptions>,
    isVoiced: (frame: Int16Array) => boolean,
    emit: (cut: Cut) => void,
    position = 0,
  ) {
    const set = { ...UTTERANCE_DEFAULTS, ...options };
    const samples = (ms: number) => Math.round((ms * set.sampleRate) / 1000);
    this.#isVoiced = isVoiced;
    this.#emit = emit;
    this.#frame = new Int16Array(samples(set.frameMs));
    this.#padding = samples(set.paddingMs);
    this.#minVoiced = samples(set.minSpeechMs);
    this.#endSilence = Math.max(samples(set.endSilenceMs), this.#frame.length);
    this.#max = Math.max(samples(set.maxUtteranceMs), this.#frame.length * WINDOW_FRAMES * 2);
    this.#search = Math.min(samples(SEARCH_MS), this.#max >> 1);
    this.#start = position;
  }

  /** Whether an utterance is in progress. */
  get speaking(): boolean {
    return this.#speaking;
  }

  /** Takes the next samples of the leg: `length` of them from `offset`. */
  push(samples: Int16Array, offset = 0, length = samples.length - offset): void {
    const frame = this.#frame;
    const size = frame.length;
    const end = offset + length;
    for (let at = offset; at < end; ) {
      if (this.#filled === 0 && end - at >= size) {
        this.#take(samples.subarray(at, at + size));
        at += size;
        continue;
      }
      const take = Math.min(end - at, size - this.#filled);
      frame.set(samples.subarray(at, at + take), this.#filled);
      this.#filled += take;
      at += take;
      if (this.#filled === size) {
        this.#filled = 0;
        this.#take(frame);
      }
    }
  }

  /** Ends the utterance in progress: the leg is held, or the call is over. Keeps its place on the clock. */
  flush(reason: 'hold' | 'end'): void {
    this.#kept.append(this.#frame.subarray(0, this.#filled));
    this.#filled = 0;
    if (this.#speaking) this.#cut(Math.min(this.#kept.length, this.#lastVoiced + this.#padding), reason);
    this.#drop(this.#kept.length);
    this.#window = 0;
  }

  /** Takes one whole frame; it is read at once and not kept. */
  #take(frame: Int16Array): void {
    const voiced = this.#isVoiced(frame);
    this.#kept.append(frame);
    this.#window = ((this.#window << 1) | (voiced ? 1 : 0)) & ((1 << WINDOW_FRAMES) - 1);
    if (this.#speaking) this.#goOn(voiced);
    else this.#wait();
  }

  #wait(): void {
    const keep = this.#padding + WINDOW_FRAMES * this.#frame.length;
    if (this.#kept.length > keep) this.#drop(this.#kept.length - keep);
    let voicedFrames = 0;
    for (let bits = this.#window; bits !== 0; bits >>= 1) voicedFrames += bits & 1;
    if (voicedFrames < WINDOW_VOICED) return;
    this.#speaking = true;
    this.#voicedSamples = voicedFrames * this.#frame.length;
    this.#lastVoiced = this.#kept.length;
  }

  #goOn(voiced: boolean): void {
    if (voiced) {
      this.#voicedSamples += this.#frame.length;
      this.#lastVoiced = this.#kept.length;
    }
    if (this.#kept.length - this.#lastVoiced >= this.#endSilence) {
      this.#cut(Math.min(this.#kept.length, this.#lastVoiced + this.#padding), 'silence');
    } else if (this.#kept.length >= this.#max) {
      this.#cut(this.#quietestPlace(), 'max_length');
      // Somebody is still speaking: the rest is the beginning of the next utterance.
      this.#speaking = true;
      this.#voicedSamples = this.#minVoiced;
      this.#lastVoiced = this.#kept.length;
    }
  }

  #cut(end: number, reason: CutReason): void {
    const start = this.#start;
    const enough = this.#voicedSamples >= this.#minVoiced;
    const samples = enough ? this.#kept.copy(0, end) : undefined;
    this.#speaking = false;
    this.#window = 0;
    this.#drop(end);
    if (samples) this.#emit({ start, end: start + end, reason, samples });
  }

  /** The middle of the quietest frame among the last seconds. */
  #quietestPlace(): number {
    const size = this.#frame.length;
    const { length } = this.#kept;
    const first = length - Math.floor(this.#search / size) * size;
    const recent = this.#kept.copy(first, length);
    let best = length;
    let least = Number.POSITIVE_INFINITY;
    for (let at = recent.length - size; at >= 0; at -= size) {
      let energy = 0;
      for (let i = at; i < at + size; i++) energy += (recent[i] as number) ** 2;
      if (energy < least) {
        least = energy;
        best = first + at + (size >> 1);
      }
    }
    return best;
  }

  #drop(count: number): void {
    this.#kept.drop(count);
    this.#start += count;
  }
}
