import type { LegDescription, TranscriptFinal, Word } from '../core/model.js';

/** One thing said, by one side of the call. Times are on the call clock. */
export interface ConversationLine {
  readonly utteranceId: string;
  readonly leg: LegDescription;
  readonly startMs: number;
  readonly endMs: number;
  readonly text: string;
  readonly words: readonly Word[];
}

/**
 * The words of all legs as one timeline, ordered by when they began; people who speak at once stay two lines.
 * Results without words say nothing and are left out; of two results for one utterance the later one holds.
 */
export function conversation(results: Iterable<TranscriptFinal>): ConversationLine[] {
  const latest = new Map<string, TranscriptFinal>();
  for (const result of results) {
    const known = latest.get(result.utteranceId);
    if (!known || known.seq <= result.seq) latest.set(result.utteranceId, result);
  }
  return [...latest.values()]
    .filter((result) => result.text.trim() !== '')
    .map(({ utteranceId, leg, startMs, endMs, text, words }) => ({
      utteranceId,
      leg,
      startMs,
      endMs,
      text: text.trim(),
      words,
    }))
    .sort((a, b) => a.startMs - b.startMs || a.leg.leg - b.leg.leg || a.endMs - b.endMs);
}

/** What one leg said, from first to last, as one string. */
export function spokenOn(lines: readonly ConversationLine[], leg: number): string {
  return lines
    .filter((line) => line.leg.leg === leg)
    .map((line) => line.text)
    .join(' ');
}
