import type { Assurance, ProblemSpan } from './assurance.js';
import type { DtmfSource } from './dtmf.js';
import type { CallAttributes, EndReason, Participant, Speaker, Word } from './model.js';
import type { Warning } from './warning.js';

/** Whose pause it is: the SRC's (`a=inactive`), a command of ours, or both at once. */
export type PausedBy = 'src' | 'us' | 'both';

interface EventBase {
  /** Stable across redelivery; also the AMQP `message_id`. */
  readonly eventId: string;
  /** Process-wide, rising by one; WebSocket clients come back with `since`. */
  readonly seq: number;
  /** Epoch ms. */
  readonly at: number;
  /** SIP Call-ID. */
  readonly callId: string;
  /** Our id of the recording session. */
  readonly sessionId: string;
}

/** Who and what a call is, as known when the event was published. */
export interface CallFacts {
  /** Those who take part now; at the end, everybody who did. */
  readonly participants?: readonly Participant[];
  /** Those under way now; at the end, all of them. */
  readonly communicationSessions?: readonly { readonly id: string; readonly groupId?: string }[];
  readonly attributes?: CallAttributes;
  readonly dialect?: string;
}

export interface CallStarted extends EventBase, CallFacts {
  readonly type: 'call.started';
  readonly legs: readonly LegDescription[];
}
export interface CallUpdated extends EventBase, CallFacts {
  readonly type: 'call.updated';
  readonly legs: readonly LegDescription[];
  /** `draining`: the recording is complete on disk, words are still to come. */
  readonly state: 'recording' | 'paused' | 'draining';
  /** Who holds the recording of all legs: the SRC by its direction, a command of ours, or both. */
  readonly pausedBy?: PausedBy;
  /** Legs that a command of ours has paused, when there are any. */
  readonly pausedLegs?: readonly number[];
  /** What is wrong with the recording now; absent when nothing is. */
  readonly problems?: readonly ProblemSpan[];
}
/** The last event of a call: its recording is complete and every utterance has its words or its failure. */
export interface CallEnded extends EventBase, CallFacts {
  readonly type: 'call.ended';
  readonly reason: EndReason;
  readonly durationMs: number;
  /** Absent when no media was ever opened. */
  readonly assurance?: Assurance;
  readonly legs: readonly LegDescription[];
  /** Folder of the recording, relative to `DATA_DIR`. */
  readonly recording: string;
}
/** The final words of one utterance. Empty text is a result: voice activity heard something, the engine no words. */
export interface TranscriptFinal extends EventBase {
  readonly type: 'transcript.final';
  readonly utteranceId: string;
  readonly leg: LegDescription;
  readonly text: string;
  /** Call clock. */
  readonly startMs: number;
  readonly endMs: number;
  readonly words: readonly Word[];
  readonly language?: string;
  readonly vendor: string;
  readonly model: string;
  /** From the end of the utterance's audio to this event. */
  readonly delayMs: number;
}
export interface TranscriptFailed extends EventBase {
  readonly type: 'transcript.failed';
  readonly utteranceId: string;
  readonly leg: LegDescription;
  readonly startMs: number;
  readonly endMs: number;
  readonly vendor: string;
  /** Code of the error table. */
  readonly code: string;
}
export interface RecordingWarning extends EventBase {
  readonly type: 'recording.warning';
  readonly warning: Warning;
}

/** A key was pressed; told when it is over. */
export interface DtmfPressed extends EventBase {
  readonly type: 'dtmf.pressed';
  /** Absent when an INFO told it and the call has several legs. */
  readonly leg?: LegDescription;
  /** One character or `flash`; absent when the policy masks it. */
  readonly digit?: string;
  /** Call clock; when an INFO told it, the time of its arrival. */
  readonly startMs: number;
  /** Absent when an INFO told none. */
  readonly durationMs?: number;
  readonly source: DtmfSource;
}

/** Everything a listener can hear. */
export type CallEvent =
  | CallStarted
  | CallUpdated
  | CallEnded
  | TranscriptFinal
  | TranscriptFailed
  | RecordingWarning
  | DtmfPressed;

/** An event before the bus gave it `eventId`, `seq` and `at`. */
export type CallEventDraft = CallEvent extends infer E
  ? E extends CallEvent
    ? Omit<E, 'eventId' | 'seq' | 'at'>
    : never
  : never;

/** A leg as events and records show it. */
export interface LegDescription {
  /** 1-based, in order of appearance: `leg-1.wav`. */
  readonly leg: number;
  readonly label: string;
  readonly speaker: Speaker;
}
