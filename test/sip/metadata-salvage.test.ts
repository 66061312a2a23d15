import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readMetadata } from '../../src/sip/metadata-xml.js';
import { fixture, fixtureNames } from '../helpers/siprec-fixture.js';

const GOOD = `<?xml version="1.0"?>
<recording xmlns="urn:ietf:params:xml:ns:recording:1">
<participant participant_id="p1"><nameID aor="sip:a@example.org"><name>Ana</name></nameID></participant>
<participant participant_id="p2"><nameID aor="sip:b@example.org"><name>Ben</name></nameID></participant>
<stream stream_id="m1" session_id="s"><label>1</label></stream>
<stream stream_id="m2" session_id="s"><label>2</label></stream>
<participantstreamassoc participant_id="p1"><send>m1</send></participantstreamassoc>
<participantstreamassoc participant_id="p2"><send>m2</send></participantstreamassoc>
</recording>`;

const ALL = {
  participants: [
    { id: 'p1', aor: 'sip:a@example.org', name: 'Ana' },
    { id: 'p2', aor: 'sip:b@example.org', name: 'Ben' },
  ],
  streams: [
    { id: 'm1', label: '1', sessionId: 's' },
    { id: 'm2', label: '2', sessionId: 's' },
  ],
  associations: [
    { participantId: 'p1', send: ['m1'], receive: [] },
    { participantId: 'p2', send: ['m2'], receive: [] },
  ],
};

const EXTENSION = '<extensiondata xmlns:x="urn:x">';

describe('metadata that is not well-formed', () => {
  it.each([
    [
      'raw angle brackets around an address',
      GOOD.replace('<stream stream_id="m1"', `${EXTENSION}<x:uri><sip:a@h:5060;user=phone></x:uri></extensiondata>$&`),
    ],
    [
      'an address that reads like a tag',
      GOOD.replace('<stream stream_id="m1"', `${EXTENSION}<x:uri><sip:host></x:uri></extensiondata>$&`),
    ],
    ['attributes without quotes', GOOD.replaceAll(/_id="(\w+)"/g, '_id=$1')],
    ['a lost end tag of a participant', GOOD.replace('</nameID></participant>', '</nameID>')],
    ['a lost end tag of a name', GOOD.replace('Ana</name>', 'Ana')],
    ['a wrong end tag', GOOD.replace('</label>', '</lable>')],
    ['an unknown entity', GOOD.replace('</recording>', '&nbsp;</recording>')],
    ['a raw ampersand', GOOD.replace('<stream stream_id="m1"', `${EXTENSION}<x:a>A & B</x:a></extensiondata>$&`)],
    ['a repeated attribute', GOOD.replace('session_id="s"', 'session_id="s" session_id="t"')],
    ['text after the root', `${GOOD}\r\n--boundary`],
    ['two roots', `${GOOD}<other/>`],
    ['a declaration in the wrong place', `<a/>${GOOD}`],
    ['no end', GOOD.replace('</recording>', '')],
    ['control characters', GOOD.replace('</recording>', '\u0001</recording>')],
    ['a DOCTYPE', GOOD.replace('?>', '?><!DOCTYPE recording SYSTEM "file:///etc/passwd">')],
    ['entities of its own', GOOD.replace('?>', '?><!DOCTYPE r [<!ENTITY a "x"><!ENTITY b "&a;&a;">]>')],
  ])('is salvaged in full with %s', (_what, xml) => {
    const { metadata, warnings } = readMetadata(Buffer.from(xml));
    const { participants, streams, associations } = metadata;
    expect({ participants, streams, associations }).toEqual(ALL);
    expect(warnings).toEqual([{ code: 'metadata_malformed', detail: expect.any(String) }]);
    expect(metadata.raw).toContain('<participant ');
  });

  it('counts as partial, because what it lacks may have been lost on the way', () => {
    expect(readMetadata(Buffer.from(GOOD.slice(0, 200))).metadata.mode).toBe('partial');
  });

  it('keeps the participants that were complete when it stops in the middle', () => {
    const { participants } = readMetadata(Buffer.from(GOOD.slice(0, GOOD.indexOf('<stream')))).metadata;
    expect(participants).toEqual(ALL.participants);
  });

  it('is not expanded: an entity bomb stays small and quick', () => {
    const levels = Array.from({ length: 20 }, (_, i) => `<!ENTITY e${i + 1} "${`&e${i};`.repeat(10)}">`).join('');
    const xml = `<!DOCTYPE r [<!ENTITY e0 "lol">${levels}]><recording><participant id="p"><name>&e20;</name></participant></recording>`;
    const { metadata } = readMetadata(Buffer.from(xml));
    expect(metadata.participants).toEqual([{ id: 'p', name: '&e20;' }]);
  });

  it.each([
    ['10 MB of text', `<recording>${'x'.repeat(10_000_000)}</recording>`],
    ['10 MB of elements', `<recording>${'<participant id="p"/>'.repeat(500_000)}</recording>`],
    ['depth 1,000', '<a>'.repeat(1000) + '</a>'.repeat(1000)],
    ['depth 100,000 without ends', '<recording>'.repeat(100_000)],
    ['100,000 attributes', `<recording ${'a="b" '.repeat(40_000)}/>`],
    ['open quotes', `<recording ${'a="'.repeat(80_000)}`],
    ['open angle brackets', '<'.repeat(250_000)],
    ['end tags only', '</a>'.repeat(60_000)],
    ['open comments', '<!--'.repeat(60_000)],
    ['declarations', `${'<!a>'.repeat(60_000)}&`],
    ['open declarations', '<![x'.repeat(60_000)],
    ['nested lost participants', '<participant id="p"><b>'.repeat(11_000)],
  ])('takes bounded time and memory: %s', (_what, xml) => {
    const before = performance.now();
    const { metadata } = readMetadata(Buffer.from(xml));
    expect(metadata.participants.length).toBeLessThanOrEqual(256);
    expect(metadata.raw.length).toBeLessThanOrEqual(262_144);
    expect(performance.now() - before).toBeLessThan(4000);
  });

  it('is told of once, however many rules it breaks', () => {
    const twice = `<recordings>${GOOD.replace('<?xml version="1.0"?>', '')}<recording/></recordings`;
    expect(readMetadata(Buffer.from(twice)).warnings).toEqual([
      { code: 'metadata_malformed', detail: 'not well-formed, several recording elements' },
    ]);
  });

  it('never throws, whatever is cut out of a real document or put into it', () => {
    const document = fixtureNames
      .map((name) => fixture(name).body)
      .map((body) => Buffer.from(body).toString())
      .filter((body) => body.includes('<'))
      .map((body) => body.slice(body.indexOf('<')));
    const junk = fc.constantFrom(
      '<',
      '>',
      '"',
      "'",
      '&',
      '/',
      '</',
      '<![CDATA[',
      ']]>',
      '<!--',
      '\0',
      '=',
      '<sip:x>',
      '\uD800',
    );
    fc.assert(
      fc.property(
        fc.constantFrom(...document),
        fc.array(fc.tuple(fc.nat(4000), fc.nat(40), junk), { maxLength: 6 }),
        (text, edits) => {
          let xml = text;
          for (const [at, length, insert] of edits) {
            const position = at % (xml.length + 1);
            xml = xml.slice(0, position) + insert + xml.slice(position + length);
          }
          const { metadata, warnings } = readMetadata(Buffer.from(xml));
          expect(metadata.participants.length).toBeLessThanOrEqual(256);
          const codes = warnings.map(({ code }) => code);
          expect(codes).toEqual([...new Set(codes)]);
          expect(['metadata_malformed', 'metadata_id_repeated']).toEqual(expect.arrayContaining(codes));
        },
      ),
      { numRuns: 500 },
    );
  });
});
