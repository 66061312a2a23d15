import { SrsError } from '../../core/errors.js';
import type { SttResult, SttSegment, SttWord } from '../provider.js';
import { languageCode } from './languages.js';
import { parseTime, plainText } from './timed-text.js';

type Json = Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function objects(value: unknown): Json[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

function text(value: unknown): string {
  return typeof value === 'string' ? plainText(value) : '';
}

/** Seconds as a number or as text, as ms. Undefined for null, NaN and nonsense. */
function secondsMs(value: unknown): number | undefined {
  if (typeof value === 'string') return parseTime(value);
  if (typeof value !== 'number' || !Number.isFinite(value)) return undefined;
  return Math.max(0, Math.round(value * 1000));
}

function ms(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? Math.max(0, Math.round(value)) : undefined;
}

function probability(value: unknown): { probability?: number } {
  return typeof value === 'number' && value >= 0 && value <= 1 ? { probability: value } : {};
}

/** An end that is missing or lies before its start is the start; a start that is missing is where the one before ended. */
function span(start: number | undefined, end: number | undefined, before: number): { startMs: number; endMs: number } {
  const startMs = start ?? before;
  return { startMs, endMs: Math.max(startMs, end ?? startMs) };
}

/** openai-whisper, whisper-ctranslate2, whisperX, the OpenAI API: seconds. Null and absent mean the same. */
function readWords(value: unknown, from: number): SttWord[] {
  const words: SttWord[] = [];
  for (const entry of objects(value)) {
    const word = text(entry.word ?? entry.text);
    if (word === '') continue;
    const times = span(secondsMs(entry.start), secondsMs(entry.end), words.at(-1)?.endMs ?? from);
    words.push({ word, ...times, ...probability(entry.probability ?? entry.score) });
  }
  return words;
}

interface Timeline {
  readonly segments: SttSegment[];
  readonly words: SttWord[];
}

function readSegments(value: unknown): Timeline {
  const segments: SttSegment[] = [];
  const words: SttWord[] = [];
  for (const entry of objects(value)) {
    const times = span(secondsMs(entry.start), secondsMs(entry.end), segments.at(-1)?.endMs ?? 0);
    segments.push({ ...times, text: text(entry.text) });
    words.push(...readWords(entry.words, times.startMs));
  }
  return { segments, words };
}

/** insanely-fast-whisper: `timestamp: [start, end | null]` in seconds; a chunk is a word when it was asked for words. */
function readChunks(value: unknown): Timeline {
  const segments: SttSegment[] = [];
  for (const entry of objects(value)) {
    const pair = Array.isArray(entry.timestamp) ? entry.timestamp : [];
    const times = span(secondsMs(pair[0]), secondsMs(pair[1]), segments.at(-1)?.endMs ?? 0);
    segments.push({ ...times, text: text(entry.text) });
  }
  return { segments, words: [] };
}

/** whisper.cpp's full JSON: tokens, where a leading blank begins a word and names in brackets are marks. */
function readTokens(value: unknown, from: number): SttWord[] {
  const words: { word: string; startMs: number; endMs: number; probability?: number }[] = [];
  for (const token of objects(value)) {
    const raw = typeof token.text === 'string' ? token.text : '';
    if (raw === '' || /^\[_.*\]$|^<\|.*\|>$/.test(raw.trim())) continue;
    const offsets = isObject(token.offsets) ? token.offsets : {};
    const times = span(ms(offsets.from), ms(offsets.to), words.at(-1)?.endMs ?? from);
    const last = words.at(-1);
    if (last && !/^\s/.test(raw)) {
      last.word += plainText(raw);
      last.endMs = Math.max(last.endMs, times.endMs);
    } else if (plainText(raw) !== '') {
      words.push({ word: plainText(raw), ...times, ...probability(token.p) });
    }
  }
  return words;
}

/** whisper.cpp: `offsets` in ms. */
function readTranscription(value: unknown): Timeline {
  const segments: SttSegment[] = [];
  const words: SttWord[] = [];
  for (const entry of objects(value)) {
    const offsets = isObject(entry.offsets) ? entry.offsets : {};
    const times = span(ms(offsets.from), ms(offsets.to), segments.at(-1)?.endMs ?? 0);
    segments.push({ ...times, text: text(entry.text) });
    words.push(...readTokens(entry.tokens, times.startMs));
  }
  return { segments, words };
}

/** The words of an `error` member, for the log; undefined when it tells of none. */
function errorOf(body: Json): string | undefined {
  const told = body.error;
  if (told === undefined || told === null || told === false || told === '') return undefined;
  const message = isObject(told) ? told.message : told;
  return typeof message === 'string' ? plainText(message).slice(0, 200) : 'without a message';
}

function timelineOf(body: Json): Timeline | undefined {
  if (Array.isArray(body.segments)) return readSegments(body.segments);
  if (Array.isArray(body.transcription)) return readTranscription(body.transcription);
  if (Array.isArray(body.chunks)) return readChunks(body.chunks);
  return undefined;
}

/**
 * A JSON body of any of the whisper programs and servers as a result. Pure.
 * Throws `SRS_STT_ENGINE` for an error body and `SRS_STT_NO_OUTPUT` for JSON that holds no transcript.
 */
export function readJsonResult(value: unknown): Omit<SttResult, 'model'> {
  const body: Json | undefined = Array.isArray(value) ? { segments: value } : isObject(value) ? value : undefined;
  const failure = body && errorOf(body);
  if (failure !== undefined) throw new SrsError('SRS_STT_ENGINE', `the program wrote an error: ${failure}`);
  const timeline = body && timelineOf(body);
  if (!body || (typeof body.text !== 'string' && !timeline)) {
    throw new SrsError('SRS_STT_NO_OUTPUT', 'the json output has neither text nor segments');
  }
  const { segments, words } = timeline ?? { segments: [], words: [] };
  const joined = segments.map((segment) => segment.text).filter((line) => line !== '');
  const result = isObject(body.result) ? body.result : {};
  const told = [body.language, result.language, body.detected_language].find((name) => typeof name === 'string');
  const language = typeof told === 'string' ? languageCode(told) : undefined;
  return {
    text: typeof body.text === 'string' ? text(body.text) : joined.join(' '),
    segments,
    // The OpenAI API lists words beside the segments, whisperX in both places.
    words: words.length > 0 ? words : readWords(body.words ?? body.word_segments, 0),
    ...(language === undefined ? {} : { language }),
  };
}
