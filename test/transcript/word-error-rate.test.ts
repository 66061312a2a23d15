import { describe, expect, it } from 'vitest';
import { normalisedWords, wordErrorRate } from '../../src/transcript/word-error-rate.js';

describe('word error rate', () => {
  it('is zero for the same words in other clothes', () => {
    expect(wordErrorRate('Hello, World! It’s 5 o’clock.', "hello world it's 5 o'clock")).toMatchObject({
      rate: 0,
      words: 5,
    });
  });

  it('counts a wrong, a missing and an extra word apart', () => {
    expect(wordErrorRate('one two three four', 'one too three four')).toMatchObject({
      substitutions: 1,
      errors: 1,
      rate: 0.25,
    });
    expect(wordErrorRate('one two three four', 'one three four')).toMatchObject({ deletions: 1, errors: 1 });
    expect(wordErrorRate('one two three four', 'one two two three four')).toMatchObject({ insertions: 1, errors: 1 });
  });

  it('finds the shortest path where several kinds of error meet', () => {
    expect(wordErrorRate('a b c d e f', 'b c x e f g')).toMatchObject({ errors: 3, rate: 0.5 });
  });

  it('may be over one, and has an answer for silence', () => {
    expect(wordErrorRate('yes', 'no no no').rate).toBe(3);
    expect(wordErrorRate('', '')).toMatchObject({ rate: 0, errors: 0 });
    expect(wordErrorRate('', 'ghost words')).toMatchObject({ rate: 1, insertions: 2 });
    expect(wordErrorRate('all gone', '')).toMatchObject({ rate: 1, deletions: 2 });
  });

  it('reads words of any script', () => {
    expect(normalisedWords('¿Dónde está? Größe, Ёлка.')).toEqual(['dónde', 'está', 'größe', 'ёлка']);
  });
});
