import { describe, expect, it } from 'vitest';
import { cliArguments, cliLanguage, flavourOf, outputStem } from '../../src/stt/whisper/cli-arguments.js';
import { languageCode } from '../../src/stt/whisper/languages.js';
import { cliOptions } from './whisper-options.js';

const run = { wav: '/tmp/x/utterance-1.wav', outputDirectory: '/tmp/y' };

describe('the argument list of openai-whisper', () => {
  it('begins with the audio and holds the documented options', () => {
    expect(cliArguments('openai', cliOptions('whisper'), run)).toEqual(
      '/tmp/x/utterance-1.wav --model base --output_dir /tmp/y --output_format json --task transcribe'.split(' '),
    );
  });

  it('adds language, model folder and the extra arguments at the end', () => {
    const extraArgs = ['--initial_prompt', 'two words'];
    const options = cliOptions('whisper', { task: 'translate', modelsDir: '/m', extraArgs, outputFormat: 'srt' });
    const list = cliArguments('openai', options, { ...run, language: 'en-US' });
    expect(list.slice(5)).toEqual(
      ['--output_format', 'srt', '--task', 'translate', '--language', 'en', '--model_dir', '/m'].concat(extraArgs),
    );
  });

  it('says json where verbose_json was asked for', () => {
    expect(cliArguments('openai', cliOptions('whisper', { outputFormat: 'verbose_json' }), run)[6]).toBe('json');
  });

  it('lets the language of the request go before the configured one', () => {
    const options = cliOptions('whisper', { language: 'de-DE' });
    expect(cliArguments('openai', options, run).slice(-2)).toEqual(['--language', 'de']);
    expect(cliArguments('openai', options, { ...run, language: 'fr' }).slice(-2)).toEqual(['--language', 'fr']);
    expect(cliArguments('openai', options, { ...run, language: 'auto' })).not.toContain('--language');
  });
});

describe('the argument list of whisper.cpp', () => {
  it('uses its own options and detects the language when none is told', () => {
    const options = cliOptions('whisper-cli', { model: '/m/ggml-base.bin', extraArgs: ['-np'] });
    expect(cliArguments('whispercpp', options, run)).toEqual(
      '-m /m/ggml-base.bin -f /tmp/x/utterance-1.wav -l auto -oj -of /tmp/y/utterance-1 -np'.split(' '),
    );
  });

  it('translates with -tr, and asks for JSON in place of the tsv that it lacks', () => {
    const options = cliOptions('whisper-cli', {
      task: 'translate',
      outputFormat: 'tsv',
      threads: 3,
      language: 'es-ES',
    });
    const list = cliArguments('whispercpp', options, run);
    expect(list).toEqual(expect.arrayContaining(['-tr', '-oj']));
    expect(list.join(' ')).toMatch(/ -l es .* -t 3$/);
  });
});

describe('flavourOf', () => {
  it('knows whisper.cpp by its output options', () => {
    expect(flavourOf('  -oj,       --output-json  [false]\n  -of FNAME, --output-file FNAME [ ] path')).toBe(
      'whispercpp',
    );
  });

  it('takes everything else as openai-whisper', () => {
    expect(flavourOf('usage: whisper [-h] [--output_dir OUTPUT_DIR] [--output_format {txt,json}] audio')).toBe(
      'openai',
    );
    expect(flavourOf('')).toBe('openai');
    expect(flavourOf('curl: option --help: -off-by-one')).toBe('openai');
  });
});

describe('languages', () => {
  it.each([
    ['en-US', 'en'],
    ['EN', 'en'],
    ['zh-Hant-TW', 'zh'],
    ['pt_BR', 'pt'],
    ['English', 'en'],
    ['yue-HK', 'yue'],
    ['xx', 'xx'],
    ['auto', undefined],
    ['', undefined],
    [undefined, undefined],
  ])('passes %j on as %j', (told, code) => {
    expect(cliLanguage(told)).toBe(code);
  });

  it.each([
    ['english', 'en'],
    ['Haitian Creole', 'ht'],
    ['nn', 'nn'],
    ['mandarin', 'zh'],
    ['klingon', undefined],
  ])('reads the answer %j as %j', (told, code) => {
    expect(languageCode(told)).toBe(code);
  });
});

describe('outputStem', () => {
  it('is the name without its folder and its last extension', () => {
    expect(outputStem('/a/b.c/utterance-7.wav')).toBe('utterance-7');
    expect(outputStem('plain')).toBe('plain');
  });
});
