import { describe, expect, it } from 'vitest';
import type { RecordingMetadata } from '../../src/core/model.js';
import { CallIdentity } from '../../src/session/call-identity.js';
import { MetadataState } from '../../src/session/metadata-state.js';
import { Presence } from '../../src/session/presence.js';
import { readMetadata } from '../../src/sip/metadata-xml.js';

const T0 = 1_800_000_000_000;
const second = (n: number): number => T0 + n * 1000;

function metadata(body: string): RecordingMetadata {
  return readMetadata(Buffer.from(`<recording>${body}</recording>`)).metadata;
}

const partial = (body: string): RecordingMetadata => metadata(`<datamode>partial</datamode>${body}`);
const person = (id: string, name = id): string =>
  `<participant participant_id="${id}"><nameID aor="sip:${id}@example.org"><name>${name}</name></nameID></participant>`;
const session = (id: string, more = ''): string => `<session session_id="${id}">${more}</session>`;
const member = (id: string, of: string, more = ''): string =>
  `<participantsessionassoc participant_id="${id}" session_id="${of}">${more}</participantsessionassoc>`;
const sends = (id: string, ...streams: string[]): string =>
  `<participantstreamassoc participant_id="${id}">${streams.map((s) => `<send>${s}</send>`).join('')}</participantstreamassoc>`;
const stream = (id: string, label: string): string => `<stream stream_id="${id}"><label>${label}</label></stream>`;

/** Snapshots that arrive one second after another. */
function told(...snapshots: RecordingMetadata[]): CallIdentity {
  const call = new CallIdentity();
  for (const [at, snapshot] of snapshots.entries()) call.take({ metadata: snapshot }, second(at));
  return call;
}

const spansOf = (call: CallIdentity): unknown =>
  Object.fromEntries(
    call.recorded(T0).participants.map(({ id, spans = [] }) => [id, spans.map((s) => [s.joinedMs, s.leftMs])]),
  );
const sessionsOf = (call: CallIdentity): unknown =>
  call.recorded(T0).communicationSessions?.map((s) => [s.id, s.startedMs, s.endedMs, [...s.participantIds]]);
const changesOf = (call: CallIdentity): string[] =>
  (call.recorded(T0).history ?? []).map((c) =>
    [c.atMs, c.change, c.sessionId ?? c.participantId, c.streamId].filter((part) => part !== undefined).join(' '),
  );

describe('who was there when', () => {
  it('is written down with the time of arrival of every change', () => {
    const call = told(
      metadata(session('s') + person('a') + person('b') + stream('m', '1') + sends('a', 'm')),
      metadata(session('s') + person('b', 'Ben') + stream('m', '1') + sends('b', 'm')),
      metadata(session('s') + person('a') + person('b', 'Ben') + stream('m', '1') + sends('b', 'm')),
    );
    call.finish(second(9));
    expect(spansOf(call)).toEqual({
      a: [
        [0, 1000],
        [2000, 9000],
      ],
      b: [[0, 9000]],
    });
    expect(changesOf(call)).toEqual([
      '0 session_started s',
      '0 participant_joined a',
      '0 participant_joined b',
      '0 sends a m',
      '1000 participant_changed b',
      '1000 participant_left a',
      '1000 stopped_sending a m',
      '1000 sends b m',
      '2000 participant_joined a',
    ]);
    expect(call.recorded(T0).history?.at(-1)?.snapshot).toBe(3);
  });

  it('follows a hold that takes recv away and a stop that takes send away', () => {
    const both = (id: string, send: string, receive: string): string =>
      `<participantstreamassoc participant_id="${id}">${send}${receive}</participantstreamassoc>`;
    const call = told(
      metadata(person('a') + both('a', '<send>m</send>', '<recv>n</recv>')),
      partial(both('a', '<send>m</send>', '')),
      partial(both('a', '', '')),
    );
    expect(changesOf(call).slice(1)).toEqual([
      '0 sends a m',
      '0 receives a n',
      '1000 stopped_receiving a n',
      '2000 stopped_sending a m',
    ]);
  });

  it('keeps the time that the SRC told beside our own', () => {
    const left = '<disassociate-time>2026-03-04T12:00:05Z</disassociate-time>';
    const call = told(
      metadata(session('s') + person('a') + member('a', 's', '<associate-time>2026-03-04T12:00:00Z</associate-time>')),
      partial(member('a', 's', left)),
    );
    expect(call.recorded(T0).participants[0]?.spans).toEqual([
      {
        joinedAt: second(0),
        joinedMs: 0,
        leftAt: second(1),
        leftMs: 1000,
        sessionIds: ['s'],
        told: { untilText: '2026-03-04T12:00:05Z', until: Date.UTC(2026, 2, 4, 12, 0, 5) },
      },
    ]);
    expect(call.now().participants).toEqual([]);
    expect(call.whole().participants).toEqual([{ id: 'a', name: 'a', aor: 'sip:a@example.org' }]);
  });

  it('lists somebody of whom only the last metadata says that they were there', () => {
    const gone = '<disassociate-time>2026-03-04T12:00:05Z</disassociate-time>';
    const call = told(metadata(session('s') + person('a') + member('a', 's', gone)));
    expect(spansOf(call)).toEqual({ a: [[0, 0]] });
    call.take({ metadata: metadata(session('s') + person('a') + member('a', 's', gone)) }, second(1));
    expect(spansOf(call)).toEqual({ a: [[0, 0]] });
  });

  it('begins when metadata comes late, and a refresh that says the same adds nothing', () => {
    const call = new CallIdentity();
    call.take({}, second(0));
    expect(call.now()).toEqual({ participants: [], communicationSessions: [] });
    const late = metadata(session('s') + person('a'));
    for (const at of [3, 4, 5]) call.take({ metadata: late }, second(at));
    expect(changesOf(call)).toEqual(['3000 session_started s', '3000 participant_joined a']);
  });

  it('has a size of at most some megabytes, however long the names and many the ties, and counts what it leaves out', () => {
    const call = new CallIdentity();
    const long = 'x'.repeat(1000);
    const names = Array.from({ length: 16 }, (_, i) => `<nameID aor="sip:${i}${long}"><name>${long}</name></nameID>`);
    for (let n = 0; n < 400; n++) {
      const id = `p${n}${long}`;
      const body = `<participant participant_id="${id}">${names.join('')}</participant>${session(`s${n}${long}`)}`;
      call.take(
        { metadata: partial(body + member(id, `s${n}${long}`, `<associate-time>${long}</associate-time>`)) },
        n,
      );
    }
    call.finish(second(9));
    // The SRC told some 14 MB; each of its snapshots would be a new event with all that is known.
    expect(JSON.stringify(call.recorded(T0)).length).toBeLessThan(5 * 2 ** 20);
    expect(JSON.stringify(call.now()).length).toBeLessThan(3 * 2 ** 20);
    expect(call.recorded(T0).historyOmitted).toBeGreaterThan(300);
    const { metadata: state } = call;
    expect(JSON.stringify([state.participants, state.memberships, state.ended]).length).toBeLessThan(5 * 2 ** 20);
    expect(state.participants.at(-1)?.id).toBe(`p399${long}`);
  });

  it('stays within bounds when an SRC never stops, and counts what it leaves out', () => {
    const call = new CallIdentity();
    for (let i = 0; i < 3000; i += 1) call.take({ metadata: metadata(session(`s${i}`) + person(`p${i}`)) }, second(i));
    const record = call.recorded(T0);
    expect(record.participants).toHaveLength(1024);
    expect(record.communicationSessions).toHaveLength(256);
    expect(record.history).toHaveLength(2000);
    expect(record.historyOmitted).toBeGreaterThan(3000);
    for (let i = 0; i < 1000; i += 1)
      call.take({ metadata: metadata(session('s') + (i % 2 ? person('p0') : person('x'))) }, 0);
    expect(call.recorded(T0).participants.find(({ id }) => id === 'p0')?.spans?.length).toBeLessThanOrEqual(64);
    expect(
      call
        .recorded(T0)
        .participants.find(({ id }) => id === 'p0')
        ?.spans?.every(({ leftMs }) => leftMs !== undefined),
    ).toBe(true);
  });
});

describe('communication sessions of one recording session', () => {
  it('follow each other when the recording session is persistent', () => {
    const call = told(
      metadata(session('s1') + person('a') + person('b') + member('a', 's1') + member('b', 's1')),
      partial(session('s1', '<stop-time>2026-03-04T12:01:00Z</stop-time>')),
      partial(session('s2') + person('a') + person('c') + member('a', 's2') + member('c', 's2')),
    );
    expect(call.now()).toMatchObject({
      participants: [{ id: 'a' }, { id: 'c' }],
      communicationSessions: [{ id: 's2' }],
    });
    call.finish(second(9));
    expect(sessionsOf(call)).toEqual([
      ['s1', 0, 1000, ['a', 'b']],
      ['s2', 2000, 9000, ['a', 'c']],
    ]);
    expect(spansOf(call)).toEqual({
      a: [
        [0, 1000],
        [2000, 9000],
      ],
      b: [[0, 1000]],
      c: [[2000, 9000]],
    });
    expect(call.recorded(T0).communicationSessions?.[0]).toMatchObject({
      stopTime: '2026-03-04T12:01:00Z',
      toldStoppedAt: Date.UTC(2026, 2, 4, 12, 1),
    });
    expect(call.whole().communicationSessions).toEqual([{ id: 's1' }, { id: 's2' }]);
  });

  it('are another one when the SRC uses an id again', () => {
    const stopped = metadata(session('s', '<stop-time>2026-03-04T12:01:00Z</stop-time>') + person('a'));
    const call = told(metadata(session('s') + person('a')), stopped, stopped, metadata(session('s') + person('b')));
    expect(sessionsOf(call)).toEqual([
      ['s', 0, 1000, ['a']],
      ['s', 3000, undefined, ['b']],
    ]);
  });

  it('may run at the same time, each with its own people (turret)', () => {
    const call = told(
      metadata(
        session('s1') +
          session('s2') +
          person('a') +
          person('b') +
          member('a', 's1') +
          member('a', 's2') +
          member('b', 's2'),
      ),
      partial(session('s2', '<stop-time>2026-03-04T12:01:00Z</stop-time>')),
    );
    expect(sessionsOf(call)).toEqual([
      ['s1', 0, undefined, ['a']],
      ['s2', 0, 1000, ['a', 'b']],
    ]);
    expect(call.now().participants).toMatchObject([{ id: 'a' }]);
  });

  it('go on through a transfer that brings another participant', () => {
    const call = told(
      metadata(session('s') + person('a') + person('b') + member('a', 's') + member('b', 's')),
      partial(
        person('c') +
          member('c', 's') +
          member('b', 's', '<disassociate-time>2026-03-04T12:01:00Z</disassociate-time>'),
      ),
    );
    expect(sessionsOf(call)).toEqual([['s', 0, undefined, ['a', 'b', 'c']]]);
    expect(call.now().participants?.map(({ id }) => id)).toEqual(['a', 'c']);
  });

  it('are replaced by a transfer that begins another session in the group', () => {
    const group = '<group group_id="g"/>';
    const inGroup = '<group-ref>g</group-ref>';
    const call = told(
      metadata(group + session('s1', inGroup) + person('a') + person('b')),
      metadata(group + session('s2', inGroup) + person('a2') + person('c')),
    );
    expect(sessionsOf(call)).toEqual([
      ['s1', 0, 1000, ['a', 'b']],
      ['s2', 1000, undefined, ['a2', 'c']],
    ]);
    expect(call.whole().communicationSessions).toEqual([
      { id: 's1', groupId: 'g' },
      { id: 's2', groupId: 'g' },
    ]);
  });

  it('share their group with another recording session, whose ids mean nothing here', () => {
    const first = told(
      metadata(`<group group_id="call-1"/>${session('1', '<group-ref>call-1</group-ref>')}${person('a')}`),
    );
    const second = told(
      metadata(`<group group_id="call-1"/>${session('1', '<group-ref>call-1</group-ref>')}${person('a', 'Other')}`),
    );
    const groups = [first, second].map((call) => call.recorded(T0).groups);
    expect(groups).toEqual([[{ id: 'call-1' }], [{ id: 'call-1' }]]);
    expect([first, second].map((call) => call.now().participants?.[0]?.name)).toEqual(['a', 'Other']);
  });

  it('end in no snapshot that names nothing', () => {
    const call = told(metadata(session('s') + person('a')), metadata(''), readMetadata(Buffer.from('<<<')).metadata);
    expect(sessionsOf(call)).toEqual([['s', 0, undefined, ['a']]]);
    expect(call.now().participants).toHaveLength(1);
  });
});

describe('partial snapshots', () => {
  it('that name what nobody described are kept, reported, and mean something once it is described', () => {
    const call = told(metadata(session('s') + person('a') + stream('m', '1')));
    expect(call.wantsSnapshot).toBe(false);
    const warnings = call.take({ metadata: partial(sends('b', 'n') + member('b', 's2')) }, second(1));
    expect(warnings).toEqual([{ code: 'metadata_partial_unknown', detail: 'participant, stream, session' }]);
    expect(call.wantsSnapshot).toBe(true);
    expect(call.take({ metadata: partial(person('b') + stream('n', '2') + session('s2')) }, second(2))).toEqual([]);
    expect(call.wantsSnapshot).toBe(false);
    expect(call.metadata.associations).toEqual([{ participantId: 'b', send: ['n'], receive: [] }]);
    expect(call.now().participants?.map(({ id }) => id)).toEqual(['a', 'b']);
  });

  it('that come before any complete one are kept, and a complete one is wanted', () => {
    const call = new CallIdentity();
    expect(call.take({ metadata: partial(session('s') + person('a')) }, second(0))).toEqual([
      { code: 'metadata_partial_unknown', detail: 'no complete snapshot before' },
    ]);
    expect(call.wantsSnapshot).toBe(true);
    expect(call.now().participants).toHaveLength(1);
    expect(call.take({ metadata: metadata(session('s') + person('a') + person('b')) }, second(1))).toEqual([]);
    expect(call.wantsSnapshot).toBe(false);
  });

  it('want nothing when they are partial only because they were salvaged', () => {
    const call = new CallIdentity();
    const broken = readMetadata(Buffer.from(`<recording>${person('a')}${sends('x', 'y')}<oops`)).metadata;
    expect(broken.salvaged).toBe(true);
    expect(call.take({ metadata: broken }, second(0))).toEqual([]);
    expect(call.wantsSnapshot).toBe(false);
  });

  it('merge groups, memberships and extensions by what they belong to', () => {
    const extension = (text: string): string => `<extensiondata>${text}</extensiondata>`;
    const state = new MetadataState();
    state.apply(metadata(`<group group_id="g"/>${session('s', extension('one'))}${person('a')}${member('a', 's')}`));
    state.apply(
      partial(
        '<group group_id="h"/>' +
          session('s', extension('two')) +
          member('a', 's', '<associate-time>x</associate-time>'),
      ),
    );
    expect(state.groups.map(({ id }) => id)).toEqual(['g', 'h']);
    expect(state.extensions.map(({ xml }) => xml)).toEqual([extension('two')]);
    expect(state.memberships).toEqual([{ participantId: 'a', sessionId: 's', span: { fromText: 'x' } }]);
    for (let i = 0; i < 500; i += 1) state.apply(partial(session(`s${i}`, extension('more'))));
    expect(state.extensions.length).toBeLessThanOrEqual(128);
  });
});

describe('what ties a call to others', () => {
  it('grows with what later requests tell, within bounds', () => {
    const call = new CallIdentity();
    call.take({ attributes: { ucid: ['1'] }, dialect: 'oracle' }, T0);
    call.take({ attributes: { 'x-id': ['2', '3'], ucid: ['4'] }, dialect: 'other' }, T0);
    expect(call.now()).toMatchObject({ attributes: { ucid: ['4'], 'x-id': ['2', '3'] }, dialect: 'oracle' });
    for (let i = 0; i < 1000; i += 1) call.take({ attributes: { [`x-${i}`]: ['v'] } }, T0);
    expect(Object.keys(call.recorded(T0).attributes ?? {})).toHaveLength(128);
  });
});

describe('the end of the recording', () => {
  it('ends what was still going on, and nothing twice', () => {
    const presence = new Presence();
    const state = new MetadataState();
    state.apply(metadata(session('s') + person('a')));
    presence.note(state, second(0));
    presence.finish(second(5));
    presence.finish(second(6));
    expect(presence.people[0]?.spans).toMatchObject([{ joinedAt: second(0), leftAt: second(5) }]);
    expect(presence.sessions[0]?.endedAt).toBe(second(5));
  });
});
