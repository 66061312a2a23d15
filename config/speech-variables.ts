import {
  boolean,
  duration,
  type Format,
  integer,
  languageRouting,
  list,
  oneOf,
  shellWords,
  text,
  url,
} from './formats.js';
import { given, optional } from './variable.js';

const OUTPUT_FORMATS = ['json', 'txt', 'srt', 'vtt', 'tsv'] as const;

/** openai-whisper refuses `verbose_json`, which people know from its HTTP cousin; its `json` says as much. */
const outputFormat: Format<(typeof OUTPUT_FORMATS)[number]> = {
  expected: 'one of json, txt, srt, vtt, tsv, verbose_json',
  parse: (raw) => {
    const word = raw.toLowerCase();
    return word === 'verbose_json' ? 'json' : OUTPUT_FORMATS.find((format) => format === word);
  },
};

const language: Format<string> = {
  expected: 'a language such as en or en-US, or auto',
  parse: (raw) => (/^(auto|[a-z]{2,3}(-[a-z0-9]{2,8})*)$/i.test(raw) ? raw : undefined),
};

/** Speech to text. */
export const SPEECH_VARIABLES = {
  SUPPORTED_VENDORS: given(list, 'whisper', 'Vendors to start, separated by commas.', { aliases: ['STT_VENDORS'] }),
  STT_DEFAULT_VENDOR: optional(text, 'Vendor of every call.', {
    aliases: ['DEFAULT_SPEECH_VENDOR'],
    fallbackDoc: 'the first of SUPPORTED_VENDORS',
  }),
  STT_FALLBACK_VENDORS: optional(list, 'Vendors tried in order when a job fails with a retryable error.', {
    later: { refuse: 'never' },
  }),
  LANGUAGE_ROUTING: optional(languageRouting, 'Vendor by language, as en-US:whisper,es-ES:whisper.', {
    later: { refuse: 'never' },
  }),
  STT_UTTERANCE_END_SILENCE: given(duration('100ms', '10s'), '600ms', 'Silence that ends an utterance.'),
  STT_UTTERANCE_MAX: given(duration('2s', '30s'), '25s', 'An utterance is cut at this length at the latest.'),
  STT_UTTERANCE_MIN: given(duration('0s', '2s'), '100ms', 'Voice shorter than this is a click and makes no utterance.'),
  STT_MAX_ATTEMPTS: given(integer(1, 10), '3', 'Tries per utterance when the error is retryable.'),
  STT_QUEUE_LIMIT: given(
    integer(1, 1_000_000),
    '10000',
    'Utterances that may wait; above it new ones are given up with an event and a metric, their audio stays recorded.',
  ),
  WHISPER_ENABLED: given(boolean, 'true', 'false takes whisper out of the vendors.'),
  WHISPER_BINARY_PATH: optional(text, 'Program with the openai-whisper command line; looked up on PATH.'),
  WHISPER_ENGINE: given(
    oneOf('auto', 'native', 'cli', 'hybrid'),
    'auto',
    'native addon, cli program (hybrid: not in this version), or auto: cli when WHISPER_BINARY_PATH is set, else native.',
  ),
  WHISPER_MODEL: given(text, 'base', 'Model by name (small) or path of a GGML file.'),
  WHISPER_MODELS_DIR: optional(text, 'native: where models lie; cli: passed on as --model_dir.', {
    fallbackDoc: 'models in DATA_DIR; for cli its own place',
  }),
  WHISPER_MODELS_URL: optional(url('https', 'http'), 'Base URL that `sipscribe models download` takes models from.', {
    secret: 'url',
  }),
  WHISPER_LANGUAGE: optional(language, 'Language of the speech; not set or auto = detect.'),
  WHISPER_TASK: given(oneOf('transcribe', 'translate'), 'transcribe', 'translate gives English.'),
  WHISPER_TRANSLATE: given(boolean, 'false', 'true is the same as WHISPER_TASK=translate and wins over it.'),
  WHISPER_OUTPUT_FORMAT: given(outputFormat, 'json', 'What the program is asked to write.'),
  WHISPER_TIMEOUT: given(duration('100ms', '24h'), '10m', 'Limit for one run; waiting for a slot is not counted.'),
  WHISPER_MAX_CONCURRENT: given(
    integer(-1, 1024),
    '-1',
    'Transcriptions at one time; -1 = one per CPU core, 0 = no limit.',
  ),
  WHISPER_EXTRA_ARGS: optional(shellWords, 'More arguments for the program, split as a shell does.'),
  WHISPER_SAMPLE_RATE: given(integer(8000, 48_000), '16000', 'Rate of the temporary WAV; audio is really resampled.'),
  WHISPER_CHANNELS: given(integer(1, 2), '1', 'Channels of the temporary WAV.'),
  WHISPER_THREADS: optional(integer(1, 256), 'Threads of one native transcription.', {
    fallbackDoc: "the engine's own choice",
  }),
} as const;
