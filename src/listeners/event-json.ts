import type { Assurance, ProblemSpan } from '../core/assurance.js';
import type {
  CallEvent,
  CallFacts,
  DtmfPressed,
  LegDescription,
  TranscriptFailed,
  TranscriptFinal,
} from '../core/call-event.js';
import type { CallAttributes, Participant } from '../core/model.js';

/**
 * The outside shape of events, made here and nowhere else; `docs/reference/events.md` describes it.
 * `call_uuid`, `transcription`, `is_final`, `timestamp` and `metadata` stand in every event, because programs written for
 * other SIPREC servers read them without asking.
 */
export const EVENT_SCHEMA = 'sipscribe.event/1';

export interface LegJson {
  readonly leg: number;
  readonly stream_label: string;
  readonly call_uuid: string;
  readonly participant_id?: string;
  readonly participant_name?: string;
  readonly participant_aor?: string;
  readonly participant_role?: string;
  /** True when the order of the m-lines told the speaker, not a label. */
  readonly participant_inferred?: boolean;
}

export interface ParticipantJson {
  readonly participant_id: string;
  readonly participant_name?: string;
  readonly participant_aor?: string;
  readonly participant_role?: string;
}

export interface CommunicationSessionJson {
  readonly id: string;
  readonly group_id?: string;
}

export interface WordJson {
  readonly word: string;
  readonly start_ms: number;
  readonly end_ms: number;
  readonly probability?: number;
}

export interface ProblemJson {
  readonly problem: string;
  readonly leg: number;
  readonly from_ms?: number;
  readonly to_ms?: number;
}

export interface AssuranceJson {
  readonly complete: boolean;
  readonly problems: readonly ProblemJson[];
  readonly lost_packets: number;
  readonly unused_packets: number;
  readonly unwritten_ms: number;
  readonly gap_ms: Assurance['gapMs'];
  readonly doubts: readonly { readonly doubt: string; readonly leg?: number }[];
}

export interface EventJson extends Partial<LegJson> {
  readonly type: CallEvent['type'];
  readonly seq: number;
  readonly event_id: string;
  /** RFC 3339, UTC. */
  readonly timestamp: string;
  readonly call_id: string;
  readonly session_id: string;
  /** `<Call-ID>_<stream label>`; of an event that has no leg, the Call-ID. */
  readonly call_uuid: string;
  readonly transcription: string;
  readonly is_final: boolean;
  readonly metadata: Readonly<Record<string, string | number | boolean>>;
  readonly utterance_id?: string;
  readonly start_ms?: number;
  readonly end_ms?: number;
  readonly words?: readonly WordJson[];
  readonly language?: string;
  readonly vendor?: string;
  readonly model?: string;
  readonly delay_ms?: number;
  readonly error?: string;
  readonly legs?: readonly LegJson[];
  readonly participants?: readonly ParticipantJson[];
  readonly communication_sessions?: readonly CommunicationSessionJson[];
  readonly attributes?: CallAttributes;
  readonly dialect?: string;
  readonly state?: string;
  /** `src`, `us` or `both`: who keeps the call from being recorded. */
  readonly paused_by?: string;
  /** Legs that a command of ours has paused. */
  readonly paused_legs?: readonly number[];
  /** What is wrong with the recording now. */
  readonly problems?: readonly ProblemJson[];
  readonly assurance?: AssuranceJson;
  readonly reason?: string;
  readonly duration_ms?: number;
  /** Folder of the recording below `DATA_DIR`. */
  readonly recording?: string;
  /** The key that was pressed; absent when the policy masks it. */
  readonly digit?: string;
  /** True when a digit is kept back. */
  readonly masked?: boolean;
  /** `rtp` or `info`. */
  readonly source?: string;
  readonly warning?: { readonly code: string; readonly detail?: string };
}

/** The name by which a leg of a call is subscribed to. */
export function callUuid(event: CallEvent): string {
  return 'leg' in event && event.leg ? `${event.callId}_${event.leg.label}` : event.callId;
}

/** An event as a WebSocket frame holds it. What is not known is left out. */
export function eventJson(event: CallEvent): EventJson {
  const base = {
    type: event.type,
    seq: event.seq,
    event_id: event.eventId,
    timestamp: new Date(event.at).toISOString(),
    call_id: event.callId,
    session_id: event.sessionId,
    call_uuid: callUuid(event),
    transcription: '',
    is_final: false,
  };
  switch (event.type) {
    case 'transcript.final':
      return finalJson(base, event);
    case 'transcript.failed':
      return failedJson(base, event);
    case 'call.started':
      return { ...base, metadata: { is_final: false }, legs: legsJson(event), ...factsJson(event) };
    case 'call.updated':
      return {
        ...base,
        metadata: { is_final: false },
        state: event.state,
        ...(event.problems === undefined ? {} : { problems: event.problems.map(problemJson) }),
        ...(event.pausedBy === undefined ? {} : { paused_by: event.pausedBy }),
        ...(event.pausedLegs === undefined ? {} : { paused_legs: event.pausedLegs }),
        legs: legsJson(event),
        ...factsJson(event),
      };
    case 'call.ended':
      return {
        ...base,
        metadata: { is_final: false },
        reason: event.reason,
        duration_ms: event.durationMs,
        ...(event.assurance === undefined ? {} : { assurance: assuranceJson(event.assurance) }),
        recording: event.recording,
        legs: legsJson(event),
        ...factsJson(event),
      };
    case 'recording.warning':
      return { ...base, metadata: { is_final: false }, warning: event.warning };
    case 'dtmf.pressed':
      return dtmfJson(base, event);
    default:
      return event satisfies never;
  }
}

/** An event as an AMQP body: the same, with the three keys that consumers read without asking always present. */
export function amqpBody(event: CallEvent): EventJson {
  return { stream_label: '', participant_name: '', participant_role: '', ...eventJson(event) };
}

type Base = Omit<EventJson, 'metadata'>;

function finalJson(base: Base, event: TranscriptFinal): EventJson {
  const engine = {
    ...(event.language === undefined ? {} : { language: event.language }),
    vendor: event.vendor,
    model: event.model,
  };
  return {
    ...base,
    ...legJson(event.callId, event.leg),
    transcription: event.text,
    is_final: true,
    utterance_id: event.utteranceId,
    start_ms: event.startMs,
    end_ms: event.endMs,
    words: event.words.map(({ word, startMs, endMs, probability }) => ({
      word,
      start_ms: startMs,
      end_ms: endMs,
      ...(probability === undefined ? {} : { probability }),
    })),
    ...engine,
    delay_ms: event.delayMs,
    metadata: { is_final: true, ...metadataOf(event), ...engine },
  };
}

function failedJson(base: Base, event: TranscriptFailed): EventJson {
  return {
    ...base,
    ...legJson(event.callId, event.leg),
    // No other words will come for this utterance.
    is_final: true,
    utterance_id: event.utteranceId,
    start_ms: event.startMs,
    end_ms: event.endMs,
    vendor: event.vendor,
    error: event.code,
    metadata: { is_final: true, ...metadataOf(event), vendor: event.vendor, error: event.code },
  };
}

function dtmfJson(base: Base, event: DtmfPressed): EventJson {
  const { leg, digit, startMs, durationMs, source } = event;
  return {
    ...base,
    ...(leg === undefined ? {} : legJson(event.callId, leg)),
    ...(digit === undefined ? { masked: true } : { digit }),
    start_ms: startMs,
    ...(durationMs === undefined ? {} : { duration_ms: durationMs }),
    source,
    metadata: { is_final: false },
  };
}

function metadataOf(event: TranscriptFinal | TranscriptFailed): Record<string, string | number | boolean> {
  const { call_uuid: _, ...leg } = legJson(event.callId, event.leg);
  return { ...leg, start_ms: event.startMs, end_ms: event.endMs };
}

/** Who and what the call is. A list that is known to be empty is told; one that was never known is left out. */
function factsJson({ participants, communicationSessions, attributes, dialect }: CallFacts): Partial<EventJson> {
  return {
    ...(participants === undefined ? {} : { participants: participants.map(participantJson) }),
    ...(communicationSessions === undefined
      ? {}
      : {
          communication_sessions: communicationSessions.map(({ id, groupId }) => ({
            id,
            ...(groupId === undefined ? {} : { group_id: groupId }),
          })),
        }),
    ...(attributes === undefined ? {} : { attributes }),
    ...(dialect === undefined ? {} : { dialect }),
  };
}

/** As the API shows it, too. */
export function problemJson({ problem, leg, fromMs, toMs }: ProblemSpan): ProblemJson {
  return {
    problem,
    leg,
    ...(fromMs === undefined ? {} : { from_ms: Math.round(fromMs) }),
    ...(toMs === undefined ? {} : { to_ms: Math.round(toMs) }),
  };
}

function assuranceJson({
  complete,
  problems,
  lostPackets,
  unusedPackets,
  unwrittenMs,
  gapMs,
  doubts,
}: Assurance): AssuranceJson {
  return {
    complete,
    problems: problems.map(problemJson),
    lost_packets: lostPackets,
    unused_packets: unusedPackets,
    unwritten_ms: unwrittenMs,
    gap_ms: gapMs,
    doubts,
  };
}

function participantJson({ id, name, aor, role }: Participant): ParticipantJson {
  return {
    participant_id: id,
    ...(name === undefined ? {} : { participant_name: name }),
    ...(aor === undefined ? {} : { participant_aor: aor }),
    ...(role === undefined ? {} : { participant_role: role }),
  };
}

function legsJson(event: { readonly callId: string; readonly legs: readonly LegDescription[] }): LegJson[] {
  return event.legs.map((leg) => legJson(event.callId, leg));
}

/** A leg as events and the API show it. */
export function legJson(callId: string, { leg, label, speaker }: LegDescription): LegJson {
  return {
    leg,
    stream_label: label,
    call_uuid: `${callId}_${label}`,
    ...(speaker.participantId === undefined ? {} : { participant_id: speaker.participantId }),
    ...(speaker.name === undefined ? {} : { participant_name: speaker.name }),
    ...(speaker.aor === undefined ? {} : { participant_aor: speaker.aor }),
    ...(speaker.role === undefined ? {} : { participant_role: speaker.role }),
    ...(speaker.inferred === undefined ? {} : { participant_inferred: speaker.inferred }),
  };
}
