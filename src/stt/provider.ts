/**
 * The seam between sipscribe and every speech engine. A provider knows one vendor and nothing else: retry, failover, time limits,
 * slots and metrics wrap it from outside (`dispatcher.ts`).
 */

/** One utterance as a WAV file on disk: 16-bit PCM, already at the rate that the vendor asked for. */
export interface SpeechAudio {
  /** Absolute path. The file name is `[A-Za-z0-9_-]+.wav`. */
  readonly path: string;
  readonly sampleRate: number;
  readonly channels: number;
  readonly durationMs: number;
}

export interface TranscribeRequest {
  readonly audio: SpeechAudio;
  /** BCP 47, e.g. `en-US`; absent = detect. */
  readonly language?: string;
  /** Words said before, to help the engine. */
  readonly prompt?: string;
}

/** Times are ms from the start of the audio. */
export interface SttWord {
  readonly word: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly probability?: number;
}

export interface SttSegment {
  readonly text: string;
  readonly startMs: number;
  readonly endMs: number;
}

/** What an engine heard. Empty text is a result (nobody spoke), never an error. */
export interface SttResult {
  readonly text: string;
  readonly segments: readonly SttSegment[];
  readonly words: readonly SttWord[];
  /** ISO 639-1 code when the engine tells. */
  readonly language?: string;
  readonly model: string;
}

export interface SttCapabilities {
  readonly streaming: boolean;
  readonly wordTimes: boolean;
  /** Rate and channels of the WAV that `transcribe` wants. */
  readonly sampleRate: number;
  readonly channels: number;
}

export interface SttProvider {
  readonly vendor: string;
  /** Shown in events and metrics. */
  readonly model: string;
  readonly capabilities: SttCapabilities;
  /** How many transcriptions may run at once; `Infinity` = no limit. */
  readonly slots: number;
  /** Finds and warms the engine. Throws `SRS_STT_UNAVAILABLE` or `SRS_STT_MODEL` with a message that says what to do. */
  start(signal: AbortSignal): Promise<void>;
  /** Rejects with an `SrsError` whose `retryable` is true where another try may help. An abort ends the engine's work, not only the wait. */
  transcribe(request: TranscribeRequest, signal: AbortSignal): Promise<SttResult>;
  /** Idempotent; after it no child, socket or temp file of the provider is left. */
  close(): Promise<void>;
}
