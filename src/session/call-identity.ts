import type { CallFacts } from '../core/call-event.js';
import type { CallAttributes, Participant, RsOffer } from '../core/model.js';
import type { Warning } from '../core/warning.js';
import type { CallRecordIdentity } from '../store/call-history.js';
import { MetadataState } from './metadata-state.js';
import { hasStopped, Presence } from './presence.js';

/** Names of attributes over a whole call: a peer must not fill the memory with UPDATEs. */
const MAX_ATTRIBUTES = 128;

type Told = Pick<RsOffer, 'metadata' | 'attributes' | 'dialect'>;

/** What one recording session knows of the call that it records: its people, its sessions, what ties it to other calls. */
export class CallIdentity {
  readonly metadata = new MetadataState();
  readonly #presence = new Presence();
  #attributes: CallAttributes = {};
  #dialect: string | undefined;
  #wantsSnapshot = false;

  /** Whether a partial snapshot has come that only a complete one can explain (RFC 7866 §9.2). */
  get wantsSnapshot(): boolean {
    return this.#wantsSnapshot;
  }

  /**
   * Takes what a request tells.
   *
   * @param at epoch ms of its arrival
   */
  take({ metadata, attributes, dialect }: Told, at: number): Warning[] {
    if (attributes) this.#attributes = withNew(this.#attributes, attributes);
    this.#dialect ??= dialect;
    if (!metadata) return [];
    const half = metadata.mode === 'partial' && !metadata.salvaged && !this.metadata.hasComplete;
    this.metadata.apply(metadata);
    this.#presence.note(this.metadata, at);
    const { pending } = this.metadata;
    this.#wantsSnapshot = half || pending.length > 0;
    if (pending.length > 0) return [{ code: 'metadata_partial_unknown', detail: pending.join(', ') }];
    return half ? [{ code: 'metadata_partial_unknown', detail: 'no complete snapshot before' }] : [];
  }

  /** The recording is over: whoever was still there has left. */
  finish(at: number): void {
    this.#presence.finish(at);
  }

  /** As events tell it: who and what is there now. */
  now(): CallFacts {
    const { people, sessions } = this.#presence;
    const there = people.filter(({ spans }) => spans.at(-1)?.leftAt === undefined && spans.length > 0);
    return this.#facts(
      there.map(({ participant }) => participant),
      sessions.filter(({ endedAt, session }) => endedAt === undefined && !hasStopped(session)),
    );
  }

  /** As the last event tells it: everybody and everything that was there. */
  whole(): CallFacts {
    const { people, sessions } = this.#presence;
    return this.#facts(
      people.map(({ participant }) => participant),
      sessions,
    );
  }

  /**
   * As the record keeps it.
   *
   * @param startedAt epoch ms of the call clock's zero
   */
  recorded(startedAt: number): CallRecordIdentity {
    const ms = (at: number): number => Math.max(0, at - startedAt);
    const { people, sessions, changes, omitted } = this.#presence;
    const { groups, streams, associations, memberships, extensions } = this.metadata;
    return {
      ...this.#ties(),
      participants: people.map(({ participant, spans }) => ({
        ...participant,
        spans: spans.map((span) => ({
          ...span,
          joinedMs: ms(span.joinedAt),
          ...(span.leftAt === undefined ? {} : { leftMs: ms(span.leftAt) }),
        })),
      })),
      communicationSessions: sessions.map(({ session, startedAt: from, endedAt, participantIds }) => {
        const { startedAt: toldStart, stoppedAt: toldStop, ...told } = session;
        return {
          ...told,
          ...(toldStart === undefined ? {} : { toldStartedAt: toldStart }),
          ...(toldStop === undefined ? {} : { toldStoppedAt: toldStop }),
          startedAt: from,
          startedMs: ms(from),
          ...(endedAt === undefined ? {} : { endedAt, endedMs: ms(endedAt) }),
          participantIds: [...participantIds],
        };
      }),
      groups,
      metadata: { streams, associations, memberships, extensions },
      history: changes.map((change) => ({ ...change, atMs: ms(change.at) })),
      ...(omitted === 0 ? {} : { historyOmitted: omitted }),
    };
  }

  #facts(
    participants: readonly Participant[],
    sessions: readonly { readonly session: { readonly id: string; readonly groupId?: string } }[],
  ): CallFacts {
    return {
      // Names in other languages are for the record; an event has one.
      participants: participants.map(({ nameIds: _, ...participant }) => participant),
      communicationSessions: sessions.map(({ session: { id, groupId } }) => ({
        id,
        ...(groupId === undefined ? {} : { groupId }),
      })),
      ...this.#ties(),
    };
  }

  #ties(): Pick<CallFacts, 'attributes' | 'dialect'> {
    return {
      ...(Object.keys(this.#attributes).length === 0 ? {} : { attributes: this.#attributes }),
      ...(this.#dialect === undefined ? {} : { dialect: this.#dialect }),
    };
  }
}

function withNew(known: CallAttributes, news: CallAttributes): CallAttributes {
  return Object.fromEntries(Object.entries({ ...known, ...news }).slice(0, MAX_ATTRIBUTES));
}
