import type { SttSegment, SttWord } from '../provider.js';
import type { NativeResult } from './native-protocol.js';

/** A token as the addon gives it; times in ms. */
export interface AddonToken {
  readonly text: string;
  readonly p: number;
  readonly from?: number | undefined;
  readonly to?: number | undefined;
}

/** A segment as the addon gives it in its `detail` format; times in ms. */
export interface AddonSegment {
  readonly from: number;
  readonly to: number;
  readonly text: string;
  readonly lang?: string;
  readonly tokens?: readonly AddonToken[];
}

/** whisper.cpp shows special tokens as `[_BEG_]`, `[_TT_150]`, `[_extra_token_51000]` or `<|endoftext|>`. */
const SPECIAL = /^(\[_.*\]?|<\|.*\|>)$/;
/** What models say of sounds that are no words: `[BLANK_AUDIO]`, `(music)`, `♪`. */
const NO_WORDS = /^\s*(\[[^\]]*\]|\([^)]*\)|\*[^*]*\*|[♪\s.…]+)\s*$/;

interface Group {
  text: string;
  startMs: number;
  endMs: number;
  probability: number;
  tokens: number;
}

/** Joins tokens to words: a token that begins with a blank begins a word. */
function groups(tokens: readonly AddonToken[]): Group[] {
  const out: Group[] = [];
  for (const token of tokens) {
    if (SPECIAL.test(token.text) || token.text === '') continue;
    const last = out.at(-1);
    if (last === undefined || token.text.startsWith(' ')) {
      const startMs = token.from ?? Number.NaN;
      out.push({ text: token.text.trim(), startMs, endMs: token.to ?? startMs, probability: token.p, tokens: 1 });
    } else {
      last.text += token.text;
      last.endMs = token.to ?? last.endMs;
      last.probability += token.p;
      last.tokens += 1;
    }
  }
  return out.filter((group) => group.text !== '');
}

/**
 * Words with times. The text comes from the segment, because a character of several bytes can be split between tokens and is then
 * unreadable in each; where both do not have the same number of words (languages without blanks) there are none.
 */
function words(segment: AddonSegment, clamp: (ms: number) => number): SttWord[] {
  const spoken = segment.text.trim().split(/\s+/).filter(Boolean);
  const timed = groups(segment.tokens ?? []);
  if (timed.length !== spoken.length) return [];
  const out: SttWord[] = [];
  for (const [i, group] of timed.entries()) {
    if (!Number.isFinite(group.startMs) || !Number.isFinite(group.endMs)) return [];
    const startMs = clamp(group.startMs);
    const probability = Math.min(1, Math.max(0, group.probability / group.tokens));
    out.push({
      word: spoken[i] ?? group.text,
      startMs,
      endMs: Math.max(startMs, clamp(group.endMs)),
      ...(Number.isFinite(probability) ? { probability } : {}),
    });
  }
  return out;
}

/** The addon's segments as a result, clamped to the audio: whisper gives times inside its padded window of 30 s. */
export function nativeResult(segments: readonly AddonSegment[], durationMs: number, language: string): NativeResult {
  const clamp = (ms: number): number => Math.round(Math.min(Math.max(0, ms), durationMs));
  const heard = segments.filter((segment) => segment.text.trim() !== '' && !NO_WORDS.test(segment.text));
  const timed = heard.map((segment) => words(segment, clamp));
  const kept: SttSegment[] = heard.map((segment, i) => {
    const startMs = clamp(segment.from);
    // A segment that is told to be the only one ends with the window; its last word knows better.
    const endMs = segment.to > durationMs ? (timed[i]?.at(-1)?.endMs ?? durationMs) : clamp(segment.to);
    return { text: segment.text.trim(), startMs, endMs: Math.max(startMs, endMs) };
  });
  const detected = segments[0]?.lang;
  const code = language === 'auto' ? detected : language;
  return {
    text: kept.map((segment) => segment.text).join(' '),
    segments: kept,
    words: timed.flat(),
    ...(code === undefined || code === '' ? {} : { language: code }),
  };
}
