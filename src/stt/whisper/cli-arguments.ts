import type { WhisperOptions, WhisperOutputFormat } from './engine.js';
import { languageCode } from './languages.js';

/** Whose command line a program speaks. */
export type CliFlavour = 'openai' | 'whispercpp';

/** A format that is also the extension of the file. */
export type CliFormat = Exclude<WhisperOutputFormat, 'verbose_json'>;

/** What one run is about; every path is absolute. */
export interface CliRun {
  readonly wav: string;
  readonly outputDirectory: string;
  /** BCP 47 of the request; absent = the configured one. */
  readonly language?: string;
}

/** Without the last extension, as openai-whisper names its outputs. */
export function outputStem(wav: string): string {
  return (wav.split('/').at(-1) ?? wav).replace(/\.[^.]*$/, '');
}

/** Tells by the help text: only whisper.cpp writes by `-of` and `-oj`; everything else is taken to follow openai-whisper. */
export function flavourOf(help: string): CliFlavour {
  return /(^|\s)-oj\b/m.test(help) && /(^|\s)-of\b/m.test(help) ? 'whispercpp' : 'openai';
}

/** openai-whisper has no `verbose_json` and refuses it; its `json` holds the same. */
export function cliFormat(format: WhisperOutputFormat): CliFormat {
  return format === 'verbose_json' ? 'json' : format;
}

/**
 * The language for a whisper program, which knows languages and no regions: `en-US` is an argument error to openai-whisper.
 * Undefined = detect.
 */
export function cliLanguage(language: string | undefined): string | undefined {
  const primary = (language ?? '').trim().split(/[-_]/)[0]?.toLowerCase() ?? '';
  if (primary === '' || primary === 'auto') return undefined;
  return languageCode(primary) ?? primary;
}

/** The argument list of openai-whisper. The WAV stands first because wrapper scripts read it as `$1`. */
function openaiArguments(options: WhisperOptions, run: CliRun): string[] {
  const language = cliLanguage(run.language ?? options.language);
  return [
    run.wav,
    '--model',
    options.model,
    '--output_dir',
    run.outputDirectory,
    '--output_format',
    cliFormat(options.outputFormat),
    '--task',
    options.task,
    ...(language === undefined ? [] : ['--language', language]),
    ...(options.modelsDir === undefined ? [] : ['--model_dir', options.modelsDir]),
    ...options.extraArgs,
  ];
}

/** whisper.cpp has no tsv; its JSON says the same. */
const WHISPERCPP_OUTPUT = { json: '-oj', txt: '-otxt', srt: '-osrt', vtt: '-ovtt', tsv: '-oj' } as const;

/** The argument list of whisper.cpp's `whisper-cli` (formerly `main`). `options.model` is the path of a GGML file here. */
function whispercppArguments(options: WhisperOptions, run: CliRun): string[] {
  return [
    '-m',
    options.model,
    '-f',
    run.wav,
    // Its own default is English, not detection.
    '-l',
    cliLanguage(run.language ?? options.language) ?? 'auto',
    WHISPERCPP_OUTPUT[cliFormat(options.outputFormat)],
    '-of',
    `${run.outputDirectory}/${outputStem(run.wav)}`,
    ...(options.task === 'translate' ? ['-tr'] : []),
    ...(options.threads === undefined ? [] : ['-t', String(options.threads)]),
    ...options.extraArgs,
  ];
}

/** Everything after the program's name. No shell reads it, so nothing is quoted. */
export function cliArguments(flavour: CliFlavour, options: WhisperOptions, run: CliRun): string[] {
  return flavour === 'openai' ? openaiArguments(options, run) : whispercppArguments(options, run);
}
