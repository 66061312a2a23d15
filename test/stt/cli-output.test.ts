import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CliFormat } from '../../src/stt/whisper/cli-arguments.js';
import { readOutput, readStdout } from '../../src/stt/whisper/cli-output.js';

const json = (value: unknown): ReturnType<typeof readOutput> => readOutput(JSON.stringify(value), 'json');

describe('JSON results', () => {
  it('reads openai-whisper with words', () => {
    const words = [
      { word: ' Igual', start: 1.18, end: 1.98, probability: 0.91 },
      { word: ' que', start: 1.98, end: 2.2, probability: 0.99 },
    ];
    const segment = {
      id: 0,
      seek: 0,
      start: 0.0,
      end: 16.0,
      text: ' Igual que...',
      tokens: [50364],
      avg_logprob: -0.25,
      words,
    };
    expect(json({ text: ' Igual que...', segments: [segment], language: 'ca' })).toEqual({
      text: 'Igual que...',
      segments: [{ startMs: 0, endMs: 16_000, text: 'Igual que...' }],
      words: [
        { word: 'Igual', startMs: 1180, endMs: 1980, probability: 0.91 },
        { word: 'que', startMs: 1980, endMs: 2200, probability: 0.99 },
      ],
      language: 'ca',
    });
  });

  it.each([{ words: null }, {}])('reads segments with %j for words', (words) => {
    const read = json({ text: ' a', segments: [{ id: 1, start: 0, end: 1.5, text: ' a', ...words }], language: 'en' });
    expect(read).toEqual({ text: 'a', segments: [{ startMs: 0, endMs: 1500, text: 'a' }], words: [], language: 'en' });
  });

  it('reads whisperX, which has no text and words without times', () => {
    const words = [
      { word: 'call', start: 0.5, end: 0.8, score: 0.7 },
      { word: '555' },
      { word: 'now', start: 1.2, end: 1.4 },
    ];
    const read = json({
      segments: [{ start: 0.4, end: 1.5, text: ' call 555 now', words }],
      word_segments: words,
      language: 'en',
    });
    expect(read.text).toBe('call 555 now');
    expect(read.words).toEqual([
      { word: 'call', startMs: 500, endMs: 800, probability: 0.7 },
      { word: '555', startMs: 800, endMs: 800 },
      { word: 'now', startMs: 1200, endMs: 1400 },
    ]);
  });

  it('reads insanely-fast-whisper with an open last chunk', () => {
    const chunks = [
      { timestamp: [0.0, 2.5], text: ' one' },
      { timestamp: [2.5, null], text: ' two' },
    ];
    expect(json({ speakers: [], chunks, text: ' one two' })).toMatchObject({
      text: 'one two',
      segments: [
        { startMs: 0, endMs: 2500, text: 'one' },
        { startMs: 2500, endMs: 2500, text: 'two' },
      ],
    });
  });

  it('reads whisper.cpp, whose times are ms', () => {
    const transcription = [
      { timestamps: { from: '00:00:00,000', to: '00:00:02,000' }, offsets: { from: 0, to: 2000 }, text: ' one' },
      { offsets: { from: 2000, to: 3200 }, text: ' two' },
    ];
    expect(json({ model: { type: 'base' }, result: { language: 'en' }, transcription })).toEqual({
      text: 'one two',
      segments: [
        { startMs: 0, endMs: 2000, text: 'one' },
        { startMs: 2000, endMs: 3200, text: 'two' },
      ],
      words: [],
      language: 'en',
    });
  });

  it('joins the tokens of the full JSON of whisper.cpp to words', () => {
    const token = (text: string, from: number, to: number, p = 0.5): object => ({
      text,
      offsets: { from, to },
      id: 1,
      p,
    });
    const tokens = [
      token('[_BEG_]', 0, 0),
      token(' trans', 0, 300),
      token('fer', 300, 500),
      token(' me', 500, 700, 0.9),
      token('[_TT_35]', 700, 700),
    ];
    const read = json({
      result: { language: 'en' },
      transcription: [{ offsets: { from: 0, to: 700 }, text: ' transfer me', tokens }],
    });
    expect(read.words).toEqual([
      { word: 'transfer', startMs: 0, endMs: 500, probability: 0.5 },
      { word: 'me', startMs: 500, endMs: 700, probability: 0.9 },
    ]);
  });

  it('reads verbose_json of the OpenAI API: a language by name, a duration as text, words beside the segments', () => {
    const body = {
      task: 'transcribe',
      language: 'english',
      duration: '11.0',
      text: 'Hello there.',
      segments: [{ id: 0, start: 0, end: 11, text: ' Hello there.' }],
      words: [{ word: 'Hello', start: 0.2, end: 0.6 }],
      usage: { type: 'duration', seconds: 11 },
    };
    expect(json(body)).toEqual({
      text: 'Hello there.',
      segments: [{ startMs: 0, endMs: 11_000, text: 'Hello there.' }],
      words: [{ word: 'Hello', startMs: 200, endMs: 600 }],
      language: 'en',
    });
  });

  it('reads a bare text with breaks in it, a list of segments, and no words at all', () => {
    expect(json({ text: ' two\nlines \n' })).toEqual({ text: 'two lines', segments: [], words: [] });
    expect(json([{ start: '0.5', end: '00:00:01,250', text: 'x' }]).segments).toEqual([
      { startMs: 500, endMs: 1250, text: 'x' },
    ]);
    expect(json({ text: '', segments: [], language: 'en' })).toEqual({
      text: '',
      segments: [],
      words: [],
      language: 'en',
    });
  });

  it('reads around a BOM, NaN, Infinity and raw control characters', () => {
    const body =
      '\uFEFF{"text":" says NaN, -Infinity\tand \\"NaN\\"\u0001.","segments":[{"start":0,"end":NaN,"text":"a\nb","avg_logprob":-Infinity,"x":Infinity}]}';
    expect(readOutput(body, 'json')).toMatchObject({
      text: 'says NaN, -Infinity and "NaN" .',
      segments: [{ startMs: 0, endMs: 0, text: 'a b' }],
    });
  });

  it.each([
    [{ error: { message: 'model is loading', type: 'server_error' } }, /model is loading/],
    [{ error: 'no such model', text: '' }, /no such model/],
    [{ error: true }, /without a message/],
  ])('takes %j as an error of the engine', (body, message) => {
    expect(() => json(body)).toThrow(
      expect.objectContaining({ code: 'SRS_STT_ENGINE', message: expect.stringMatching(message) }),
    );
  });

  it('takes a null error as none', () => {
    expect(json({ error: null, text: 'fine' }).text).toBe('fine');
  });

  it.each([
    '',
    '   ',
    '{"text":',
    '<html>502 Bad Gateway</html>',
    'Invalid request',
    '{"detail":"Not Found"}',
    '{"text":null}',
    '42',
    'null',
    '"text"',
  ])('does not take %j as a transcript', (body) => {
    expect(() => readOutput(body, 'json')).toThrow(expect.objectContaining({ code: 'SRS_STT_NO_OUTPUT' }));
  });

  it('never repeats the output in its error', () => {
    try {
      readOutput('{"text":"my secret is 1234"', 'json');
      expect.unreachable();
    } catch (error) {
      expect(String(error)).not.toContain('secret');
    }
  });

  it('either reads or refuses any JSON', () => {
    const keys = fc.constantFrom(
      'text',
      'segments',
      'words',
      'chunks',
      'timestamp',
      'transcription',
      'offsets',
      'tokens',
      'start',
      'language',
      'result',
      'error',
    );
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof(
        { maxDepth: 5 },
        fc.jsonValue({ maxDepth: 0 }),
        fc.dictionary(keys, tie('tree')),
        fc.array(tie('tree'), { maxLength: 4 }),
      ),
    }));
    fc.assert(
      fc.property(tree, (value) => {
        try {
          expect(typeof json(value).text).toBe('string');
        } catch (error) {
          expect(error).toHaveProperty('code', expect.stringMatching(/^SRS_STT_(NO_OUTPUT|ENGINE)$/));
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('timed text', () => {
  const segments = [
    { startMs: 0, endMs: 2500, text: 'Hello, there.' },
    { startMs: 2500, endMs: 3_601_004, text: 'Two lines' },
  ];

  it.each<[CliFormat, string]>([
    [
      'srt',
      '1\r\n00:00:00,000 --> 00:00:02,500\r\nHello, there.\r\n\r\n2\r\n00:00:02,500 --> 01:00:01,004\r\nTwo\r\nlines\r\n\r\n',
    ],
    [
      'vtt',
      'WEBVTT - made by x\n\nNOTE a remark\n\n00:00.000 --> 00:02.500 align:start\n<v Bob>Hello, there.</v>\n\nid\n00:00:02.500 --> 01:00:01.004\nTwo\nlines',
    ],
    ['tsv', 'start\tend\ttext\n0\t2500\tHello, there.\n2500\t3601004\tTwo lines\n'],
    ['json', '1\n00:00:00,000 --> 00:00:02,500\nHello, there.\n\n2\n00:00:02,500 --> 01:00:01,004\nTwo\nlines\n'],
  ])('reads cues as %s', (format, body) => {
    expect(readOutput(body, format)).toEqual({ text: 'Hello, there. Two lines', segments, words: [] });
  });

  it('reads txt as one text', () => {
    expect(readOutput('Hello, there.\nTwo lines\n', 'txt')).toEqual({
      text: 'Hello, there. Two lines',
      segments: [],
      words: [],
    });
  });

  it('reads JSON that lies under the name of another format', () => {
    expect(readOutput('{"text":" from a wrapper"}', 'txt').text).toBe('from a wrapper');
    expect(() => readOutput('{"error":"down"}', 'srt')).toThrow(/down/);
  });

  it.each<[CliFormat, string]>([
    ['txt', ''],
    ['srt', '\n'],
    ['vtt', 'WEBVTT\n'],
    ['tsv', 'start\tend\ttext\n'],
  ])('takes an empty %s as silence', (format, body) => {
    expect(readOutput(body, format).text).toBe('');
  });

  it.each<[CliFormat, string]>([
    ['srt', 'Gateway timeout'],
    ['vtt', 'WEBVTT\n\nx --> y\nwords'],
    ['tsv', 'a\tb\tc'],
  ])('refuses what is no %s', (format, body) => {
    expect(() => readOutput(body, format)).toThrow(expect.objectContaining({ code: 'SRS_STT_NO_OUTPUT' }));
  });
});

describe('readStdout', () => {
  it('reads JSON and the lines that the programs print, and nothing else', () => {
    expect(readStdout('{"text":" a"}\n')?.text).toBe('a');
    expect(
      readStdout('Detecting language\n[00:00.000 --> 00:02.000]  one\n[00:00:02.000 --> 00:00:03.500]   two\n'),
    ).toEqual({
      text: 'one two',
      segments: [
        { startMs: 0, endMs: 2000, text: 'one' },
        { startMs: 2000, endMs: 3500, text: 'two' },
      ],
      words: [],
    });
    expect(readStdout('Skipping x.wav due to RuntimeError')).toBeUndefined();
    expect(readStdout('')).toBeUndefined();
  });
});
