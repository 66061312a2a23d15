import { wordErrorRate } from '../transcript/word-error-rate.js';
import { type DemoScript, wordsOf } from './demo-script.js';

/** One utterance as a subscriber heard it. */
export interface HeardUtterance {
  readonly name: string;
  readonly text: string;
  readonly delayMs: number;
}

export interface DemoScore {
  /** Words of the script. */
  readonly words: number;
  readonly errors: number;
  /** 0…1. Words under the wrong name are wrong words. */
  readonly wordErrorRate: number;
  readonly medianDelayMs: number;
  readonly worstDelayMs: number;
  readonly passed: boolean;
}

/** The demo passes with at most one word in ten wrong. */
const MAX_WORD_ERROR_RATE = 0.1;

/** Compares what was heard under each name with what that person says in the script. */
export function scoreDemo(script: DemoScript, heard: readonly HeardUtterance[]): DemoScore {
  let words = 0;
  let errors = 0;
  for (const [index, speaker] of script.speakers.entries()) {
    const said = heard.filter((utterance) => utterance.name === speaker.name).map((utterance) => utterance.text);
    const result = wordErrorRate(wordsOf(script, index), said.join(' '));
    words += result.words;
    errors += result.errors;
  }
  const known = new Set(script.speakers.map((speaker) => speaker.name));
  const stray = heard.filter((utterance) => !known.has(utterance.name)).map((utterance) => utterance.text);
  errors += wordErrorRate('', stray.join(' ')).insertions;
  const delays = heard.map((utterance) => utterance.delayMs).sort((a, b) => a - b);
  const rate = words === 0 ? 1 : errors / words;
  return {
    words,
    errors,
    wordErrorRate: rate,
    medianDelayMs: delays[Math.floor(delays.length / 2)] ?? 0,
    worstDelayMs: delays.at(-1) ?? 0,
    passed: heard.length > 0 && rate <= MAX_WORD_ERROR_RATE,
  };
}
