import type { MetadataStream } from '../core/model.js';
import type { Warning } from '../core/warning.js';

interface Named {
  readonly id: string;
}

/**
 * An id that stands for two elements is an error of the SRC (RFC 7865 §6.10). It costs the tie that the id would make and nothing
 * else: elements are looked up by kind, so a participant and a stream of one id do not meet. Groups are left out: many SRCs give a
 * group the id of its first session. The same id from two SRCs is no error (RFC 7866 §9.2), and nothing here outlives a document.
 */
export function repeatedIds(
  sessions: readonly Named[],
  participants: readonly Named[],
  streams: readonly MetadataStream[],
): Warning[] {
  const kindOf = new Map<string, string>();
  const repeated = new Set<string>();
  const note = (kind: string, id: string, mayRepeat: boolean): void => {
    if (id === '') return;
    const other = kindOf.get(id);
    if (other === undefined) kindOf.set(id, kind);
    else if (other !== kind) repeated.add(`${other} and ${kind}`);
    else if (!mayRepeat) repeated.add(`two of ${kind}`);
  };
  for (const { id } of sessions) note('session', id, false);
  for (const { id } of participants) note('participant', id, false);
  const pairs = new Set<string>();
  for (const { id, sessionId } of streams) {
    // NetSapiens numbers the streams of each session alike: an id stands for one stream of one session.
    const pair = JSON.stringify([id, sessionId]);
    note('stream', id, sessionId !== undefined && !pairs.has(pair));
    pairs.add(pair);
  }
  return repeated.size === 0 ? [] : [{ code: 'metadata_id_repeated', detail: [...repeated].join(', ') }];
}
