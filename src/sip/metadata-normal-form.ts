import type {
  CommunicationSession,
  MetadataStream,
  NameId,
  Participant,
  ParticipantSession,
  ParticipantStreams,
  RecordingMetadata,
  SessionGroup,
} from '../core/model.js';
import type { Warning } from '../core/warning.js';
import { isOpaque, readExtensions } from './metadata-extensions.js';
import {
  attribute,
  children,
  childText,
  childTexts,
  fieldOf,
  hasEnded,
  participantId,
  spanOf,
} from './metadata-fields.js';
import { repeatedIds } from './metadata-ids.js';
import { readMetadataTime } from './metadata-time.js';
import type { XmlElement } from './xml-element.js';

/** No call has more of one kind; what is beyond is ignored. */
const MAX_OF_A_KIND = 256;
/** Of one element: names of a participant, Session-IDs of a session. */
const MAX_PER_ELEMENT = 16;

/** What one participant says about streams, before several such elements are joined. */
interface Links {
  readonly send: Set<string>;
  readonly receive: Set<string>;
  span?: ParticipantStreams['span'];
}

/**
 * The tree of any dialect -> one normal form. Elements are found by local name wherever they hang: BroadWorks puts everything under
 * `recording_metadata`, the drafts put `send` and `recv` into the participant, RFC 7865 into `participantstreamassoc`.
 *
 * Pure; never throws; an element that lacks everything is an element without fields. Several `recording` elements, which
 * RFC 7865 §5.1.2 forbids, are read as one.
 */
export function normaliseMetadata(top: XmlElement, raw: string): { metadata: RecordingMetadata; warnings: Warning[] } {
  const found = new Map<string, XmlElement[]>();
  collect(top, found);
  const all = (name: string): readonly XmlElement[] => found.get(name) ?? [];
  const mode = all('datamode').some((element) => /^\s*partial\s*$/i.test(element.text)) ? 'partial' : 'complete';
  const root = top.children.find(({ name }) => name.startsWith('recording')) ?? top.children[0];
  const sessions = readSessions(all('session'), all('sessionrecordingassoc'));
  const streams = all('stream').map(readStream);
  const groups = readGroups(all('group'));
  const memberships = readMemberships(all('participant'), all('participantsessionassoc'));
  const extensions = readExtensions(top, raw);
  const metadata: RecordingMetadata = {
    mode,
    sessions,
    participants: readParticipants(all('participant')),
    streams,
    associations: readAssociations(
      all('participant'),
      all('participantstreamassoc'),
      all('participantsessionassoc').filter(hasEnded),
    ),
    ...(groups.length === 0 ? {} : { groups }),
    ...(memberships.length === 0 ? {} : { memberships }),
    ...(extensions.length === 0 ? {} : { extensions }),
    ...(root === undefined ? {} : { root: root.name.slice(0, 128) }),
    ...(root?.namespace === undefined ? {} : { namespace: root.namespace }),
    raw,
  };
  const warnings = repeatedIds(sessions, all('participant').map(readParticipant), streams);
  if (all('recording').length > 1) warnings.push({ code: 'metadata_malformed', detail: 'several recording elements' });
  return { metadata, warnings };
}

const KINDS = new Set([
  'recording',
  'group',
  'datamode',
  'session',
  'sessionrecordingassoc',
  'participant',
  'participantsessionassoc',
  'participantstreamassoc',
  'stream',
]);

function collect(element: XmlElement, found: Map<string, XmlElement[]>): void {
  for (const child of element.children) {
    if (isOpaque(child)) continue;
    if (KINDS.has(child.name)) {
      const list = found.get(child.name) ?? [];
      if (list.length < MAX_OF_A_KIND) list.push(child);
      found.set(child.name, list);
    }
    collect(child, found);
  }
}

function readGroups(elements: readonly XmlElement[]): SessionGroup[] {
  return elements.map((element) => {
    const span = spanOf(element);
    return { id: attribute(element, 'group_id', 'id') ?? '', ...(span === undefined ? {} : { span }) };
  });
}

function readSessions(sessions: readonly XmlElement[], recordings: readonly XmlElement[]): CommunicationSession[] {
  return sessions.map((element) => {
    const id = attribute(element, 'session_id', 'id') ?? '';
    const recorded = spanOf(recordings.find((assoc) => attribute(assoc, 'session_id', 'id', 'session') === id));
    const groupId = childText(element, 'group-ref') ?? attribute(element, 'group-ref', 'group_id', 'group');
    const startTime = childText(element, 'start-time') ?? recorded?.fromText;
    const stopTime = childText(element, 'stop-time') ?? recorded?.untilText;
    const startedAt = readMetadataTime(startTime);
    const stoppedAt = readMetadataTime(stopTime);
    const reasons = childTexts(element, 'reason').slice(0, MAX_PER_ELEMENT);
    return {
      id,
      ...(groupId === undefined ? {} : { groupId }),
      sipSessionIds: childTexts(element, 'sipsessionid').slice(0, MAX_PER_ELEMENT),
      ...(reasons.length === 0 ? {} : { reasons }),
      ...(startTime === undefined ? {} : { startTime }),
      ...(stopTime === undefined ? {} : { stopTime }),
      ...(startedAt === undefined ? {} : { startedAt }),
      ...(stoppedAt === undefined ? {} : { stoppedAt }),
      ...(recorded === undefined ? {} : { recorded }),
    };
  });
}

/** By `participantsessionassoc`, or by the drafts' `session` attribute of the participant itself. */
function readMemberships(
  participants: readonly XmlElement[],
  associations: readonly XmlElement[],
): ParticipantSession[] {
  const told = associations.map((element) => {
    const span = spanOf(element);
    const params = children(element, 'param')
      .slice(0, MAX_PER_ELEMENT)
      .map((param) => {
        const value = attribute(param, 'pval', 'value') ?? childText(param, 'pval');
        return {
          name: attribute(param, 'pname', 'name') ?? childText(param, 'pname') ?? fieldOf(param),
          ...(value === undefined ? {} : { value }),
        };
      });
    return {
      participantId: participantId(element),
      sessionId: attribute(element, 'session_id', 'session') ?? '',
      ...(span === undefined ? {} : { span }),
      ...(params.length === 0 ? {} : { params }),
    };
  });
  const drafted = participants.flatMap((element) => {
    const sessionId = attribute(element, 'session', 'session_id');
    const id = participantId(element);
    if (!sessionId || told.some((one) => one.participantId === id && one.sessionId === sessionId)) return [];
    const span = spanOf(element);
    return [{ participantId: id, sessionId, ...(span === undefined ? {} : { span }) }];
  });
  return [...told, ...drafted];
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
  const nameIds = children(element, 'nameid').slice(0, MAX_PER_ELEMENT);
  const aors = [
    ...nameIds.map((nameId) => attribute(nameId, 'aor')),
    ...[element, ...nameIds].map((parent) => childText(parent, 'aor')),
    attribute(element, 'aor'),
    // Some write the address as the text of nameID itself.
    ...nameIds.map((nameId) => (/^\s*(?:sips?|tel):/i.test(nameId.text) ? fieldOf(nameId) : undefined)),
  ];
  const names = [
    ...nameIds.flatMap((nameId) => [...childTexts(nameId, 'name'), attribute(nameId, 'name')]),
    childText(element, 'name'),
    attribute(element, 'name'),
  ];
  const aor = aors.find((value) => value !== undefined && value !== '');
  const name = names.find((value) => value !== undefined && value !== '');
  const role = roleOf(element);
  const all = nameIds.map(readNameId).filter((nameId) => nameId.aor !== undefined || nameId.names.length > 0);
  const telling = all.length > 1 || all.some((one) => one.names.length > 1 || one.names[0]?.lang !== undefined);
  return {
    id: participantId(element),
    ...(aor === undefined ? {} : { aor }),
    ...(name === undefined ? {} : { name }),
    ...(role === undefined ? {} : { role }),
    ...(telling ? { nameIds: [...all] } : {}),
  };
}

function readNameId(element: XmlElement): NameId {
  const aor = attribute(element, 'aor') ?? childText(element, 'aor');
  const names = children(element, 'name')
    .slice(0, MAX_PER_ELEMENT)
    .flatMap((name) => {
      const text = fieldOf(name);
      const lang = attribute(name, 'lang');
      return text === '' ? [] : [{ text, ...(lang === undefined || lang === '' ? {} : { lang }) }];
    });
  // Copies have no room for more, and live as long as the call.
  return aor === undefined || aor === '' ? { names: [...names] } : { names: [...names], aor };
}

/** RFC 7865 has no role. It is taken only from an extension that says it in so many words: `role`, or Oracle's `callingParty`. */
function roleOf(participant: XmlElement): string | undefined {
  const extensions = participant.children.filter(isOpaque);
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
  const contentType = childText(element, 'content-type') ?? attribute(element, 'content-type');
  return {
    id: attribute(element, 'stream_id', 'id') ?? '',
    ...(contentType === undefined || contentType === '' ? {} : { contentType }),
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
    known.span ??= spanOf(element);
  }
  for (const element of participants) {
    const inline = element.children.some((child) => child.name === 'send' || child.name === 'recv');
    if (inline) addLinks(element, linksOf(participantId(element)));
  }
  for (const element of departures) linksOf(participantId(element));
  return [...links].map(([id, { send, receive, span }]) => ({
    participantId: id,
    send: [...send],
    receive: [...receive],
    ...(span === undefined ? {} : { span }),
  }));
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
