import type { SttSegment } from '../provider.js';

/** `01:02:03,456`, `02:03.456` or seconds (`12.5`) as ms; undefined when it is none of these. */
export function parseTime(text: string): number | undefined {
  const clock = /^\s*(?:(\d+):)?(\d{1,2}):(\d{1,2})(?:[.,](\d{1,3}))?\s*$/.exec(text);
  if (clock) {
    const [, hours = '0', minutes = '0', seconds = '0', fraction = '0'] = clock;
    const whole = (Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds);
    return whole * 1000 + Number(fraction.padEnd(3, '0'));
  }
  if (!/^\s*\d+(\.\d+)?\s*$/.test(text)) return undefined;
  return Math.round(Number(text) * 1000);
}

/** One line of plain words: every run of blanks, breaks and control characters is one blank. */
export function plainText(text: string): string {
  return text.replace(/[\s\p{Cc}\uFEFF]+/gu, ' ').trim();
}

function segment(startMs: number, endMs: number, text: string): SttSegment {
  return { startMs, endMs: Math.max(startMs, endMs), text: plainText(text) };
}

/** SubRip and WebVTT. Undefined when there is text but no cue. */
export function readCues(text: string): SttSegment[] | undefined {
  const body = text.replace(/^\uFEFF/, '').replace(/\r\n?/g, '\n');
  const segments: SttSegment[] = [];
  for (const block of body.split(/\n[ \t]*\n/)) {
    const lines = block.split('\n');
    const at = lines.findIndex((line) => line.includes('-->'));
    if (at < 0) continue;
    const [from = '', to = ''] = (lines[at] ?? '').split('-->');
    // Cue settings follow the end time in WebVTT.
    const [start, end] = [parseTime(from), parseTime(to.trim().split(/\s/)[0] ?? '')];
    if (start === undefined || end === undefined) return undefined;
    const spoken = lines.slice(at + 1).join(' ');
    segments.push(segment(start, end, spoken.replace(/<\/?[a-z0-9:.][^>]*>/gi, '')));
  }
  const bare = body.replace(/^WEBVTT.*/, '').trim();
  return segments.length === 0 && bare !== '' ? undefined : segments;
}

/** openai-whisper's tsv: `start`, `end` in ms, `text`. Undefined when a line is not one of these. */
export function readTsv(text: string): SttSegment[] | undefined {
  const segments: SttSegment[] = [];
  for (const line of text.replace(/^\uFEFF/, '').split(/\r?\n/)) {
    if (line.trim() === '' || line.startsWith('start\tend')) continue;
    const [start = '', end = '', ...rest] = line.split('\t');
    if (!/^\d+$/.test(start) || !/^\d+$/.test(end)) return undefined;
    segments.push(segment(Number(start), Number(end), rest.join(' ')));
  }
  return segments;
}

/** The lines that the programs print while they work: `[00:00.000 --> 00:02.000]  words`. Undefined when there is none. */
export function readPrintedLines(text: string): SttSegment[] | undefined {
  const segments: SttSegment[] = [];
  for (const [, from = '', to = '', spoken = ''] of text.matchAll(/^\[([\d:.,]+) --> ([\d:.,]+)\](.*)$/gm)) {
    const [start, end] = [parseTime(from), parseTime(to)];
    if (start !== undefined && end !== undefined) segments.push(segment(start, end, spoken));
  }
  return segments.length === 0 ? undefined : segments;
}
