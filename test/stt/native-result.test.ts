import { describe, expect, it } from 'vitest';
import { audioContext, nativeAudio } from '../../src/stt/whisper/native-audio.js';
import { isChildMessage, isParentMessage } from '../../src/stt/whisper/native-protocol.js';
import { nativeResult } from '../../src/stt/whisper/native-result.js';

const token = (text: string, from?: number, to?: number, p = 0.5) => ({ text, p, from, to });

describe('the result of the native engine', () => {
  it('joins the tokens of a word, leaves special ones out and gives the mean probability', () => {
    const tokens = [
      token('[_BEG_]', 0, 0),
      token(' good', 100, 300, 0.8),
      token('bye', 300, 500, 0.6),
      token('.', 500, 510, 1),
      token('[_TT_50]', 900, 900),
      token('<|endoftext|>', 900, 900),
    ];
    const { words } = nativeResult([{ from: 0, to: 1_000, text: ' goodbye.', lang: 'en', tokens }], 1_000, 'en');
    expect(words).toHaveLength(1);
    expect(words[0]).toMatchObject({ word: 'goodbye.', startMs: 100, endMs: 510 });
    expect(words[0]?.probability).toBeCloseTo(0.8);
  });

  it('keeps every time within the audio and in order', () => {
    const tokens = [token(' yes', -20, 29_000)];
    const result = nativeResult([{ from: 0, to: 30_000, text: ' yes', tokens }], 700, 'en');
    expect(result.segments).toEqual([{ text: 'yes', startMs: 0, endMs: 700 }]);
    expect(result.words).toMatchObject([{ word: 'yes', startMs: 0, endMs: 700 }]);
  });

  it('takes a character that is split between tokens from the text of the segment', () => {
    const tokens = [
      token(' caf', 0, 100),
      token('\ufffd', 100, 150),
      token('\ufffd', 150, 200),
      token(' bon', 300, 400),
    ];
    const { words } = nativeResult([{ from: 0, to: 500, text: ' café bon', tokens }], 500, 'fr');
    expect(words.map(({ word }) => word)).toEqual(['café', 'bon']);
  });

  it('gives no words where tokens and text do not agree, rather than wrong times', () => {
    const tokens = [token(' 你', 0, 100), token('好', 100, 200), token(' 吗', 200, 300)];
    const result = nativeResult([{ from: 0, to: 500, text: '你好吗', tokens }], 500, 'zh');
    expect(result.text).toBe('你好吗');
    expect(result.words).toEqual([]);
  });

  it('hears nothing in the marks that models write for sounds', () => {
    const marks = [' [BLANK_AUDIO]', ' (wind blowing)', ' ♪', ' *sighs*', ' ', '...'];
    for (const text of marks) expect(nativeResult([{ from: 0, to: 900, text }], 900, 'en').text).toBe('');
    expect(nativeResult([{ from: 0, to: 900, text: ' (yes) please' }], 900, 'en').text).toBe('(yes) please');
  });

  it('tells the detected language only where it was detected', () => {
    const segments = [{ from: 0, to: 900, text: ' hola', lang: 'es' }];
    expect(nativeResult(segments, 900, 'auto').language).toBe('es');
    expect(nativeResult(segments, 900, 'en').language).toBe('en');
    expect(nativeResult([], 900, 'auto')).toEqual({ text: '', segments: [], words: [] });
  });
});

describe('speech on its way into the native engine', () => {
  it('has more than a second of silence behind it, because words before a last second would be lost', () => {
    for (const length of [0, 1, 4_800, 16_000, 31 * 16_000]) {
      const samples = new Int16Array(length).fill(8_192);
      const { pcm, durationMs } = nativeAudio({ sampleRate: 16_000, channels: 1, samples });
      expect(durationMs).toBe(length / 16);
      expect(pcm.length).toBe(length + 17_600);
      if (length > 0) expect(pcm[0]).toBe(0.25);
      expect(pcm[length]).toBe(0);
    }
  });

  it('knows whether one window of the encoder holds all of it', () => {
    const seconds = (n: number) => ({ sampleRate: 16_000, channels: 1, samples: new Int16Array(n * 16_000) });
    expect(nativeAudio(seconds(28)).oneWindow).toBe(true);
    expect(nativeAudio(seconds(29)).oneWindow).toBe(false);
  });

  it('gets room for itself and two seconds more, never more than whisper has', () => {
    expect(audioContext(0)).toBe(512);
    expect(audioContext(8_000)).toBe(512);
    expect(audioContext(8_400)).toBe(576);
    expect(audioContext(60_000)).toBe(1_500);
  });

  it('is the mean of its channels at 16 kHz', () => {
    const samples = Int16Array.from({ length: 2 * 8_000 }, (_, i) => (i % 2 === 0 ? 8_000 : 4_000));
    const { pcm, durationMs } = nativeAudio({ sampleRate: 8_000, channels: 2, samples });
    expect(durationMs).toBe(1_000);
    expect((pcm[8_000] ?? 0) * 32_768).toBeCloseTo(6_000, -1);
  });
});

describe('the messages between the server and a native child', () => {
  it('are taken only when they are whole', () => {
    const result = { text: '', segments: [], words: [] };
    expect(isChildMessage({ kind: 'result', id: 1, result, rssBytes: 1 })).toBe(true);
    expect(isChildMessage({ kind: 'job-failed', id: 1, code: 'SRS_STT_ENGINE', message: 'no' })).toBe(true);
    const broken = [
      null,
      'ready',
      { kind: 'other' },
      { kind: 'result', id: 1, result, rssBytes: 'x' },
      { kind: 'result', id: 1, result: { ...result, words: [{}] }, rssBytes: 1 },
      { kind: 'job-failed', id: 1, code: 'toString', message: 'no' },
      { kind: 'job-failed', id: 1, code: 'SRS_NOTHING', message: 'no' },
    ];
    for (const message of broken) expect(isChildMessage(message)).toBe(false);
    expect(isParentMessage({ kind: 'ping' })).toBe(true);
    expect(isParentMessage({ kind: 'job', id: '1', job: {} })).toBe(false);
  });
});
