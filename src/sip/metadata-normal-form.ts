import type {
  CommunicationSession,
  MetadataStream,
  Participant,
  ParticipantStreams,
  RecordingMetadata,
} from '../core/model.js';
import type { XmlElement } from './xml-element.js';

/** No call has more of one kind; what is beyond is ignored. */
const MAX_OF_A_KIND = 256;
const MAX_FIELD = 1024;

/** What one participant says about streams, before several such elements are joined. */
interface Links {
  readonly send: Set<string>;
  readonly receive: Set<string>;
}

/**
 * The tree of any dialect -> one normal form. Elements are found by local name wherever they hang: BroadWorks puts everything under
 * `recording_metadata`, the drafts put `send` and `recv` into the participant, RFC 7865 into `participantstreamassoc`.
 *
 * Pure; never throws; an element that lacks everything is an element without fields.
 */
export function normaliseMetadata(root: XmlElement, raw: string): RecordingMetadata {
  const found = new Map<string, XmlElement[]>();
  collect(root, found);
  const all = (name: string): readonly XmlElement[] => found.get(name) ?? [];
  const mode = all('datamode').some((element) => /^\s*partial\s*$/i.test(element.text)) ? 'partial' : 'complete';
  return {
    mode,
    sessions: readSessions(all('session'), all('sessionrecordingassoc')),
    participants: readParticipants(all('participant')),
    streams: all('stream').map(readStream),
    associations: readAssociations(
      all('participant'),
      all('participantstreamassoc'),
      all('participantsessionassoc').filter(hasEnded),
    ),
    raw,
  };
}

const KINDS = new Set([
  'datamode',
  'session',
  'sessionrecordingassoc',
  'participant',
  'participantsessionassoc',
  'participantstreamassoc',
  'stream',
]);

/** Extensions are opaque: an element inside one that happens to be called `stream` is the vendor's own (RFC 7865 §9). */
function isExtension(element: XmlElement): boolean {
  return element.name.includes('extension') || element.name === 'broadworksrecordingmetadata';
}

function collect(element: XmlElement, found: Map<string, XmlElement[]>): void {
  for (const child of element.children) {
    if (isExtension(child)) continue;
    if (KINDS.has(child.name)) {
      const list = found.get(child.name) ?? [];
      if (list.length < MAX_OF_A_KIND) list.push(child);
      found.set(child.name, list);
    }
    collect(child, found);
  }
}

function readSessions(sessions: readonly XmlElement[], recordings: readonly XmlElement[]): CommunicationSession[] {
  return sessions.map((element) => {
    const id = attribute(element, 'session_id', 'id') ?? '';
    const recording = recordings.find((assoc) => attribute(assoc, 'session_id', 'id') === id);
    const groupId = childText(element, 'group-ref') ?? attribute(element, 'group-ref', 'group_id', 'group');
    const startTime = childText(element, 'start-time') ?? (recording && childText(recording, 'associate-time'));
    const stopTime = childText(element, 'stop-time') ?? (recording && childText(recording, 'disassociate-time'));
    return {
      id,
      ...(groupId === undefined ? {} : { groupId }),
      sipSessionIds: children(element, 'sipsessionid')
        .map(fieldOf)
        .filter((value) => value !== ''),
      ...(startTime === undefined ? {} : { startTime }),
      ...(stopTime === undefined ? {} : { stopTime }),
    };
  });
}

/** An id given twice is an error of the SRC (RFC 7865 §6.10); the first holds and the second only fills its blanks. */
function readParticipants(elements: readonly XmlElement[]): Participant[] {
  const participants: Participant[] = [];
  for (const element of elements) {
    const participant = readParticipant(element);
    const known = participant.id === '' ? -1 : participants.findIndex((other) => other.id === participant.id);
    if (known === -1) participants.push(participant);
    else participants[known] = { ...participant, ...participants[known] };
  }
  return participants;
}

function readParticipant(element: XmlElement): Participant {
  const nameIds = children(element, 'nameid');
  const aors = [
    ...nameIds.map((nameId) => attribute(nameId, 'aor')),
    ...[element, ...nameIds].map((parent) => childText(parent, 'aor')),
    attribute(element, 'aor'),
    // Some write the address as the text of nameID itself.
    ...nameIds.map((nameId) => (/^\s*(?:sips?|tel):/i.test(nameId.text) ? fieldOf(nameId) : undefined)),
  ];
  const names = [
    ...nameIds.map((nameId) => childText(nameId, 'name') ?? attribute(nameId, 'name')),
    childText(element, 'name'),
    attribute(element, 'name'),
  ];
  const aor = aors.find((value) => value !== undefined && value !== '');
  const name = names.find((value) => value !== undefined && value !== '');
  const role = roleOf(element);
  return {
    id: participantId(element),
    ...(aor === undefined ? {} : { aor }),
    ...(name === undefined ? {} : { name }),
    ...(role === undefined ? {} : { role }),
  };
}

/** RFC 7865 has no role. It is taken only from an extension that says it in so many words: `role`, or Oracle's `callingParty`. */
function roleOf(participant: XmlElement): string | undefined {
  const extensions = participant.children.filter(isExtension);
  for (const parent of [participant, ...extensions]) {
    const role = childText(parent, 'role') ?? attribute(parent, 'role');
    if (role !== undefined && role !== '') return role.toLowerCase();
    const calling = childText(parent, 'callingparty')?.toLowerCase();
    if (calling === 'true') return 'caller';
    if (calling === 'false') return 'callee';
  }
  return undefined;
}

function readStream(element: XmlElement): MetadataStream {
  // Google's `media_label` is the label of the SDP while its `<label>` is a title.
  const label = attribute(element, 'media_label') ?? childText(element, 'label') ?? attribute(element, 'label');
  const sessionId = attribute(element, 'session_id', 'session');
  return {
    id: attribute(element, 'stream_id', 'id') ?? '',
    ...(label === undefined || label === '' ? {} : { label }),
    ...(sessionId === undefined ? {} : { sessionId }),
  };
}

/**
 * Who sends and hears what. An association that has ended says that its participant does neither any more; so does leaving the
 * session (RFC 7865 §6.6, §6.8).
 */
function readAssociations(
  participants: readonly XmlElement[],
  associations: readonly XmlElement[],
  departures: readonly XmlElement[],
): ParticipantStreams[] {
  const links = new Map<string, Links>();
  const linksOf = (id: string): Links => {
    const known = links.get(id) ?? { send: new Set(), receive: new Set() };
    links.set(id, known);
    return known;
  };
  for (const element of associations) {
    const known = linksOf(participantId(element));
    if (!hasEnded(element)) addLinks(element, known);
  }
  for (const element of participants) {
    const inline = element.children.some((child) => child.name === 'send' || child.name === 'recv');
    if (inline) addLinks(element, linksOf(participantId(element)));
  }
  for (const element of departures) linksOf(participantId(element));
  return [...links].map(([id, { send, receive }]) => ({ participantId: id, send: [...send], receive: [...receive] }));
}

function addLinks(element: XmlElement, links: Links): void {
  for (const id of streamIds(element, 'send')) links.send.add(id);
  for (const id of streamIds(element, 'recv')) links.receive.add(id);
}

/** `<send>id</send>`, `<send><id>id</id></send>` or `<send stream_id="id"/>`. */
function streamIds(element: XmlElement, name: string): string[] {
  return children(element, name).flatMap((link) => {
    const nested = children(link, 'id').map(fieldOf);
    const own = nested.length > 0 ? nested : [fieldOf(link) || (attribute(link, 'stream_id', 'id') ?? '')];
    return own.filter((id) => id !== '');
  });
}

/** Ribbon writes 1970 into times that it does not know. */
function hasEnded(element: XmlElement): boolean {
  const time = childText(element, 'disassociate-time');
  return time !== undefined && time !== '' && !time.startsWith('1970');
}

function participantId(element: XmlElement): string {
  return attribute(element, 'participant_id', 'id', 'participant') ?? '';
}

function attribute(element: XmlElement, ...names: string[]): string | undefined {
  for (const name of names) {
    const value = element.attributes.get(name);
    if (value !== undefined) return tidy(value);
  }
  return undefined;
}

function children(element: XmlElement, name: string): XmlElement[] {
  return element.children.filter((child) => child.name === name);
}

function childText(element: XmlElement, name: string): string | undefined {
  const child = element.children.find((candidate) => candidate.name === name);
  return child && fieldOf(child);
}

function fieldOf(element: XmlElement): string {
  return tidy(element.text);
}

/** Values may be folded over lines (RFC 8068 folds sipSessionID); ids are opaque and only trimmed. */
function tidy(value: string): string {
  return value
    .slice(0, MAX_FIELD * 4)
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, MAX_FIELD);
}
