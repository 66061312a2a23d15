import { describe, expect, it } from 'vitest';
import { LegBook } from '../../src/session/leg-book.js';
import { stream } from './session-fixture.js';

function bookOf(...labels: (string | undefined)[]): LegBook {
  const book = new LegBook();
  for (const [index, label] of labels.entries()) {
    const { label: _, ...unlabelled } = stream(index);
    book.add(book.reserve(), label === undefined ? unlabelled : { ...unlabelled, label }, 40_000 + 2 * index, [], true);
  }
  return book;
}

describe('the book of legs', () => {
  it('remembers who spoke when, on the call clock too', () => {
    const book = bookOf('1');
    const leg = book.at(0);
    if (!leg) throw new Error('no leg');
    book.name(leg, { name: 'Ana' }, 900);
    book.name(leg, { name: 'Ana' }, 1500);
    book.name(leg, { name: 'Carol' }, 3000);
    expect(book.recorded(1000)).toEqual([
      {
        leg: 1,
        label: '1',
        speaker: { name: 'Carol' },
        speakers: [
          { since: 900, sinceMs: 0, speaker: { name: 'Ana' } },
          { since: 3000, sinceMs: 2000, speaker: { name: 'Carol' } },
        ],
      },
    ]);
    expect([0, 950, 2999, 3000].map((at) => book.speaker(leg, at).name)).toEqual(['Ana', 'Ana', 'Ana', 'Carol']);
  });

  it('has nobody on a leg of which nothing was said', () => {
    expect(bookOf('a_leg').recorded(0)).toEqual([{ leg: 1, label: 'a_leg', speaker: {} }]);
  });

  it('keeps the newest speakers of a leg whose names never stop changing', () => {
    const book = bookOf('1');
    const leg = book.at(0);
    if (!leg) throw new Error('no leg');
    for (let i = 0; i < 1000; i += 1) book.name(leg, { name: `n${i}` }, i);
    const { speakers = [] } = book.recorded(0)[0] ?? {};
    expect(speakers).toHaveLength(256);
    expect(speakers.at(-1)?.speaker.name).toBe('n999');
  });

  it('numbers legs by their order when they have no label, and takes over a label that comes later', () => {
    const book = bookOf(undefined, undefined);
    expect(book.descriptions().map(({ label }) => label)).toEqual(['1', '2']);
    book.relabel([stream(1, { label: '96' })]);
    expect(book.descriptions().map(({ label }) => label)).toEqual(['1', '96']);
  });
});
