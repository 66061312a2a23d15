import type {
  CallAttributes,
  CommunicationSession,
  MetadataExtension,
  MetadataStream,
  Participant,
  ParticipantSession,
  ParticipantStreams,
  SessionGroup,
  Speaker,
  ToldSpan,
} from '../core/model.js';

/** What `call.json` says about who was there when. `…At` is epoch ms by our clock, `…Ms` the same on the call clock. */
export interface PresenceSpan {
  readonly joinedAt: number;
  /** Absent while the participant is there. */
  readonly leftAt?: number;
  /** Communication sessions, by id. */
  readonly sessionIds: readonly string[];
  /** The SRC's own word for it. */
  readonly told?: ToldSpan;
}

export interface RecordedSpan extends PresenceSpan {
  readonly joinedMs: number;
  readonly leftMs?: number;
}

export interface RecordedParticipant extends Participant {
  /** One for each time that the participant was there, oldest first. Absent in records of older versions. */
  readonly spans?: readonly RecordedSpan[];
}

/** `startTime` and `stopTime` are the SRC's words, `toldStartedAt` and `toldStoppedAt` the same in epoch ms. */
export interface RecordedCommunicationSession extends Omit<CommunicationSession, 'startedAt' | 'stoppedAt'> {
  readonly toldStartedAt?: number;
  readonly toldStoppedAt?: number;
  readonly startedAt: number;
  readonly startedMs: number;
  /** Absent while it goes on. */
  readonly endedAt?: number;
  readonly endedMs?: number;
  readonly participantIds: readonly string[];
}

/** One thing that a metadata snapshot changed. */
export interface MetadataChange {
  readonly at: number;
  readonly atMs?: number;
  /** Number of the snapshot: `metadata-<n>.xml`. */
  readonly snapshot: number;
  readonly change:
    | 'session_started'
    | 'session_ended'
    | 'participant_joined'
    | 'participant_changed'
    | 'participant_left'
    | 'sends'
    | 'stopped_sending'
    | 'receives'
    | 'stopped_receiving';
  readonly sessionId?: string;
  readonly participantId?: string;
  readonly streamId?: string;
  readonly name?: string;
  readonly aor?: string;
}

/** From when on somebody spoke on a leg. What was said before the first of these counts as said by that one. */
export interface RecordedSpell {
  readonly since: number;
  readonly sinceMs: number;
  readonly speaker: Speaker;
}

/** Everything that a record knows of the call from its signalling. */
export interface CallRecordIdentity {
  /** Everybody who was there, in the order of joining. */
  readonly participants: readonly RecordedParticipant[];
  /** In the order of their beginning; an id that came back stands twice. */
  readonly communicationSessions?: readonly RecordedCommunicationSession[];
  readonly groups?: readonly SessionGroup[];
  /** The last state of what ties participants, streams and sessions, with vendors' extensions as written. */
  readonly metadata?: {
    readonly streams: readonly MetadataStream[];
    readonly associations: readonly ParticipantStreams[];
    readonly memberships: readonly ParticipantSession[];
    readonly extensions: readonly MetadataExtension[];
  };
  /** Every change by a snapshot, oldest first, until there were too many. */
  readonly history?: readonly MetadataChange[];
  readonly historyOmitted?: number;
  readonly attributes?: CallAttributes;
  readonly dialect?: string;
}
