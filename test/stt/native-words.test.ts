import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { NativeWhisperEngine } from '../../src/stt/whisper/native-engine.js';
import { wordErrorRate } from '../../src/transcript/word-error-rate.js';
import { NativeBench, never } from '../helpers/native-whisper.js';
import { spoken } from '../helpers/spoken.js';

describe('the packaged model in the native engine', () => {
  const bench = new NativeBench();
  let engine: NativeWhisperEngine;

  beforeAll(async () => {
    ({ engine } = bench.engine({ model: 'micro-telephony' }));
    await engine.start(never);
  });
  afterAll(() => bench.close());

  const hear = (sound: Int16Array) => engine.transcribe(bench.wav(sound, 8_000), never);

  it('writes down what a telephone voice says, in order and on time', async () => {
    const said = 'my account number is four seven one two';
    const sound = spoken(said);
    const result = await hear(sound);
    expect(result.text).toBe(said);
    expect(result.words.map(({ word }) => word)).toEqual(said.split(' '));
    const starts = result.words.map(({ startMs }) => startMs);
    expect(starts).toEqual([...starts].sort((a, b) => a - b));
    expect(result.words.at(-1)?.endMs).toBeLessThanOrEqual((sound.length * 1000) / 8_000);
    expect(result.language).toBe('en');
  });

  it('hears a single short word', async () => {
    expect((await hear(spoken('yes'))).text).toBe('yes');
  });

  it('hears several voices well enough', async () => {
    const phrases = [
      'please transfer me to billing',
      'cancel my order please',
      'nine three zero five',
      'call me back thanks',
    ];
    const voices = ['en-us', 'en+m6', 'en-us+f4', 'en+paul'];
    let errors = 0;
    let words = 0;
    for (const [i, phrase] of phrases.entries()) {
      const score = wordErrorRate(phrase, (await hear(spoken(phrase, voices[i]))).text);
      errors += score.errors;
      words += score.words;
    }
    expect(errors / words).toBeLessThan(0.15);
  });

  it('is not led astray by words said before, which it was never trained with', async () => {
    const request = bench.wav(spoken('hello operator'), 8_000);
    expect((await engine.transcribe({ ...request, prompt: 'seven eight nine' }, never)).text).toBe('hello operator');
  });

  it('answers silence with a result and no error', async () => {
    const result = await engine.transcribe(bench.wav(3_000), never);
    expect(result.segments.every(({ endMs }) => endMs <= 3_000)).toBe(true);
  });
});
