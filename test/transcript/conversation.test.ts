import { describe, expect, it } from 'vitest';
import type { TranscriptFinal } from '../../src/core/model.js';
import { conversation, spokenOn } from '../../src/transcript/conversation.js';
import { aliceLeg, desk, spoken } from '../helpers/call-events.js';

const bobLeg = { leg: 2, label: '2', speaker: { name: 'Bob' } };

function finals(...said: [leg: typeof aliceLeg, n: number, text: string][]): TranscriptFinal[] {
  const { bus } = desk();
  return said
    .map(([leg, n, text]) => bus.publish(spoken('c', n, text, leg)))
    .filter((event): event is TranscriptFinal => event.type === 'transcript.final');
}

describe('the conversation', () => {
  it('puts both legs on one timeline by when they began to speak', () => {
    const lines = conversation(finals([aliceLeg, 1, 'hello'], [aliceLeg, 5, 'bye'], [bobLeg, 3, 'who is it']));
    expect(lines.map((line) => [line.leg.speaker.name, line.text])).toEqual([
      ['Alice', 'hello'],
      ['Bob', 'who is it'],
      ['Alice', 'bye'],
    ]);
  });

  it('keeps people who speak at once as two lines', () => {
    const lines = conversation(finals([bobLeg, 1, 'no'], [aliceLeg, 1, 'yes']));
    expect(lines.map((line) => line.text)).toEqual(['yes', 'no']);
  });

  it('leaves out utterances without words', () => {
    expect(conversation(finals([aliceLeg, 1, '  '], [bobLeg, 2, 'yes']))).toHaveLength(1);
  });

  it('lets a later result for an utterance take the place of an earlier one', () => {
    expect(conversation(finals([aliceLeg, 1, 'helo'], [aliceLeg, 1, 'hello'])).map((line) => line.text)).toEqual([
      'hello',
    ]);
  });

  it('tells what one leg said as one string', () => {
    const lines = conversation(finals([aliceLeg, 4, 'two'], [bobLeg, 2, 'other'], [aliceLeg, 1, 'one']));
    expect(spokenOn(lines, 1)).toBe('one two');
  });
});
