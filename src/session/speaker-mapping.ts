import type { MetadataStream, OfferedStream, Participant, Speaker } from '../core/model.js';
import type { Warning, WarningCode } from '../core/warning.js';
import type { MetadataState } from './metadata-state.js';

export interface SpeakerMapping {
  /** By zero-based m-line index. Every live audio m-line has an entry; it is empty when nobody is known or several speak on it. */
  readonly speakers: ReadonlyMap<number, Speaker>;
  /** Zero-based m-lines on which nobody sends although the metadata tells who sends on which stream. */
  readonly unclaimed: ReadonlySet<number>;
  readonly warnings: readonly Warning[];
}

/** A metadata stream and how it was found. */
interface Match {
  readonly stream: MetadataStream;
  readonly inferred: boolean;
}

/**
 * Who speaks on which m-line: `a=label` -> `<stream><label>` -> the participant that sends on that stream (RFC 7865 §6.7, §6.8).
 *
 * Where labels do not tell, the order does, and the speaker is marked `inferred`: first the order of the m-lines against that of the
 * `<stream>` elements, then against that of the participants when there are exactly as many as m-lines without one. A mixed stream,
 * on which several participants send, gets no speaker: one name would be wrong for half of the words. Pure.
 */
export function mapSpeakers(streams: readonly OfferedStream[], state: MetadataState): SpeakerMapping {
  const slots = streams.filter((stream) => stream.media.toLowerCase() === 'audio');
  const lines = slots.filter((stream) => stream.port !== 0);
  const warnings = new WarningList();
  const speakers = new Map<number, Speaker>(lines.map((line) => [line.index, {}]));
  if (state.streams.length === 0 && state.participants.length === 0)
    return { speakers, unclaimed: new Set(), warnings: [] };
  const matches = state.streams.length === 0 ? new Map<number, Match>() : matchStreams(slots, state.streams, warnings);
  const silent: OfferedStream[] = [];
  for (const line of lines) {
    const match = matches.get(line.index);
    const senders = match ? sendersOf(match.stream, state) : [];
    const [sender] = senders;
    if (senders.length === 0 || sender === undefined) silent.push(line);
    else if (senders.length === 1)
      speakers.set(line.index, speakerOf(sender, state, match?.inferred === true, warnings));
  }
  if (silent.length === lines.length) inferByParticipants(slots, state, matches, speakers, warnings);
  const unclaimed = new Set(tellsSenders(state) ? silent.map(({ index }) => index) : []);
  return { speakers, unclaimed, warnings: warnings.all };
}

function matchStreams(
  slots: readonly OfferedStream[],
  streams: readonly MetadataStream[],
  warnings: WarningList,
): Map<number, Match> {
  const lines = slots.filter((slot) => slot.port !== 0);
  const matches = new Map<number, Match>();
  const free = new Set(streams);
  // The stream of an m-line that was removed is nobody else's, also when the metadata still names it.
  for (const [at, slot] of slots.entries()) {
    if (slot.port !== 0) continue;
    const own =
      slot.label === undefined ? undefined : streams.find(({ label }) => label?.trim() === slot.label?.trim());
    const placed = streams.length === slots.length ? streams[at] : undefined;
    const theirs = own ?? placed;
    if (theirs && !lines.some((line) => line.label !== undefined && line.label.trim() === theirs.label?.trim()))
      free.delete(theirs);
  }
  const open: OfferedStream[] = [];
  for (const line of lines) {
    const label = line.label?.trim();
    const named = label === undefined ? [] : streams.filter((stream) => stream.label?.trim() === label);
    const [stream] = named;
    const repeated = lines.filter((other) => other.label?.trim() === label).length > 1;
    if (label !== undefined && stream !== undefined && named.length === 1 && !repeated) {
      matches.set(line.index, { stream, inferred: false });
      free.delete(stream);
      continue;
    }
    if (label === undefined) warnings.add('label_missing', line.index);
    else if (repeated || named.length > 1) warnings.add('label_duplicate', line.index);
    else warnings.add('label_unknown', line.index);
    open.push(line);
  }
  // Those of the same label first, so that a label given twice still means something.
  for (const sameLabel of [true, false]) {
    for (const line of open) {
      if (matches.has(line.index)) continue;
      const stream = [...free].find(
        (candidate) => !sameLabel || (line.label !== undefined && candidate.label === line.label),
      );
      if (!stream) continue;
      matches.set(line.index, { stream, inferred: true });
      free.delete(stream);
      warnings.add('mapping_inferred', line.index);
    }
  }
  return matches;
}

/** Ids of the participants that send on a stream. An id that two streams share, or none, ties nothing (Avaya's `stream_id=""`). */
function sendersOf(stream: MetadataStream, state: MetadataState): string[] {
  if (stream.id === '' || state.streams.filter((other) => other.id === stream.id).length > 1) return [];
  return state.associations.filter((association) => association.send.includes(stream.id)).map((a) => a.participantId);
}

function tellsSenders({ associations }: MetadataState): boolean {
  return associations.some((association) => association.send.some((id) => id !== ''));
}

/**
 * The last resort, when no m-line has a sender: the order of the participants against that of the m-lines, or else of the streams
 * that the m-lines were matched to. Only when there is exactly one for each, and only when no association at all could have told
 * (OpenSIPS leaves them empty): a participant on hold must not become the speaker of a stream that merely nobody sends on at the
 * moment. It is no warning while nothing can be heard: Cisco leaves associations empty before the call is answered and on hold.
 */
function inferByParticipants(
  slots: readonly OfferedStream[],
  state: MetadataState,
  matches: ReadonlyMap<number, Match>,
  speakers: Map<number, Speaker>,
  warnings: WarningList,
): void {
  if (tellsSenders(state)) return;
  const people = peopleWhoMaySend(state);
  // One person beside several streams: nothing says which of them is theirs.
  if (people.length < 2 && state.streams.length > 1) return;
  const live = slots.filter((slot) => slot.port !== 0);
  // A participant whose m-line was removed may still be named.
  const lines = people.length === slots.length ? slots : live;
  const byStream = people.length !== lines.length;
  if (byStream && people.length !== state.streams.length) return;
  for (const [i, line] of lines.entries()) {
    const match = matches.get(line.index);
    const at = byStream && match ? state.streams.indexOf(match.stream) : i;
    const participant = byStream && !match ? undefined : people[at];
    if (!participant || line.port === 0) continue;
    speakers.set(line.index, describe(participant, true));
    if (line.direction !== 'inactive') warnings.add('mapping_inferred', line.index);
  }
}

/** Avaya lists itself among the participants, and only the others have an association, if an empty one. */
function peopleWhoMaySend({ participants, associations, streams }: MetadataState): readonly Participant[] {
  const linked = participants.filter(({ id }) => associations.some(({ participantId }) => participantId === id));
  return streams.length > 0 && linked.length === streams.length ? linked : participants;
}

function speakerOf(participantId: string, state: MetadataState, inferred: boolean, warnings: WarningList): Speaker {
  const participant = [...state.participants, ...state.ended].find((candidate) => candidate.id === participantId);
  if (participant) return describe(participant, inferred);
  warnings.add('participant_unknown');
  return { participantId, ...(inferred ? { inferred } : {}) };
}

function describe(participant: Participant, inferred: boolean): Speaker {
  const { id, aor, name, role } = participant;
  // An object that begins with a spread gets a shape of its own in V8, and speakers live as long as the call.
  const speaker: { -readonly [K in keyof Speaker]: Speaker[K] } = {};
  if (id !== '') speaker.participantId = id;
  if (name !== undefined) speaker.name = name;
  if (aor !== undefined) speaker.aor = aor;
  if (role !== undefined) speaker.role = role;
  if (inferred) speaker.inferred = true;
  return speaker;
}

/** One warning per code, naming the m-lines it holds for. */
class WarningList {
  readonly #lines = new Map<WarningCode, Set<number>>();

  add(code: WarningCode, index?: number): void {
    const lines = this.#lines.get(code) ?? new Set();
    if (index !== undefined) lines.add(index + 1);
    this.#lines.set(code, lines);
  }

  get all(): Warning[] {
    return [...this.#lines].map(([code, lines]) => ({
      code,
      ...(lines.size === 0 ? {} : { detail: `m-line ${[...lines].join(', ')}` }),
    }));
  }
}
