import type {
  CommunicationSession,
  MetadataExtension,
  MetadataStream,
  Participant,
  ParticipantSession,
  ParticipantStreams,
  RecordingMetadata,
  SessionGroup,
  Speaker,
} from '../core/model.js';

/** Of one kind over a whole call: a peer must not fill the memory with UPDATEs. */
const MAX_KNOWN = 1024;
/** Characters of all of them together, extensions apart, which have bounds of their own. */
const MAX_TEXT = 1024 * 1024;
/** Extensions are up to 4 KB each, so fewer of them are kept. */
const MAX_EXTENSIONS = 128;

/**
 * What all metadata of one recording session says together. A complete snapshot replaces what is current, a partial one is merged
 * by id (RFC 7865 §5.1.2); a partial one that comes first is kept as it is. What a complete snapshot no longer names has ended, and
 * stays in `ended`: BroadWorks gives everything a new id on a redirect.
 */
export class MetadataState {
  #sessions: CommunicationSession[] = [];
  #participants: Participant[] = [];
  #streams: MetadataStream[] = [];
  #associations: ParticipantStreams[] = [];
  #groups: SessionGroup[] = [];
  #memberships: ParticipantSession[] = [];
  #extensions: MetadataExtension[] = [];
  #ended: Map<string, Participant> | undefined;
  #hasComplete = false;
  #pending: readonly string[] = [];

  get groups(): readonly SessionGroup[] {
    return this.#groups;
  }

  /** Who belongs, or belonged, to which session. */
  get memberships(): readonly ParticipantSession[] {
    return this.#memberships;
  }

  get extensions(): readonly MetadataExtension[] {
    return this.#extensions;
  }

  /** Whether a complete snapshot has come: a partial one before that says only half (RFC 7866 §9.2). */
  get hasComplete(): boolean {
    return this.#hasComplete;
  }

  /**
   * What the last snapshot named and nothing has described, by kind. It is kept and means something as soon as a later snapshot
   * describes it. Empty after a complete snapshot: an SRC that leaves elements out of that has no more to tell.
   */
  get pending(): readonly string[] {
    return this.#pending;
  }

  get sessions(): readonly CommunicationSession[] {
    return this.#sessions;
  }

  /** Participants of the present snapshot, in its order. */
  get participants(): readonly Participant[] {
    return this.#participants;
  }

  get streams(): readonly MetadataStream[] {
    return this.#streams;
  }

  get associations(): readonly ParticipantStreams[] {
    return this.#associations;
  }

  /** Participants that were there once and are not any more. */
  get ended(): readonly Participant[] {
    return [...(this.#ended?.values() ?? [])];
  }

  /** Whether any snapshot has named anything. */
  get known(): boolean {
    return this.#streams.length + this.#associations.length + this.#participants.length > 0;
  }

  /**
   * A complete snapshot without streams and associations tells who is there and not who sends what; some SRCs send it when only a
   * participant changed. Then whoever spoke and is still there goes on speaking. So does a speaker who was told and not inferred when
   * nobody sends any more: on hold Cisco leaves every association empty, and a guess must not take the place of what is known.
   */
  leavesAlone({ participantId, inferred }: Speaker): boolean {
    if (participantId === undefined) return false;
    const there = this.#participants.some(({ id }) => id === participantId);
    if (this.#associations.length > 0)
      return there && inferred !== true && this.#associations.every(({ send }) => send.length === 0);
    return this.#streams.length === 0 && (this.#participants.length === 0 || there);
  }

  apply(snapshot: RecordingMetadata): void {
    if (isEmpty(snapshot)) return;
    if (snapshot.mode === 'partial') this.#merge(snapshot);
    // A state that outgrows every real call begins anew with what was told last.
    if (snapshot.mode === 'complete' || this.#weight() > MAX_TEXT) this.#replace(snapshot);
    for (const { id } of this.#participants) this.#ended?.delete(id);
    this.#hasComplete ||= snapshot.mode === 'complete';
    this.#pending = snapshot.mode === 'complete' || snapshot.salvaged ? [] : this.#undescribed(snapshot);
  }

  #undescribed({ associations, memberships = [], streams }: RecordingMetadata): string[] {
    const participants = new Set([...this.#participants.map(({ id }) => id), ...(this.#ended?.keys() ?? [])]);
    const knownStreams = new Set(this.#streams.map(({ id }) => id));
    const sessions = new Set(this.#sessions.map(({ id }) => id));
    const named = {
      participant: [...associations, ...memberships].filter((one) => !participants.has(one.participantId)),
      stream: associations.flatMap(({ send, receive }) => [...send, ...receive]).filter((id) => !knownStreams.has(id)),
      session: [...streams, ...memberships].filter((one) => one.sessionId && !sessions.has(one.sessionId)),
    };
    return Object.entries(named).flatMap(([kind, unknown]) => (unknown.length > 0 ? [kind] : []));
  }

  #replace(snapshot: RecordingMetadata): void {
    const present = new Set(snapshot.participants.map((participant) => participant.id));
    for (const participant of this.#participants) {
      if (present.has(participant.id) || (this.#ended?.size ?? 0) >= MAX_KNOWN) continue;
      const { nameIds: _, ...named } = participant;
      this.#ended ??= new Map();
      this.#ended.set(participant.id, named);
    }
    this.#sessions = [...snapshot.sessions];
    this.#participants = [...snapshot.participants];
    this.#streams = [...snapshot.streams];
    this.#associations = [...snapshot.associations];
    this.#groups = [...(snapshot.groups ?? [])];
    this.#memberships = [...(snapshot.memberships ?? [])];
    this.#extensions = [...(snapshot.extensions ?? [])];
  }

  #weight(): number {
    const { sessions, participants, streams, associations, groups, memberships } = this;
    return JSON.stringify([sessions, participants, streams, associations, groups, memberships]).length;
  }

  #merge(snapshot: RecordingMetadata): void {
    this.#sessions = mergeById(this.#sessions, snapshot.sessions, ({ id }) => id);
    this.#participants = mergeById(this.#participants, snapshot.participants, ({ id }) => id);
    this.#streams = mergeById(this.#streams, snapshot.streams, ({ id }) => id);
    const others = withoutReplaced(this.#associations, snapshot.associations);
    this.#associations = mergeById(others, snapshot.associations, ({ participantId }) => participantId);
    this.#groups = mergeById(this.#groups, snapshot.groups ?? [], ({ id }) => id);
    this.#memberships = mergeById(this.#memberships, snapshot.memberships ?? [], (one) =>
      JSON.stringify([one.participantId, one.sessionId]),
    );
    const place = ({ of, id, name }: MetadataExtension): string => JSON.stringify([of, id, name]);
    const replaced = new Set(snapshot.extensions?.map(place));
    this.#extensions = [...this.#extensions.filter((one) => !replaced.has(place(one))), ...(snapshot.extensions ?? [])];
    this.#extensions.splice(0, Math.max(0, this.#extensions.length - MAX_EXTENSIONS));
  }
}

/** A snapshot that names nothing, such as one that could not be salvaged, ends nothing. */
function isEmpty(snapshot: RecordingMetadata): boolean {
  const { sessions, participants, streams, associations, groups = [], memberships = [] } = snapshot;
  const named = [sessions, participants, streams, associations, groups, memberships];
  return named.every((elements) => elements.length === 0);
}

/**
 * What is left of the known associations when a partial snapshot names new senders. On a transfer many SRCs tell who sends on a
 * stream from now on and never end the association of the one before: the newer sender then replaces the only known one, or every
 * later word would stand under two names or the wrong one. A stream that was mixed before stays so.
 */
function withoutReplaced(
  known: readonly ParticipantStreams[],
  changes: readonly ParticipantStreams[],
): readonly ParticipantStreams[] {
  /** The only sender that is known of a stream; null when there are several. */
  const senders = new Map<string, string | null>();
  for (const { participantId, send } of known) {
    for (const stream of send) senders.set(stream, senders.has(stream) ? null : participantId);
  }
  const changed = new Set(changes.map(({ participantId }) => participantId));
  const replaced = new Set<string>();
  for (const { participantId, send } of changes) {
    for (const stream of send) {
      const before = senders.get(stream);
      if (typeof before === 'string' && before !== participantId) replaced.add(stream);
    }
  }
  return known.map((association) => {
    if (changed.has(association.participantId)) return association;
    return { ...association, send: association.send.filter((stream) => !replaced.has(stream)) };
  });
}

/**
 * Fields of the newer element win, fields it lacks stay. Elements without an id (Avaya's `stream_id=""`) cannot be merged: they are
 * added once.
 */
function mergeById<T extends object>(known: readonly T[], changes: readonly T[], idOf: (element: T) => string): T[] {
  const merged: T[] = [];
  // By an index, because a thousand of them against hundreds of changes would stop every other call for a while.
  const places = new Map<string, number>();
  const keyOf = (element: T): string => {
    const id = idOf(element);
    return id === '' ? `=${JSON.stringify(element)}` : `#${id}`;
  };
  const add = (element: T): void => {
    const key = keyOf(element);
    if (!places.has(key)) places.set(key, merged.length);
    merged.push(element);
  };
  for (const element of known) add(element);
  for (const change of changes) {
    const at = places.get(keyOf(change));
    if (at !== undefined) merged[at] = { ...merged[at], ...change };
    else if (merged.length < MAX_KNOWN) add(change);
  }
  return merged;
}
