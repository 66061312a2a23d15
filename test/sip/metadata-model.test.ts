import { describe, expect, it } from 'vitest';
import type { RecordingMetadata } from '../../src/core/model.js';
import { readMetadataTime } from '../../src/sip/metadata-time.js';
import { readMetadata } from '../../src/sip/metadata-xml.js';

function read(xml: string): ReturnType<typeof readMetadata> {
  return readMetadata(Buffer.from(xml));
}

const inside = (body: string): RecordingMetadata =>
  read(`<recording xmlns="urn:ietf:params:xml:ns:recording:1">${body}</recording>`).metadata;

describe('times of metadata', () => {
  const noon = Date.UTC(2026, 2, 4, 12);

  it.each([
    ['RFC 3339', '2026-03-04T12:00:00Z', noon],
    ['with an offset', '2026-03-04T14:30:00+02:30', noon],
    ['with an offset west', '2026-03-04T04:00:00-08:00', noon],
    ['with +0000 (OpenSIPS)', '2026-03-04T12:00:00+0000', noon],
    ['with milliseconds (Cisco)', '2026-03-04T12:00:00.250Z', noon + 250],
    ['without a zone, as UTC (Oracle)', '2026-03-04T12:00:00', noon],
    ['with a space and white space around', ' 2026-03-04 12:00:00 ', noon],
    ['of a leap second', '2016-12-31T23:59:60Z', Date.UTC(2017, 0, 1)],
    ['of 1970 as unknown (Ribbon)', '1970-01-01T00:00:00Z', undefined],
    ['that no calendar has as unknown', '2026-02-30T12:00:00Z', undefined],
    ['of an hour that no day has as unknown', '2026-02-03T25:00:00Z', undefined],
    ['in words as unknown', 'yesterday', undefined],
    ['that are empty as unknown', '', undefined],
    ['that are absent as unknown', undefined, undefined],
  ])('are read %s', (_what, text, expected) => {
    expect(readMetadataTime(text)).toBe(expected);
  });
});

describe('the whole model of RFC 7865', () => {
  it('has groups, memberships and their times as told and as read', () => {
    const metadata = inside(`
      <group group_id="g1"><associate-time>2026-03-04T12:00:00Z</associate-time>
        <disassociate-time>2026-03-04T12:05:00</disassociate-time></group>
      <session session_id="s1"><group-ref>
          g1
        </group-ref><reason>transfer</reason><reason>conference</reason><start-time>now</start-time></session>
      <sessionrecordingassoc session_id="s1"><associate-time>2026-03-04T12:00:01Z</associate-time></sessionrecordingassoc>
      <participantsessionassoc participant_id="p1" session_id="s1"><associate-time>2026-03-04T12:00:02Z</associate-time>
        <param pname="isfocus"/><param pname="role" pval="agent"/></participantsessionassoc>
      <stream stream_id="m1" session_id="s1"><label>1</label><content-type>audio</content-type></stream>
      <participantstreamassoc participant_id="p1"><send>m1</send>
        <associate-time>2026-03-04T12:00:03Z</associate-time></participantstreamassoc>`);
    const noon = Date.UTC(2026, 2, 4, 12);
    expect(metadata.groups).toEqual([
      {
        id: 'g1',
        span: {
          fromText: '2026-03-04T12:00:00Z',
          from: noon,
          untilText: '2026-03-04T12:05:00',
          until: noon + 300_000,
        },
      },
    ]);
    expect(metadata.sessions).toEqual([
      {
        id: 's1',
        groupId: 'g1',
        sipSessionIds: [],
        reasons: ['transfer', 'conference'],
        startTime: 'now',
        recorded: { fromText: '2026-03-04T12:00:01Z', from: noon + 1000 },
      },
    ]);
    expect(metadata.memberships).toEqual([
      {
        participantId: 'p1',
        sessionId: 's1',
        span: { fromText: '2026-03-04T12:00:02Z', from: noon + 2000 },
        params: [{ name: 'isfocus' }, { name: 'role', value: 'agent' }],
      },
    ]);
    expect(metadata.streams).toEqual([{ id: 'm1', label: '1', sessionId: 's1', contentType: 'audio' }]);
    expect(metadata.associations[0]?.span?.from).toBe(noon + 3000);
  });

  it('may have none of anything', () => {
    const { metadata, warnings } = read('<recording/>');
    expect(metadata).toEqual({
      mode: 'complete',
      sessions: [],
      participants: [],
      streams: [],
      associations: [],
      root: 'recording',
      raw: '<recording/>',
    });
    expect(warnings).toEqual([]);
  });

  it('may have several of everything', () => {
    const many = [1, 2, 3].map(
      (n) =>
        `<group group_id="g${n}"/><session session_id="s${n}"><group-ref>g${n}</group-ref></session>` +
        `<stream stream_id="m${n}" session_id="s${n}"/><participant participant_id="p${n}"/>`,
    );
    const metadata = inside(many.join(''));
    expect(metadata.sessions.map(({ id, groupId }) => [id, groupId])).toEqual([
      ['s1', 'g1'],
      ['s2', 'g2'],
      ['s3', 'g3'],
    ]);
    expect([metadata.groups?.length, metadata.streams.length, metadata.participants.length]).toEqual([3, 3, 3]);
  });

  it('keeps every name of a participant and shows the first that says anything', () => {
    const { participants } = inside(
      '<participant participant_id="p"><nameID aor="tel:+31201234567"><name xml:lang="nl"/><name xml:lang="el">Ζωή</name>' +
        '<name xml:lang="en">Zoe</name></nameID><nameID aor="sip:zoe@example.org"><name>田中 花子 🙂</name></nameID></participant>',
    );
    expect(participants).toEqual([
      {
        id: 'p',
        aor: 'tel:+31201234567',
        name: 'Ζωή',
        nameIds: [
          {
            aor: 'tel:+31201234567',
            names: [
              { text: 'Ζωή', lang: 'el' },
              { text: 'Zoe', lang: 'en' },
            ],
          },
          { aor: 'sip:zoe@example.org', names: [{ text: '田中 花子 🙂' }] },
        ],
      },
    ]);
  });

  it('takes the session attribute of a drafted participant as its membership', () => {
    expect(inside('<participant id="p" session="s"/>').memberships).toEqual([{ participantId: 'p', sessionId: 's' }]);
  });

  it.each([
    ['base64', 'VsWsvsZGEeSj6qeKDElWgw=='],
    ['hex', '0a1b2c3d'],
    ['a Call-ID', '87134@192.0.2.1;x=1'],
    ['a phone number', '+31201234567'],
    ['a URN', 'urn:uuid:0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0'],
    ['nothing', ''],
  ])('takes an id of %s as it is', (_what, id) => {
    const { participants, sessions } = inside(`<participant participant_id="${id}"/><session session_id=" ${id} "/>`);
    expect([participants[0]?.id, sessions[0]?.id]).toEqual([id, id]);
  });

  it('notes the root element and its namespace', () => {
    const of = (xml: string): unknown[] => {
      const { root, namespace } = read(xml).metadata;
      return [root, namespace];
    };
    expect(of('<recording xmlns="urn:ietf:params:xml:ns:recording:1"/>')).toEqual([
      'recording',
      'urn:ietf:params:xml:ns:recording:1',
    ]);
    expect(of('<tns:recording xmlns:tns="urn:ietf:params:xml:ns:recording" xmlns:x="urn:x"/>')).toEqual([
      'recording',
      'urn:ietf:params:xml:ns:recording',
    ]);
    expect(
      of("<recording_metadata xmlns='urn:ietf:params:xml:ns:siprec'><recording id='r'/></recording_metadata>"),
    ).toEqual(['recording_metadata', 'urn:ietf:params:xml:ns:siprec']);
    expect(of('<recording xmlns="urn:x"><broken></recording>')).toEqual(['recording', 'urn:x']);
  });
});

describe('extensions', () => {
  const vendor = '<x:a xmlns:x="http:/odd.example/" b=\'1\'><x:c>R&amp;D</x:c></x:a>';

  it.each([
    ['recording', `<extensiondata>${vendor}</extensiondata>`, undefined],
    ['group', `<group group_id="i"><extensiondata>${vendor}</extensiondata></group>`, 'i'],
    ['session', `<session session_id="i"><extensiondata>${vendor}</extensiondata></session>`, 'i'],
    ['participant', `<participant participant_id="i"><extensiondata>${vendor}</extensiondata></participant>`, 'i'],
    ['stream', `<stream stream_id="i"><extensiondata>${vendor}</extensiondata></stream>`, 'i'],
    [
      'association',
      `<participantsessionassoc participant_id="i" session_id="s"><extensiondata>${vendor}</extensiondata></participantsessionassoc>`,
      'i',
    ],
  ])('of a %s are kept as they were written', (of, body, id) => {
    expect(inside(body).extensions).toEqual([
      { of, ...(id ? { id } : {}), name: 'extensiondata', xml: `<extensiondata>${vendor}</extensiondata>` },
    ]);
  });

  it('of a foreign name directly under an element are kept too', () => {
    expect(inside(`<session session_id="s">${vendor}</session><y:empty xmlns:y="urn:y"/>`).extensions).toEqual([
      { of: 'session', id: 's', name: 'a', xml: vendor },
      { of: 'recording', name: 'empty', xml: '<y:empty xmlns:y="urn:y"/>' },
    ]);
  });

  it('are kept from a document that is not well-formed', () => {
    const xml = '<extensiondata><apkt:request-uri><sip:bob@example.com></apkt:request-uri></extensiondata>';
    const { metadata, warnings } = read(`<recording><session id="s">${xml}</session></recording>`);
    expect(metadata.extensions).toEqual([{ of: 'session', id: 's', name: 'extensiondata', xml }]);
    expect(metadata.salvaged).toBe(true);
    expect(warnings[0]?.code).toBe('metadata_malformed');
  });

  it('are cut when they are long, and few of many are kept', () => {
    const { extensions = [] } = inside(
      `<extensiondata>${'y'.repeat(10_000)}</extensiondata>${'<v:a xmlns:v="urn:v"/>'.repeat(500)}`,
    );
    expect(extensions[0]).toMatchObject({ cut: true, name: 'extensiondata' });
    expect(extensions[0]?.xml).toHaveLength(4096);
    expect(extensions).toHaveLength(64);
  });

  it('never hide the elements of a wrapper that RFC 7865 does not have', () => {
    expect(inside('<participants><participant participant_id="p"/></participants>').participants).toEqual([
      { id: 'p' },
    ]);
  });
});

describe('ids that stand for two elements', () => {
  const codes = (body: string): unknown => read(`<recording>${body}</recording>`).warnings;

  it.each([
    ['a participant and a stream', '<participant id="u"/><stream id="u"/>', 'participant and stream'],
    ['two sessions', '<session id="u"/><session id="u"/>', 'two of session'],
    ['two streams of one session', '<stream id="u" session_id="s"/><stream id="u" session_id="s"/>', 'two of stream'],
    ['two participants', '<participant id="u"/><participant id="u"/>', 'two of participant'],
  ])('are reported for %s, and both are kept', (_what, body, detail) => {
    expect(codes(body)).toEqual([{ code: 'metadata_id_repeated', detail }]);
  });

  it.each([
    ['streams of two sessions (NetSapiens)', '<stream id="1" session_id="a"/><stream id="1" session_id="b"/>'],
    ['a group and its session', '<group id="u"/><session id="u"/>'],
    ['empty ids (Avaya)', '<stream stream_id=""/><stream stream_id=""/>'],
  ])('are no error for %s', (_what, body) => {
    expect(codes(body)).toEqual([]);
  });
});

describe('encodings of metadata', () => {
  const xml = (label: string): string =>
    `<?xml version="1.0" encoding="${label}"?><recording><participant id="p"><name>Žofie Müller</name></participant></recording>`;
  const nameOf = (bytes: Uint8Array): string | undefined => readMetadata(bytes).metadata.participants[0]?.name;

  it('are UTF-8 whatever is declared, when the bytes are', () => {
    expect(nameOf(Buffer.from(xml('iso-8859-2')))).toBe('Žofie Müller');
  });

  it('are the declared ones, when the bytes are not UTF-8', () => {
    const bytes = Buffer.from(xml('iso-8859-2').replace('Ž', '\xae').replace('ü', '\xfc'), 'latin1');
    expect(nameOf(bytes)).toBe('Žofie Müller');
  });

  it.each(['utf16le', 'utf16be'])('are %s with and without its mark', (kind) => {
    for (const mark of ['\uFEFF', '']) {
      const bytes = Buffer.from(mark + xml('UTF-16'), 'utf16le');
      expect(nameOf(kind === 'utf16be' ? bytes.swap16() : bytes)).toBe('Žofie Müller');
    }
  });

  it('cost what cannot be read and no more, when nobody declares them', () => {
    const bytes = Buffer.from('<recording><participant id="p"><name>Zo\xe9</name></participant></recording>', 'latin1');
    expect(nameOf(bytes)).toBe('Zo\uFFFD');
    const unknown = Buffer.from(xml('x-none').replace('Ž', 'Z').replace('ü', '\xfc'), 'latin1');
    expect(nameOf(unknown)).toBe('Zofie Müller');
  });

  it('do not hide several recording elements', () => {
    const { metadata, warnings } = read(
      '<recordings><recording><stream id="a"/></recording><recording><stream id="b"/></recording></recordings>',
    );
    expect(metadata.streams.map(({ id }) => id)).toEqual(['a', 'b']);
    expect(warnings).toEqual([{ code: 'metadata_malformed', detail: 'several recording elements' }]);
  });
});
