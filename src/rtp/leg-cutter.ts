import { type Cut, UtteranceCutter, type UtteranceCutterOptions } from '../audio/utterance-cutter.js';
import type { VoiceActivity, VoiceActivityEngine } from '../audio/voice-activity.js';
import type { CutReason } from '../core/model.js';

/** A piece of speech of one leg, on the call clock. */
export interface LegCut {
  readonly number: number;
  readonly startMs: number;
  readonly endMs: number;
  readonly reason: CutReason;
  readonly samples: Int16Array;
  readonly sampleRate: number;
}

/** Cuts the speech of one leg at the rate that the leg has, and counts the pieces. */
export class LegCutter {
  readonly #voice: VoiceActivityEngine;
  readonly #options: Partial<UtteranceCutterOptions>;
  readonly #emit: (cut: LegCut) => void;
  #detector: VoiceActivity;
  #cutter: UtteranceCutter;
  #sampleRate = 8000;
  #number: number;

  /** @param originMs place of the first sample on the call clock; `before` is how many pieces were cut already */
  constructor(
    voice: VoiceActivityEngine,
    options: Partial<UtteranceCutterOptions>,
    originMs: number,
    before: number,
    emit: (cut: LegCut) => void,
  ) {
    this.#voice = voice;
    this.#options = options;
    this.#emit = emit;
    this.#number = before;
    this.#detector = voice.detector(this.#sampleRate);
    this.#cutter = this.#make(this.#sampleRate, originMs);
  }

  /** Takes the next samples of the leg. */
  push(samples: Int16Array, offset: number, length: number): void {
    this.#cutter.push(samples, offset, length);
  }

  /** Ends the utterance in progress. */
  flush(reason: 'hold' | 'end'): void {
    this.#cutter.flush(reason);
  }

  /** The leg has another rate from here on. What is being said is cut: no utterance has two rates. */
  rerate(sampleRate: number, atMs: number): void {
    if (sampleRate === this.#sampleRate) return;
    this.#sampleRate = sampleRate;
    this.flush('hold');
    this.#detector.close();
    this.#detector = this.#voice.detector(sampleRate);
    this.#cutter = this.#make(sampleRate, atMs);
  }

  /** Frees the voice detector. Idempotent. */
  close(): void {
    this.#detector.close();
  }

  #make(sampleRate: number, originMs: number): UtteranceCutter {
    const perMs = sampleRate / 1000;
    const emit = ({ start, end, reason, samples }: Cut): void => {
      this.#number++;
      this.#emit({ number: this.#number, startMs: start / perMs, endMs: end / perMs, reason, samples, sampleRate });
    };
    const isVoiced = (frame: Int16Array): boolean => this.#detector.isSpeech(frame);
    return new UtteranceCutter({ ...this.#options, sampleRate }, isVoiced, emit, Math.round(originMs * perMs));
  }
}
