import type { UtteranceCutterOptions } from '../audio/utterance-cutter.js';
import type { DtmfPolicy } from '../core/dtmf.js';
import { type ErrorCode, SrsError } from '../core/errors.js';
import type { CutReason, MediaFormat } from '../core/model.js';
import type { LegKeys } from '../core/srtp-suite.js';
import type { Warning } from '../core/warning.js';
import type { ProblemChange, WatchBounds } from './call-watch.js';
import type { DigitPress } from './leg-digits.js';
import type { MediaCountersDelta } from './media-counters.js';
import type { LegOptions, LegRemote, MediaCallResult, MissingMedia, PauseInstant } from './media-plane.js';
import type { Takeover } from './takeover.js';

export type ReceiverChoice = 'auto' | 'node';

/** What a media worker is started with. */
export interface WorkerSettings {
  /** One Int32: main adds one and notifies after each message, which ends the worker's wait. */
  readonly control: SharedArrayBuffer;
  /** Shared, see `pause-gate.ts`. */
  readonly gates: Int32Array;
  /** Shared, see `socket-book.ts`. */
  readonly sockets: Int32Array;
  /** `auto`: in batches where that is possible; `node`: with Node's own sockets. */
  readonly receiver: ReceiverChoice;
  readonly bindAddress: string;
  readonly tickMs: number;
  readonly tailMs: number;
  readonly utterance: Partial<UtteranceCutterOptions>;
  readonly watch: WatchBounds;
  /** Memory for what the disk does not take. */
  readonly backlogBytes: number;
  /** How long a call that has ended waits for a disk that does not take its last samples, in ms. */
  readonly diskPatienceMs: number;
  readonly dtmf: DtmfPolicy;
  /** The ffmpeg that decodes what is not built in, when there is one. */
  readonly ffmpeg?: string;
}

/** Main to worker. Each is answered by one `reply` with the same `id`. */
export type WorkerRequest =
  | {
      readonly kind: 'open-call';
      readonly call: number;
      readonly directory: string;
      readonly utterances: boolean;
      readonly legs: readonly (LegOptions & { readonly port: number })[];
      /** Streams of the first offer, also of those that have no port yet. */
      readonly channels: number;
      /** Slot of the call in the worker's gates, see `pause-gate.ts`. */
      readonly gate: number;
      /** The call was another worker's, which died; its legs are those of this. */
      readonly takeover?: Takeover;
    }
  | {
      readonly kind: 'open-leg';
      readonly call: number;
      readonly leg: number;
      readonly port: number;
      readonly formats: readonly MediaFormat[];
      readonly active: boolean;
      readonly remote?: LegRemote;
      readonly keys?: LegKeys;
    }
  | {
      readonly kind: 'update-leg';
      readonly call: number;
      readonly leg: number;
      readonly formats?: readonly MediaFormat[];
      readonly active?: boolean;
      readonly remote?: LegRemote;
      readonly keys?: LegKeys | null;
    }
  | { readonly kind: 'close-leg'; readonly call: number; readonly leg: number; readonly discard: boolean }
  /** Without `legs`: all, and those to come. A resume has a ticket, see `pause-gate.ts`. */
  | {
      readonly kind: 'pause';
      readonly call: number;
      readonly paused: boolean;
      readonly legs?: readonly number[];
      readonly ticket?: number;
    }
  /** `at` is `sharedClock()` of the moment the end was asked for. */
  | { readonly kind: 'finish'; readonly call: number; readonly at: number }
  | { readonly kind: 'stop' };

export type RequestEnvelope = WorkerRequest & { readonly id: number };

/** Which of the legs that came with a call are open. The others can be tried on other ports. */
export interface OpenedLegs {
  readonly opened: readonly number[];
  /** Of a call that was taken over: what no worker heard, at least of one leg. ms of the call clock. */
  readonly missing?: MissingMedia;
}

/** An error on its way between threads; `systemCode` is the system's own, e.g. `EADDRINUSE`. */
export interface WireError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly systemCode?: string;
}

/** Worker to main. */
export type WorkerMessage =
  /** Whether packets are received in batches. */
  | { readonly kind: 'ready'; readonly batches: boolean }
  | {
      readonly kind: 'reply';
      readonly id: number;
      readonly result?: MediaCallResult | PauseInstant | OpenedLegs;
      readonly error?: WireError;
    }
  | {
      readonly kind: 'utterance';
      readonly call: number;
      readonly leg: number;
      readonly number: number;
      readonly startMs: number;
      readonly endMs: number;
      readonly reason: CutReason;
      /** Transferred: mono 16-bit samples. */
      readonly samples: ArrayBuffer;
      readonly sampleRate: number;
      readonly endedAt: number;
    }
  | {
      readonly kind: 'first-packet';
      readonly call: number;
      readonly leg: number;
      readonly atMs: number;
      readonly startedAt: number;
    }
  | { readonly kind: 'clock-began'; readonly call: number; readonly at: number; readonly startedAt: number }
  /** By the policy, without the digit. */
  | ({ readonly kind: 'digit'; readonly call: number; readonly leg: number } & DigitPress)
  | { readonly kind: 'warning'; readonly call: number; readonly warning: Warning }
  | { readonly kind: 'problem'; readonly call: number; readonly change: ProblemChange }
  | { readonly kind: 'write-failed'; readonly call: number; readonly message: string }
  | { readonly kind: 'counters'; readonly delta: MediaCountersDelta }
  /** Bytes that wait for the disk now; told when it has changed. */
  | { readonly kind: 'backlog'; readonly bytes: number }
  /** Writing the files of a call has taken long. */
  | { readonly kind: 'disk-slow'; readonly ms: number }
  /** A fault of ours that the worker survived. */
  | { readonly kind: 'fault'; readonly message: string };

/** Monotonic ms that mean the same in every thread; `performance.now()` counts from the start of its own. */
export function sharedClock(): number {
  return Number(process.hrtime.bigint() / 1000n) / 1000;
}

export function wireError(error: unknown): WireError {
  const { code, message } = SrsError.from(error);
  const systemCode = error instanceof Error && 'code' in error ? String(error.code) : undefined;
  return { code, message, ...(systemCode ? { systemCode } : {}) };
}
