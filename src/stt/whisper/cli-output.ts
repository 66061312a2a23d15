import { SrsError } from '../../core/errors.js';
import type { SttResult, SttSegment } from '../provider.js';
import type { CliFormat } from './cli-arguments.js';
import { readJsonResult } from './json-result.js';
import { parseLooseJson } from './loose-json.js';
import { plainText, readCues, readPrintedLines, readTsv } from './timed-text.js';

/** A result without the model, which the outputs name in too many ways to be of use. */
export type Heard = Omit<SttResult, 'model'>;

/** Never carries the output itself: it may hold words spoken. */
function unreadable(format: string, why: string): SrsError {
  return new SrsError('SRS_STT_NO_OUTPUT', `the ${format} output cannot be read: ${why}`);
}

function fromSegments(segments: readonly SttSegment[]): Heard {
  const text = segments.map((segment) => segment.text).filter((line) => line !== '');
  return { text: text.join(' '), segments, words: [] };
}

function tryJson(text: string): { value: unknown } | undefined {
  try {
    return { value: parseLooseJson(text) };
  } catch {
    return undefined;
  }
}

function readJson(text: string): Heard {
  const parsed = tryJson(text);
  if (parsed) return readJsonResult(parsed.value);
  // A wrapper names its file .json whatever its server was asked for. Cues prove themselves; bare text could be an error page.
  const cues = text.includes('-->') ? readCues(text) : undefined;
  if (cues) return fromSegments(cues);
  throw unreadable('json', text.trim() === '' ? 'it is empty' : 'it is not JSON');
}

/**
 * Reads what a whisper program wrote in the format it was asked for. Pure.
 * Throws `SRS_STT_NO_OUTPUT` when it is not such an output, `SRS_STT_ENGINE` when it is an error body.
 */
export function readOutput(text: string, format: CliFormat): Heard {
  if (format === 'json') return readJson(text);
  if (/^\s*\{/.test(text.replace(/^\uFEFF/, ''))) {
    const parsed = tryJson(text);
    if (parsed) return readJsonResult(parsed.value);
  }
  // openai-whisper writes one segment per line.
  if (format === 'txt') return { text: plainText(text), segments: [], words: [] };
  const segments = format === 'tsv' ? readTsv(text) : readCues(text);
  if (!segments) throw unreadable(format, 'a line is not what the format allows');
  return fromSegments(segments);
}

/** What a program printed, for those that write no file: a JSON document or timestamped lines. Undefined when it is neither. */
export function readStdout(text: string): Heard | undefined {
  if (/^\s*[[{]/.test(text)) {
    const parsed = tryJson(text);
    if (parsed) return readJsonResult(parsed.value);
  }
  const lines = readPrintedLines(text);
  return lines ? fromSegments(lines) : undefined;
}
