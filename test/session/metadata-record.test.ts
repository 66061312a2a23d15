import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { CallEvent } from '../../src/core/call-event.js';
import { eventJson } from '../../src/listeners/event-json.js';
import { readMetadata } from '../../src/sip/metadata-xml.js';
import { eventually } from '../helpers/eventually.js';
import { offer, type Studio, stream, studio } from './session-fixture.js';

let room: Studio;
afterEach(() => room.stop());

const pair = [stream(0), stream(1)];

const read = (body: string) => readMetadata(Buffer.from(`<recording xmlns="urn:x">${body}</recording>`)).metadata;
const person = (id: string, name: string): string =>
  `<participant participant_id="${id}"><nameID aor="sip:${id}@example.org"><name xml:lang="en">${name}</name></nameID></participant>`;
const sends = (id: string, to: string): string =>
  `<participantstreamassoc participant_id="${id}"><send>${to}</send></participantstreamassoc>`;
const STREAMS =
  '<stream stream_id="m1" session_id="s1"><label>1</label></stream><stream stream_id="m2" session_id="s1"><label>2</label></stream>';
const GROUP = '<group group_id="g"/>';
const inGroup = (id: string, more = ''): string =>
  `<session session_id="${id}"><group-ref>g</group-ref>${more}</session>`;

const first = read(
  `${GROUP}${inGroup('s1')}${person('pa', 'Ana')}${person('pb', 'Ben')}${STREAMS}${sends('pa', 'm1')}${sends('pb', 'm2')}` +
    '<extensiondata><x:ucid xmlns:x="urn:v">00FA</x:ucid></extensiondata>',
);
const transfer = read(
  `${GROUP}${inGroup('s1', '<stop-time>2026-03-04T12:00:00Z</stop-time>')}${inGroup('s2')}${person('pa', 'Ana')}${person('pc', 'Carol')}` +
    `<participantsessionassoc participant_id="pa" session_id="s2"/><participantsessionassoc participant_id="pc" session_id="s2"/>` +
    `${STREAMS}${sends('pa', 'm1')}${sends('pc', 'm2')}`,
);

/** All field names at any depth of a value, but those below `except`. */
function fieldsOf(value: unknown, except: ReadonlySet<string>, found = new Set<string>()): Set<string> {
  if (Array.isArray(value)) for (const one of value) fieldsOf(one, except, found);
  else if (typeof value === 'object' && value !== null) {
    for (const [key, inner] of Object.entries(value)) {
      found.add(key);
      if (!except.has(key)) fieldsOf(inner, except, found);
    }
  }
  return found;
}

describe('the record of a call with metadata', () => {
  it('tells sessions, people with their times, speakers, history, attributes and the first INVITE', async () => {
    room = await studio();
    const invite = Buffer.from('INVITE sip:srs@example.org SIP/2.0\r\n\r\n\xff', 'latin1');
    const attributes = { 'cisco-guid': ['1-2-3-4'] };
    const { session } = await room.recorder.open(
      offer(pair, { metadata: first, attributes, dialect: 'cisco', invite }),
    );
    await session.apply(offer(undefined, { metadata: transfer, attributes: { 'x-late': ['5'] } }));
    await session.end('bye');
    await room.recorder.settled();

    const record = room.record(session.id);
    expect(record).toMatchObject({
      version: 1,
      dialect: 'cisco',
      attributes: { 'cisco-guid': ['1-2-3-4'], 'x-late': ['5'] },
      groups: [{ id: 'g' }],
      communicationSessions: [
        { id: 's1', groupId: 'g', stopTime: '2026-03-04T12:00:00Z', participantIds: ['pa', 'pb'] },
        { id: 's2', groupId: 'g', participantIds: ['pa', 'pc'] },
      ],
      metadata: { streams: [{ id: 'm1' }, { id: 'm2' }], memberships: [{ sessionId: 's2' }, {}], extensions: [] },
      metadataFiles: ['metadata-1.xml', 'metadata-2.xml'],
      invite: 'invite.sip',
    });
    expect(record.participants.map(({ name, spans = [] }) => [name, spans.length])).toEqual([
      ['Ana', 1],
      ['Ben', 1],
      ['Carol', 1],
    ]);
    const [ana, ben, carol] = record.participants.map(({ spans }) => spans?.[0]);
    expect(ben?.leftMs).toBe(carol?.joinedMs);
    expect(ana?.leftMs).toBe(carol?.leftMs);
    expect(ana?.joinedMs).toBe(0);
    expect(record.communicationSessions?.[1]?.startedAt).toBe(carol?.joinedAt);
    expect(record.legs.map(({ speakers }) => speakers?.map(({ speaker }) => speaker.name))).toEqual([
      ['Ana'],
      ['Ben', 'Carol'],
    ]);
    expect(record.history?.filter(({ snapshot }) => snapshot === 2).map(({ change }) => change)).toEqual([
      'session_ended',
      'session_started',
      'participant_joined',
      'participant_left',
      'stopped_sending',
      'sends',
    ]);
    expect(readFileSync(join(room.folder(session.id), 'invite.sip'))).toEqual(invite);
  });

  it('is described field by field in the reference', async () => {
    room = await studio();
    const { session } = await room.recorder.open(
      offer(pair, {
        metadata: first,
        attributes: { ucid: ['1'] },
        dialect: 'x',
        invite: Buffer.from('x'),
        from: '<sip:a@example.org>',
        to: '<sip:b@example.org>',
        userAgent: 'SBC',
        warnings: [{ code: 'label_missing', detail: 'm-line 1' }],
      }),
    );
    await session.apply(offer(undefined, { metadata: transfer }));
    await session.end('bye');
    await room.recorder.settled();
    const page = readFileSync('docs/reference/call-record.md', 'utf8');
    const named = new Set([...page.matchAll(/`([^`]+)`/g)].flatMap(([, text = '']) => text.match(/\w+/g) ?? []));
    // Values of an operator's own naming, and parts that the page leaves to the metadata's model.
    const fields = fieldsOf(room.record(session.id), new Set(['attributes', 'metadata', 'dropped']));
    expect([...fields].filter((field) => !named.has(field))).toEqual([]);
    expect(fields.size).toBeGreaterThan(50);
  });

  it('has nothing as the SRC wrote it when signalling is not to be kept, and all that was read from it', async () => {
    room = await studio({ keepsSignalling: false });
    const { session } = await room.recorder.open(offer(pair, { metadata: first }));
    await session.end('bye');
    await room.recorder.settled();
    const record = room.record(session.id);
    expect(record.participants.map(({ name }) => name)).toEqual(['Ana', 'Ben']);
    expect(record).toMatchObject({ metadataFiles: [], metadata: { extensions: [] } });
    expect(readdirSync(room.folder(session.id)).filter((name) => name.includes('metadata'))).toEqual([]);
    expect(JSON.stringify(record)).not.toContain('00FA');
  });

  it('exists without any metadata and without RTP, with empty lists', async () => {
    room = await studio();
    const { session } = await room.recorder.open(offer([stream(0)], { warnings: [{ code: 'metadata_missing' }] }));
    await session.end('bye');
    await room.recorder.settled();
    const record = room.record(session.id);
    expect(record).toMatchObject({ participants: [], communicationSessions: [], history: [], state: 'ended' });
    expect(record.warnings.map(({ code }) => code)).toEqual(['metadata_missing', 'no_rtp']);
    expect([record.invite, record.dialect, record.attributes]).toEqual([undefined, undefined, undefined]);
  });
});

describe('events of a call with metadata', () => {
  const of = (type: CallEvent['type']) => room.events.filter((event) => event.type === type).map(eventJson);

  it('tell who takes part and in which sessions, and an update comes when only those change', async () => {
    room = await studio();
    const { session } = await room.recorder.open(
      offer(pair, { metadata: first, attributes: { ucid: ['7'] }, dialect: 'oracle' }),
    );
    const listener = read(
      `<datamode>partial</datamode>${person('pl', 'Listener')}<participantsessionassoc participant_id="pl" session_id="s1"/>`,
    );
    await session.apply(offer(undefined, { metadata: listener }));
    // The same once more, and a refresh: nothing new.
    await session.apply(offer(undefined, { metadata: listener }));
    await session.apply(offer(pair));
    await session.end('bye');
    await room.recorder.settled();

    expect(of('call.started')).toMatchObject([
      {
        participants: [
          { participant_id: 'pa', participant_name: 'Ana', participant_aor: 'sip:pa@example.org' },
          { participant_id: 'pb', participant_name: 'Ben' },
        ],
        communication_sessions: [{ id: 's1', group_id: 'g' }],
        attributes: { ucid: ['7'] },
        dialect: 'oracle',
      },
    ]);
    const updates = of('call.updated');
    expect(updates.map(({ state }) => state)).toEqual(['recording', 'draining']);
    expect(updates[0]?.participants?.map((one) => one.participant_name)).toEqual(['Ana', 'Ben', 'Listener']);
    expect(of('call.ended')[0]?.participants).toHaveLength(3);
  });

  it('come when metadata comes late, and when only the attributes change', async () => {
    room = await studio();
    const { session } = await room.recorder.open(offer(pair));
    await session.apply(offer(undefined, { metadata: first }));
    await session.apply(offer(undefined, { attributes: { 'user-to-user': ['04'] } }));
    await session.end('bye');
    await room.recorder.settled();
    expect(of('call.started')[0]).toMatchObject({ participants: [], communication_sessions: [] });
    expect(of('call.updated').map(({ participants, attributes }) => [participants?.length, attributes])).toEqual([
      [2, undefined],
      [2, { 'user-to-user': ['04'] }],
      [2, { 'user-to-user': ['04'] }],
    ]);
    expect(of('call.ended')[0]?.participants).toHaveLength(2);
  });

  it('are joined when an SRC changes something without end, and the last change is told too', async () => {
    room = await studio();
    const { session } = await room.recorder.open(offer(pair, { metadata: first }));
    const changed = (n: number) => read(`<datamode>partial</datamode>${person('pa', `Ana ${n}`)}`);
    for (let n = 1; n <= 300; n++) await session.apply(offer(undefined, { metadata: changed(n) }));
    await eventually(
      'the last change',
      () => of('call.updated').at(-1)?.participants?.[0]?.participant_name === 'Ana 300',
    );
    // Twenty at once and one a second after that; a command of ours never waits.
    expect(of('call.updated').length).toBeLessThan(60);
    await room.recorder.pause(session.id, { by: 'api' });
    await room.recorder.resume(session.id, { by: 'api' });
    expect(
      of('call.updated')
        .slice(-2)
        .map(({ state }) => state),
    ).toEqual(['paused', 'recording']);
  });

  it('warn of a partial snapshot that names what nobody described, and the session asks for one when it may', async () => {
    room = await studio({ snapshotRequest: true });
    const unknown = read(`<datamode>partial</datamode>${sends('who', 'm9')}`);
    const { session } = await room.recorder.open(offer(pair, { metadata: first }));
    let wanted = 0;
    session.onSnapshotWanted = () => {
      wanted += 1;
    };
    expect(wanted).toBe(0);
    await session.apply(offer(undefined, { metadata: unknown }));
    expect(wanted).toBe(1);
    const quirks = room.events.flatMap((event) => (event.type === 'recording.warning' ? [event.warning] : []));
    expect(quirks).toContainEqual({ code: 'metadata_partial_unknown', detail: 'participant, stream' });
  });
});
