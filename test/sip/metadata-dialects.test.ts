import { describe, expect, it } from 'vitest';
import type { RecordingMetadata } from '../../src/core/model.js';
import { looksLikeMetadata, readMetadata } from '../../src/sip/metadata-xml.js';

function read(xml: string): ReturnType<typeof readMetadata> {
  return readMetadata(Buffer.from(xml));
}

const inside = (body: string, root = 'recording'): RecordingMetadata =>
  read(`<${root} xmlns="urn:ietf:params:xml:ns:recording:1">${body}</${root}>`).metadata;

describe('metadata in normal form', () => {
  it('has sessions, participants, streams and associations of RFC 7865', () => {
    const metadata = inside(`
      <datamode>complete</datamode>
      <session session_id="s1">
        <sipSessionID>aa;remote=bb</sipSessionID><sipSessionID> cc;
            remote=dd </sipSessionID>
        <group-ref> g1 </group-ref><start-time>2026-03-04T10:00:00Z</start-time><stop-time>2026-03-04T10:01:00Z</stop-time>
      </session>
      <participant participant_id="p1"><nameID aor="sip:a@example.org"><name xml:lang="it">Ana</name><name>Anna</name></nameID></participant>
      <stream stream_id="m1" session_id="s1"><label>96</label></stream>
      <participantstreamassoc participant_id="p1"><send>m1</send><recv>m2</recv><recv>m3</recv></participantstreamassoc>`);
    expect({ ...metadata, raw: '' }).toEqual({
      mode: 'complete',
      sessions: [
        {
          id: 's1',
          groupId: 'g1',
          sipSessionIds: ['aa;remote=bb', 'cc; remote=dd'],
          startTime: '2026-03-04T10:00:00Z',
          stopTime: '2026-03-04T10:01:00Z',
          startedAt: Date.UTC(2026, 2, 4, 10),
          stoppedAt: Date.UTC(2026, 2, 4, 10, 1),
        },
      ],
      participants: [
        {
          id: 'p1',
          aor: 'sip:a@example.org',
          name: 'Ana',
          nameIds: [{ aor: 'sip:a@example.org', names: [{ text: 'Ana', lang: 'it' }, { text: 'Anna' }] }],
        },
      ],
      root: 'recording',
      namespace: 'urn:ietf:params:xml:ns:recording:1',
      streams: [{ id: 'm1', label: '96', sessionId: 's1' }],
      associations: [{ participantId: 'p1', send: ['m1'], receive: ['m2', 'm3'] }],
      raw: '',
    });
  });

  it.each(['datamode', 'dataMode', 'DATAMODE'])('takes %s partial', (name) => {
    expect(inside(`<${name}> Partial </${name}>`).mode).toBe('partial');
  });

  it('is complete when it does not say', () => {
    expect(inside('<session session_id="s"/>').mode).toBe('complete');
  });

  it.each([
    ['text', '<send>m1</send>'],
    ['an id element', '<send><id>m1</id></send>'],
    ['an attribute', '<send stream_id="m1"/>'],
  ])('finds the stream of an inline send given as %s', (_what, send) => {
    expect(inside(`<participant id="p1" session="s1">${send}</participant>`).associations).toEqual([
      { participantId: 'p1', send: ['m1'], receive: [] },
    ]);
  });

  it.each([
    ['an aor attribute of nameID', '<nameID aor="sip:a@example.org"/>'],
    ['an aor element', '<aor>sip:a@example.org</aor>'],
    ['an aor element in nameID', '<nameID><aor>sip:a@example.org</aor></nameID>'],
    ['the text of nameID', '<nameID>sip:a@example.org</nameID>'],
    ['the second of two nameID', '<nameID/><nameID aor="sip:a@example.org"/>'],
  ])('finds the address of record in %s', (_what, body) => {
    expect(inside(`<participant participant_id="p1">${body}</participant>`).participants[0]?.aor).toBe(
      'sip:a@example.org',
    );
  });

  it('takes Oracle callingParty as the role, and a role element, and guesses nothing else', () => {
    const extension = (inner: string): string => `<extensiondata xmlns:x="urn:x">${inner}</extensiondata>`;
    const { participants } = inside(`
      <participant id="1">${extension('<x:callingParty>true</x:callingParty>')}</participant>
      <participant id="2">${extension('<x:callingParty>false</x:callingParty>')}</participant>
      <participant id="3"><role>Agent</role></participant>
      <participant id="4">${extension('<x:inbound>true</x:inbound>')}</participant>`);
    expect(participants.map((participant) => participant.role)).toEqual(['caller', 'callee', 'agent', undefined]);
  });

  it('ignores elements of its own vocabulary inside an extension', () => {
    const { participants, streams } = inside(
      '<extensiondata><participant id="x"/></extensiondata><netsapiensExtension><stream id="y"/></netsapiensExtension>',
    );
    expect([participants, streams]).toEqual([[], []]);
  });

  it('joins several associations of one participant and keeps an empty one', () => {
    const assoc = (id: string, body: string): string =>
      `<participantstreamassoc participant_id="${id}">${body}</participantstreamassoc>`;
    const metadata = inside(
      assoc('p1', '<send>m1</send>') + assoc('p1', '<send>m2</send><recv>m1</recv>') + assoc('p2', ''),
    );
    expect(metadata.associations).toEqual([
      { participantId: 'p1', send: ['m1', 'm2'], receive: ['m1'] },
      { participantId: 'p2', send: [], receive: [] },
    ]);
  });

  it('counts an association that ended as none, but not one that ended in 1970 (Ribbon)', () => {
    const assoc = (id: string, time: string): string =>
      `<participantstreamassoc participant_id="${id}"><send>m</send><disassociate-time>${time}</disassociate-time></participantstreamassoc>`;
    const { associations } = inside(assoc('p1', '2026-03-04T10:00:00Z') + assoc('p2', '1970-01-01T00:00:00Z'));
    expect(associations.map(({ send }) => send)).toEqual([[], ['m']]);
  });

  it('knows that a participant who left the session sends nothing any more', () => {
    const left = inside(
      '<participantsessionassoc participant_id="p1" session_id="s"><disassociate-time>2026-03-04T10:00:00Z</disassociate-time></participantsessionassoc>',
    );
    expect(left.associations).toEqual([{ participantId: 'p1', send: [], receive: [] }]);
  });

  it('keeps the first of two participants with one id and fills its blanks from the second', () => {
    const { participants } = inside(
      '<participant id="p"><nameID aor="sip:a@example.org"/></participant><participant id="p"><aor>sip:b@example.org</aor><name>Bea</name></participant>',
    );
    expect(participants).toEqual([{ id: 'p', aor: 'sip:a@example.org', name: 'Bea' }]);
  });

  it.each([
    ['a byte order mark and line breaks before the declaration', '\uFEFF\r\n\r\n<?xml version="1.0"?>'],
    ['single quotes and standalone', "<?xml version='1.0' encoding='UTF-8' standalone='yes'?>"],
    ['a comment', '<!-- a --><?target data?>'],
  ])('is well-formed with %s', (_what, prolog) => {
    const { metadata, warnings } = read(
      `${prolog}<r:recording xmlns:r="urn:x"><r:stream id="m"><r:label><![CDATA[ 1 ]]></r:label></r:stream></r:recording>\r\n\0`,
    );
    expect(metadata.streams).toEqual([{ id: 'm', label: '1' }]);
    expect(warnings).toEqual([]);
  });

  it('is well-formed when a vendor prefix was never declared', () => {
    const { metadata, warnings } = read(
      '<recording><stream id="m"/><extensiondata><ac:ucid>1</ac:ucid></extensiondata></recording>',
    );
    expect([metadata.streams.length, warnings]).toEqual([1, []]);
  });

  it('decodes Latin-1 when it says so and UTF-16 by its mark', () => {
    const xml =
      '<?xml version="1.0" encoding="ISO-8859-1"?><recording><participant id="p"><name>Zoé</name></participant></recording>';
    expect(readMetadata(Buffer.from(xml, 'latin1')).metadata.participants[0]?.name).toBe('Zoé');
    expect(readMetadata(Buffer.from(`\uFEFF${xml}`, 'utf16le')).metadata.participants[0]?.name).toBe('Zoé');
  });

  it('is recognised by its root element', () => {
    expect(looksLikeMetadata(Buffer.from('<?xml version="1.0"?>\n<tns:recording xmlns:tns="x">'))).toBe(true);
    expect(looksLikeMetadata(Buffer.from('<recording_metadata>'))).toBe(true);
    expect(looksLikeMetadata(Buffer.from('<recordings/>'))).toBe(false);
    expect(looksLikeMetadata(Buffer.from('v=0'))).toBe(false);
  });
});
