import { describe, expect, it } from 'vitest';
import { errorLine } from '../../src/stt/whisper/run-failure.js';

describe('the line of a failed program that may be logged', () => {
  it.each([
    ['RuntimeError: CUDA out of memory', 'RuntimeError: CUDA out of memory'],
    ['loading\ncurl: (7) Failed to connect: Connection refused\n', 'curl: (7) Failed to connect: Connection refused'],
    ['whisper.cpp: error: model not found', 'whisper.cpp: error: model not found'],
    ['usage: whisper [-h] audio', 'usage: whisper [-h] audio'],
  ])('is how programs complain: %s', (stderr, line) => {
    expect(errorLine(stderr)).toBe(line);
  });

  it.each([
    'my payment was refused and I want my money',
    'there is an error on my bill',
    'Error on my bill, I said',
    'the usage of my account is wrong',
    '[00:00.000 --> 00:02.000] error: said aloud',
    '{"error":"words"}',
    '+ echo error: words',
  ])('is never something that was said: %s', (stderr) => {
    expect(errorLine(stderr)).toBeUndefined();
  });
});
