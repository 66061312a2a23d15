import type { ProblemSpan } from '../core/assurance.js';
import type { FfmpegDecoders } from '../core/audio-codec.js';
import type { LegStatistics } from '../core/leg-statistics.js';
import type { CutReason, MediaFormat, OfferedRtcp } from '../core/model.js';
import type { LegKeys } from '../core/srtp-suite.js';
import type { Warning } from '../core/warning.js';
import type { DigitPress } from './leg-digits.js';

/**
 * The port through which a session uses the media plane. The plane lives in worker threads (`media-worker.ts`); this is its
 * main-thread face. A `MediaCall` is the media of one recording session: a set of legs on one call clock, and their files.
 */
export interface MediaPlane {
  /** Starts the worker threads. */
  start(): Promise<void>;
  /** Opens the media of one recording session. Throws `SRS_MEDIA_WORKER` when no worker takes it. */
  openCall(options: MediaCallOptions, events: MediaCallEvents): Promise<MediaCall>;
  /** Decoders of an installed ffmpeg, by which more codecs are taken than those that are built in. Known after the start. */
  readonly ffmpeg: FfmpegDecoders;
  /** Calls and ports held now. */
  readonly load: { readonly calls: number; readonly ports: number };
  /** Ends every call, waits for the files, stops the threads. Idempotent. */
  stop(): Promise<void>;
}

export interface MediaCallOptions {
  readonly sessionId: string;
  /** Absolute; made when it is not there. Holds `leg-<n>.wav` and `call.wav`. */
  readonly directory: string;
  /** Legs that will be opened at once: they are made ready with the call, and `openLeg` finds them so. */
  readonly legs?: readonly LegOptions[];
  /** Whether speech is to be cut into utterances. */
  readonly utterances: boolean;
}

export interface MediaCall {
  /**
   * Opens a leg: a UDP port pair, bound before this resolves, so that nothing is clipped when the answer goes out.
   * Throws `SRS_PORTS_EXHAUSTED`.
   */
  openLeg(options: LegOptions): Promise<LegHandle>;
  /** Changes what is agreed about a leg. `inactive` flushes the utterance in progress with reason `hold` and writes silence from now on. */
  updateLeg(leg: number, change: LegChange): Promise<void>;
  /** The SRC removed the stream: the leg hears no more, its file goes on as silence to the end of the call. */
  closeLeg(leg: number): Promise<void>;
  /** The leg was opened for an offer that is refused: nobody was told of it, and nothing of it is left, its file neither. */
  discardLeg(leg: number): Promise<void>;
  /**
   * Pauses or resumes writing, of `legs` or of all and of those to come. Resolves when it is in force: what is received from then on
   * is dropped before it is decoded. A resume lets nothing through whose place on the clock lies before it. Goes ahead of
   * operations that wait. Legs that are so already stay so.
   *
   * Throws `SRS_MEDIA_WORKER` when the worker is gone or does not confirm in time; a pause then still holds: whenever the worker
   * goes on, it drops what it finds, and a resume that was not confirmed never happens. One resume of a call at a time.
   */
  setPaused(paused: boolean, legs?: readonly number[]): Promise<PauseInstant>;
  /** Waits for the tail, writes what is in flight, finishes the files and frees the ports (into quarantine). Idempotent. */
  finish(): Promise<MediaCallResult>;
}

/** When a pause or its end came into force. */
export interface PauseInstant {
  /** Call clock. */
  readonly atMs: number;
  /** Epoch ms. */
  readonly at: number;
}

export interface LegOptions {
  /** 1-based. Those of the first offer are also the channels of `call.wav`. */
  readonly leg: number;
  readonly formats: readonly MediaFormat[];
  readonly active: boolean;
  /** Of SRTP; plain RTP without. */
  readonly keys?: LegKeys;
  readonly remote?: LegRemote;
}

/** What the SDP says about the other end of a stream: addresses as written there. */
export interface LegRemote {
  readonly address?: string;
  readonly port: number;
  readonly rtcp?: OfferedRtcp;
}

/** What is not named stays. */
export interface LegChange {
  readonly formats?: readonly MediaFormat[];
  readonly active?: boolean;
  readonly remote?: LegRemote;
  /** null makes the stream plain. */
  readonly keys?: LegKeys | null;
}

export interface LegHandle {
  readonly leg: number;
  /** Even RTP port; RTCP is the next one. */
  readonly port: number;
}

/** A stretch of a call that no worker heard or wrote, of one leg at least; in ms of the call clock. */
export interface MissingMedia {
  readonly fromMs: number;
  readonly toMs: number;
}

/** Called on the main thread, in order. They must not throw. */
export interface MediaCallEvents {
  utterance(utterance: CutUtterance): void;
  /** The first RTP packet of a leg came, `atMs` on the call clock, whose zero is `startedAt` (epoch ms). */
  firstPacket?(leg: number, atMs: number, startedAt: number): void;
  /** A key was pressed on a leg (RFC 4733); told when it is over. */
  digit?(leg: number, press: DigitPress): void;
  /** Something unusual about a leg that cost nothing. */
  warning?(warning: Warning): void;
  /** Something began to be wrong with the recording of a leg, or is over: then it has `toMs`. */
  problem?(change: ProblemSpan): void;
  /** A write failed; recording goes on in memory as long as it can. */
  writeFailed(message: string): void;
  /** The worker of this call died and another goes on with it: what came in between is not in the files. */
  moved?(missing: MissingMedia): void;
  /** The worker of this call died and no other could go on: nothing more will be recorded, what is on disk stays. `finish` still resolves. */
  lost(message: string): void;
}

/** Speech cut out of one leg. */
export interface CutUtterance {
  readonly leg: number;
  /** 1-based per leg. */
  readonly number: number;
  /** Call clock. */
  readonly startMs: number;
  readonly endMs: number;
  readonly reason: CutReason;
  /** Mono, 16-bit, at `sampleRate`. */
  readonly samples: Int16Array;
  readonly sampleRate: number;
  /** Epoch ms at which the last sample had been received. */
  readonly endedAt: number;
}

/** The figures of a leg, and where its audio lies. */
export interface FinishedLeg extends LegStatistics {
  readonly leg: number;
  /** Name of the file in the call's directory. */
  readonly file: string;
}

export interface MediaCallResult {
  /** Epoch ms of the first sample of all files. */
  readonly startedAt: number;
  readonly durationMs: number;
  readonly legs: readonly FinishedLeg[];
  /** Bytes of all files. */
  readonly bytes: number;
  /** Of `call.wav`, as `unwrittenMs` of a leg. */
  readonly unwrittenMs?: number;
}
