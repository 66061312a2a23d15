import type { CommunicationSession, Participant, ParticipantSession, ParticipantStreams } from '../core/model.js';
import { isToldTime } from '../core/told-time.js';
import type { MetadataChange, PresenceSpan } from '../store/call-history.js';
import type { MetadataState } from './metadata-state.js';

/** Of one recording session. What does not fit is counted, never kept: a peer must not fill memory or disk with UPDATEs. */
const MAX_PEOPLE = 1024;
const MAX_SESSIONS = 256;
const MAX_SPANS = 64;
const MAX_CHANGES = 2000;
/** Characters of everything together, as it stands in the record: the counts above times the longest names would be a gigabyte. */
const MAX_TEXT = 2 * 1024 * 1024;

export interface Attendance {
  participant: Participant;
  spans: PresenceSpan[];
}

/** One communication session, from our first hearing of it to its end. An id that comes back is another one. */
export interface SessionSpell {
  session: CommunicationSession;
  /** Epoch ms by our clock. */
  readonly startedAt: number;
  endedAt?: number;
  /** Whoever belonged to it at some time. */
  readonly participantIds: Set<string>;
}

type Change = Omit<MetadataChange, 'at' | 'atMs' | 'snapshot'>;

/**
 * Who was there when: the memory of all snapshots of one recording session, by the time of their arrival. A snapshot replaces the
 * present and never the past (RFC 7865 §5); what the SRC's own clock says about it stands beside, as told.
 *
 * Communication sessions come and go inside one recording session (RFC 8068 §3.4): one ends when it has a stop time or a complete
 * snapshot lacks it.
 */
export class Presence {
  readonly #people = new Map<string, Attendance>();
  readonly #sessions: SessionSpell[] = [];
  readonly #changes: MetadataChange[] = [];
  #omitted = 0;
  #snapshots = 0;
  #room = MAX_TEXT;
  #associations = new Map<string, ParticipantStreams>();

  get people(): readonly Attendance[] {
    return [...this.#people.values()];
  }

  get sessions(): readonly SessionSpell[] {
    return this.#sessions;
  }

  /** Oldest first. */
  get changes(): readonly MetadataChange[] {
    return this.#changes;
  }

  /** Changes that were too many to be kept. */
  get omitted(): number {
    return this.#omitted;
  }

  /** Takes the state after a snapshot; also after one that changed nothing, because snapshots are counted as their files are. */
  note(state: MetadataState, at: number): void {
    this.#snapshots += 1;
    if (!state.known && state.sessions.length === 0) return;
    this.#noteSessions(state, at);
    this.#notePeople(state, at);
    this.#noteStreams(state, at);
  }

  /** The recording is over, and with it everything that was not over yet. */
  finish(at: number): void {
    for (const spell of this.#sessions) spell.endedAt ??= at;
    for (const { spans } of this.#people.values()) {
      const last = spans.at(-1);
      if (last && last.leftAt === undefined) spans[spans.length - 1] = { ...last, leftAt: Math.max(at, last.joinedAt) };
    }
  }

  #noteSessions(state: MetadataState, at: number): void {
    const open = new Map(this.#sessions.filter((one) => one.endedAt === undefined).map((one) => [one.session.id, one]));
    const present = new Map(state.sessions.map((session) => [session.id, session]));
    for (const [id, spell] of open) {
      const session = present.get(id);
      if (session) spell.session = session;
      if (session && !hasStopped(session)) continue;
      spell.endedAt = at;
      this.#push({ change: 'session_ended', sessionId: id }, at);
    }
    for (const [id, session] of present) {
      if (open.has(id) || !this.#isNews(session)) continue;
      if (this.#sessions.length >= MAX_SESSIONS) {
        this.#omitted += 1;
        continue;
      }
      if (!this.#takes(weightOf(session))) continue;
      const stopped = hasStopped(session);
      this.#sessions.push({ session, startedAt: at, ...(stopped ? { endedAt: at } : {}), participantIds: new Set() });
      this.#push({ change: 'session_started', sessionId: id }, at);
      if (stopped) this.#push({ change: 'session_ended', sessionId: id }, at);
    }
  }

  /** A session that is over and told once more is not a new one. */
  #isNews(session: CommunicationSession): boolean {
    if (!hasStopped(session)) return true;
    const before = this.#sessions.findLast((one) => one.session.id === session.id);
    return before === undefined || before.session.stopTime !== session.stopTime;
  }

  #notePeople(state: MetadataState, at: number): void {
    const present = new Set<string>();
    const memberships = new Memberships(state);
    const open = this.#sessions.filter(({ endedAt }) => endedAt === undefined);
    const spells = new Map(open.map((spell) => [spell.session.id, spell]));
    for (const participant of state.participants) {
      const { id } = participant;
      const sessionIds = memberships.sessionsOf(id);
      // Whoever is first heard of after leaving (the metadata of a BYE) was there, and comes and goes in this snapshot.
      if (sessionIds === undefined && this.#people.has(id)) continue;
      if (sessionIds === undefined) {
        this.#join(participant, [], memberships.toldOf(id), at);
        continue;
      }
      present.add(id);
      this.#join(participant, sessionIds, memberships.toldOf(id), at);
      for (const sessionId of sessionIds) {
        const ids = spells.get(sessionId)?.participantIds;
        if (ids && !ids.has(id) && this.#takes(id.length)) ids.add(id);
      }
    }
    for (const [id, { spans }] of this.#people) {
      const last = spans.at(-1);
      if (present.has(id) || !last || last.leftAt !== undefined) continue;
      const told = memberships.toldOf(id) ?? last.told;
      spans[spans.length - 1] = { ...last, leftAt: at, ...(told === undefined ? {} : { told }) };
      this.#push({ change: 'participant_left', participantId: id }, at);
    }
  }

  #join(participant: Participant, sessionIds: readonly string[], told: PresenceSpan['told'], at: number): void {
    const { id } = participant;
    const known = this.#people.get(id);
    if (!known && this.#people.size >= MAX_PEOPLE) {
      this.#omitted += 1;
      return;
    }
    const attendance = known ?? { participant, spans: [] };
    const last = attendance.spans.at(-1);
    const there = last !== undefined && last.leftAt === undefined;
    const span = { sessionIds, ...(told === undefined ? {} : { told }) };
    const before = (known ? weightOf(known.participant) : 0) + (there ? weightOf(last) : 0);
    if (!this.#takes(weightOf(participant) + weightOf(there ? { ...last, ...span } : span) - before)) return;
    this.#people.set(id, attendance);
    if (there && JSON.stringify(attendance.participant) !== JSON.stringify(participant)) {
      this.#push({ change: 'participant_changed', ...naming(participant) }, at);
    }
    attendance.participant = participant;
    if (there) {
      attendance.spans[attendance.spans.length - 1] = { ...last, ...span };
      return;
    }
    if (attendance.spans.length < MAX_SPANS) attendance.spans = attendance.spans.concat({ joinedAt: at, ...span });
    else this.#omitted += 1;
    this.#push({ change: 'participant_joined', ...naming(participant) }, at);
  }

  /** Who begins and ceases to send on which stream: `send` goes on a stop, `recv` on a hold (RFC 7865 §6.8.1). */
  #noteStreams(state: MetadataState, at: number): void {
    const now = new Map(state.associations.map((association) => [association.participantId, association]));
    for (const participantId of new Set([...this.#associations.keys(), ...now.keys()])) {
      const before = this.#associations.get(participantId);
      const after = now.get(participantId);
      if (before === after) continue;
      const tell = (change: Change['change'], from: readonly string[] = [], to: readonly string[] = []): void => {
        const known = new Set(from);
        for (const streamId of to) if (!known.has(streamId)) this.#push({ change, participantId, streamId }, at);
      };
      tell('stopped_sending', after?.send, before?.send);
      tell('stopped_receiving', after?.receive, before?.receive);
      tell('sends', before?.send, after?.send);
      tell('receives', before?.receive, after?.receive);
    }
    this.#associations = now;
  }

  #push(change: Change, at: number): void {
    if (this.#changes.length >= MAX_CHANGES) this.#omitted += 1;
    else if (this.#takes(weightOf(change))) this.#changes.push({ at, snapshot: this.#snapshots, ...change });
  }

  /** Whether there is room for so many characters more; what finds none is counted. */
  #takes(weight: number): boolean {
    if (weight > 0 && weight > this.#room) {
      this.#omitted += 1;
      return false;
    }
    this.#room -= weight;
    return true;
  }
}

function weightOf(value: object): number {
  return JSON.stringify(value).length;
}

function naming({ id, name, aor }: Participant): Pick<MetadataChange, 'participantId' | 'name' | 'aor'> {
  return { participantId: id, ...(name === undefined ? {} : { name }), ...(aor === undefined ? {} : { aor }) };
}

export function hasStopped({ stopTime }: CommunicationSession): boolean {
  return isToldTime(stopTime);
}

/** Which participant is in which session now, by what the SRC told. */
class Memberships {
  readonly #running: ReadonlySet<string>;
  readonly #described: ReadonlySet<string>;
  readonly #told = new Map<string, ParticipantSession[]>();

  constructor({ sessions, memberships }: MetadataState) {
    this.#running = new Set(sessions.filter((session) => !hasStopped(session)).map(({ id }) => id));
    this.#described = new Set(sessions.map(({ id }) => id));
    for (const membership of memberships) {
      const own = this.#told.get(membership.participantId);
      if (own) own.push(membership);
      else this.#told.set(membership.participantId, [membership]);
    }
  }

  /**
   * The sessions that a participant is in now; undefined when it is in none any more. Without a word about it, it is in all that run,
   * and also when no session was ever described.
   */
  sessionsOf(participantId: string): readonly string[] | undefined {
    const told = this.#told.get(participantId);
    if (!told) return this.#running.size > 0 || this.#described.size === 0 ? [...this.#running] : undefined;
    const active = told.filter(
      ({ sessionId, span }) =>
        !isToldTime(span?.untilText) && (this.#running.has(sessionId) || !this.#described.has(sessionId)),
    );
    return active.length === 0 ? undefined : active.map(({ sessionId }) => sessionId);
  }

  toldOf(participantId: string): PresenceSpan['told'] {
    return this.#told.get(participantId)?.findLast((one) => one.span)?.span;
  }
}
