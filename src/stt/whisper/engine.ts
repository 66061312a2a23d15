import type { SttResult, TranscribeRequest } from '../provider.js';

/** The formats that the openai-whisper command line can write; `verbose_json` is what people call its `json`. */
export type WhisperOutputFormat = 'json' | 'txt' | 'srt' | 'vtt' | 'tsv' | 'verbose_json';

/** Everything that the two whisper engines and their provider are told. Made once, from the configuration, in `src/app.ts`. */
export interface WhisperOptions {
  /** `auto`: the command line when `binaryPath` is set, else the native addon. */
  readonly engine: 'auto' | 'native' | 'cli';
  /** A name (`base`) or a path to a GGML file. Shown in events and metrics as it stands. */
  readonly model: string;
  /** Native: where `ggml-<name>.bin` lies. Command line: `--model_dir`; absent = the program's own place. */
  readonly modelsDir?: string;
  /** BCP 47; absent, empty or `auto` = detect. A request's own language goes before it. */
  readonly language?: string;
  readonly task: 'transcribe' | 'translate';
  /** Limit of one run; queueing is not counted. */
  readonly timeoutMs: number;
  /** -1 = CPU cores, 0 = no limit, N. Counts running transcriptions. */
  readonly maxConcurrent: number;
  /** Already split as a shell does. */
  readonly extraArgs: readonly string[];
  /** Threads of one native transcription; absent = the engine's own choice. */
  readonly threads?: number;
  /** Rate in Hz and channels of the temporary WAV. */
  readonly sampleRate: number;
  readonly channels: number;
  readonly outputFormat: WhisperOutputFormat;
  /** A name on PATH or a path. */
  readonly binaryPath?: string;
}

/**
 * One way to run whisper. It knows its program or addon and nothing else: durations and `maxConcurrent` are the provider's, queue and
 * retry are the dispatcher's. A run over `timeoutMs` is counted in `whisperTimeouts` and rejects with `SRS_STT_TIMEOUT`, an aborted one
 * rejects with `SRS_STT_CANCELLED`, and neither leaves a process behind.
 */
export interface WhisperEngine {
  readonly kind: 'cli' | 'native';
  /** How many transcriptions may run at once; `Infinity` = no limit. Known after `start`. */
  readonly slots: number;
  /** Finds and warms the engine. Throws `SRS_STT_UNAVAILABLE` or `SRS_STT_MODEL` with a message that says what to do. */
  start(signal: AbortSignal): Promise<void>;
  transcribe(request: TranscribeRequest, signal: AbortSignal): Promise<SttResult>;
  /** Idempotent; after it no child and no file of the engine is left. */
  close(): Promise<void>;
}
