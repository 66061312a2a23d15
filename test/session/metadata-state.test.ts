import { describe, expect, it } from 'vitest';
import type { RecordingMetadata } from '../../src/core/model.js';
import { MetadataState } from '../../src/session/metadata-state.js';

function snapshot(parts: Partial<RecordingMetadata>): RecordingMetadata {
  return {
    mode: 'complete',
    sessions: [],
    participants: [],
    streams: [],
    associations: [],
    raw: '<recording/>',
    ...parts,
  };
}

const ana = { id: 'p1', name: 'Ana', aor: 'sip:a@example.org' };
const ben = { id: 'p2', name: 'Ben' };

describe('the state of metadata', () => {
  it('is replaced by a complete snapshot, and what that lacks has ended', () => {
    const state = new MetadataState();
    state.apply(snapshot({ participants: [ana, ben], streams: [{ id: 'm1', label: '1' }] }));
    state.apply(snapshot({ participants: [ben], streams: [{ id: 'm2', label: '2' }] }));
    expect(state.participants).toEqual([ben]);
    expect(state.streams).toEqual([{ id: 'm2', label: '2' }]);
    expect(state.ended).toEqual([ana]);
  });

  it('takes back a participant who ended', () => {
    const state = new MetadataState();
    for (const participants of [[ana, ben], [ben], [ana]]) state.apply(snapshot({ participants }));
    expect(state.participants).toEqual([ana]);
    expect(state.ended).toEqual([ben]);
  });

  it('is merged by id with a partial snapshot; fields that it lacks stay', () => {
    const state = new MetadataState();
    state.apply(
      snapshot({ participants: [ana, ben], associations: [{ participantId: 'p1', send: ['m1'], receive: ['m2'] }] }),
    );
    state.apply(
      snapshot({
        mode: 'partial',
        participants: [{ id: 'p1', name: 'Anna' }, { id: 'p3' }],
        associations: [{ participantId: 'p1', send: ['m1'], receive: [] }],
      }),
    );
    expect(state.participants).toEqual([{ ...ana, name: 'Anna' }, ben, { id: 'p3' }]);
    expect(state.associations).toEqual([{ participantId: 'p1', send: ['m1'], receive: [] }]);
    expect(state.ended).toEqual([]);
  });

  it('lets the newer sender of a partial snapshot replace the one whose association nobody ended', () => {
    const state = new MetadataState();
    const sends = (participantId: string, send: string[]) => ({ participantId, send, receive: [] });
    state.apply(snapshot({ participants: [ana, ben], associations: [sends('p1', ['m1']), sends('p2', ['m2'])] }));
    state.apply(snapshot({ mode: 'partial', participants: [{ id: 'p3' }], associations: [sends('p3', ['m1'])] }));
    expect(state.associations).toEqual([sends('p1', []), sends('p2', ['m2']), sends('p3', ['m1'])]);
    // The same said again, or by two at once: a mixed stream, which stays mixed when a third comes.
    state.apply(snapshot({ mode: 'partial', associations: [sends('p1', ['m1']), sends('p3', ['m1'])] }));
    state.apply(snapshot({ mode: 'partial', associations: [sends('p2', ['m1', 'm2'])] }));
    expect(state.associations).toEqual([sends('p1', ['m1']), sends('p2', ['m1', 'm2']), sends('p3', ['m1'])]);
  });

  it('keeps a partial snapshot that comes first', () => {
    const state = new MetadataState();
    state.apply(snapshot({ mode: 'partial', participants: [ana] }));
    expect(state.participants).toEqual([ana]);
  });

  it('loses nothing to a snapshot that names nothing', () => {
    const state = new MetadataState();
    state.apply(snapshot({ participants: [ana], raw: 'first' }));
    state.apply(snapshot({ raw: 'garbage' }));
    expect(state.participants).toEqual([ana]);
  });

  it('adds elements without id once', () => {
    const state = new MetadataState();
    const streams = [
      { id: '', label: '10' },
      { id: '', label: '20' },
    ];
    for (let i = 0; i < 3; i += 1) state.apply(snapshot({ mode: 'partial', streams }));
    expect(state.streams).toEqual(streams);
  });

  it('stays bounded when a peer never stops sending updates', () => {
    const state = new MetadataState();
    for (let i = 0; i < 3000; i += 1) {
      state.apply(
        snapshot({ mode: i % 2 ? 'partial' : 'complete', participants: [{ id: `p${i}` }], raw: `snapshot ${i}` }),
      );
    }
    expect(state.ended.length).toBeLessThanOrEqual(1024);
    for (let i = 0; i < 3000; i += 1) state.apply(snapshot({ mode: 'partial', participants: [{ id: `q${i}` }] }));
    expect(state.participants.length).toBeLessThanOrEqual(1024);
  });
});
