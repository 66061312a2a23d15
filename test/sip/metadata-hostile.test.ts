import { describe, expect, it } from 'vitest';
import { readMetadata } from '../../src/sip/metadata-xml.js';

const PERSON =
  '<participant participant_id="p1"><nameID aor="sip:a@example.org"><name>Ana</name></nameID></participant>';
const STREAM = '<stream stream_id="m1"><label>1</label></stream>';
const LINK = '<participantstreamassoc participant_id="p1"><send>m1</send></participantstreamassoc>';
const BODY = PERSON + STREAM + LINK;
const GOOD = `<?xml version="1.0"?><recording xmlns="urn:x">${BODY}</recording>`;

describe('metadata in which much is wrong', () => {
  it.each([
    ['a declaration in upper case', GOOD.replace('<?xml', '<?XML')],
    ['a declaration that never ends well', GOOD.replace('?>', '>')],
    ['two declarations', `<?xml version="1.0"?>${GOOD}`],
    ['a version that does not exist', GOOD.replace('1.0', '9')],
    ['a comment with dashes inside', GOOD.replace(STREAM, `<!-- a -- b -->${STREAM}`)],
    ['a comment that is never closed', GOOD.replace('</recording>', '<!-- the rest')],
    ['CDATA that is never closed', GOOD.replace('</recording>', '<![CDATA[ the rest')],
    ['an attribute without a value', GOOD.replace('<stream ', '<stream active ')],
    ['attributes without space between', GOOD.replace('<stream ', '<stream a="1"b="2" ')],
    ['an attribute in typographic quotes', GOOD.replace('<stream ', '<stream a=“1” ')],
    ['a raw < in an attribute', GOOD.replace('<recording ', '<recording note="a<b" ')],
    ['space before the name of a tag', GOOD.replace(LINK, `< recv>${LINK}`)],
    ['a tag without a name', GOOD.replace(LINK, `<>${LINK}</>`)],
    ['an end tag of nothing', GOOD.replace(LINK, `</session>${LINK}`)],
    ['overlapping elements', GOOD.replace(LINK, `<a><b></a></b>${LINK}`)],
    ['a null character in the middle', GOOD.replace(LINK, `\0${LINK}`)],
    ['a character reference that is no character', GOOD.replace(LINK, `&#0;&#x110000;${LINK}`)],
    ['an entity that never ends', GOOD.replace(LINK, `&amp${LINK}`)],
    [
      'an external entity',
      GOOD.replace('?>', '?><!DOCTYPE r [<!ENTITY e SYSTEM "file:///etc/passwd">]>').replace(LINK, `&e;${LINK}`),
    ],
    ['a parameter entity', GOOD.replace('?>', '?><!DOCTYPE r [<!ENTITY % p SYSTEM "http://192.0.2.1/">%p;]>')],
    ['words before the root', `metadata follows ${GOOD}`],
    ['no root', BODY],
    ['a namespace prefix that is reserved', GOOD.replace('<recording ', '<recording xmlns:xml="urn:wrong" ')],
    ['a name with two colons', GOOD.replace(LINK, `<a:b:c/>${LINK}`)],
  ])('is still read with %s', (_what, xml) => {
    const { metadata, warnings } = readMetadata(Buffer.from(xml));
    expect(metadata.participants[0]).toMatchObject({ id: 'p1', aor: 'sip:a@example.org', name: 'Ana' });
    expect(metadata.streams[0]).toMatchObject({ id: 'm1', label: '1' });
    expect(metadata.associations).toEqual([{ participantId: 'p1', send: ['m1'], receive: [] }]);
    expect(warnings.map(({ code }) => code)).toContain('metadata_malformed');
    expect(JSON.stringify(metadata.participants)).not.toContain('root:');
  });
});

/** Least CPU time of several runs, in ms: what else the machine does makes a run longer and never shorter. */
function leastMs(work: () => void): number {
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 7; i += 1) {
    const before = process.cpuUsage();
    work();
    const { user, system } = process.cpuUsage(before);
    least = Math.min(least, (user + system) / 1000);
  }
  return least;
}

describe('metadata that is made to be slow', () => {
  const SMALL = 4096;
  const TIMES = 16;

  it.each([
    [
      'entities that multiply',
      (n: number) =>
        `<!DOCTYPE r [<!ENTITY a "${'x'.repeat(100)}">${'<!ENTITY b "&a;&a;">'.repeat(n / 20)}]><r>&b;</r>`,
    ],
    ['one line of tags without end', (n: number) => '<a '.repeat(n / 3)],
    ['one line of quotes', (n: number) => `<a ${'b="'.repeat(n / 3)}`],
    ['one tag of spaces', (n: number) => `<a${' '.repeat(n)}`],
    ['one attribute name', (n: number) => `<a ${'b'.repeat(n)}`],
    ['attributes that repeat', (n: number) => `<a ${'b="1" '.repeat(n / 6)}/>`],
    ['comments that are not', (n: number) => '<!-'.repeat(n / 3)],
    ['declarations that are not', (n: number) => '<!['.repeat(n / 3)],
    ['ends without beginnings', (n: number) => '</a>'.repeat(n / 4)],
    ['nesting', (n: number) => '<a>'.repeat(n / 3)],
    ['participants one in another', (n: number) => '<participant id="p"><b>'.repeat(n / 23)],
    ['participants of one id', (n: number) => `<recording>${'<participant id="p"/>'.repeat(n / 21)}</recording>`],
    ['ampersands', (n: number) => `<a>${'&'.repeat(n)}</a>`],
    [
      'spaces in a value',
      (n: number) => `<recording><participant id="p"><name>${' '.repeat(n)}</name></participant></recording>`,
    ],
    ['extensions', (n: number) => `<recording>${'<x:a xmlns:x="u"><y/></x:a>'.repeat(n / 27)}</recording>`],
  ])('costs in proportion to its length with %s', (_what, make) => {
    const small = Buffer.from(make(SMALL));
    const large = Buffer.from(make(SMALL * TIMES));
    readMetadata(large);
    const base = Math.max(
      0.5,
      leastMs(() => readMetadata(small)),
    );
    // Sixteen times the length: quadratic work would take 256 times as long.
    expect(leastMs(() => readMetadata(large)) / base).toBeLessThan(TIMES * 5);
  });

  it('is read in one piece when an honest document is one line of 64 KB', () => {
    const people = Array.from(
      { length: 200 },
      (_, i) =>
        `<participant participant_id="p${i}">${'<nameID aor="sip:someone@example.org"><name>Somebody with a name</name></nameID>'.repeat(3)}</participant>`,
    );
    const xml = `<recording>${people.join('')}</recording>`;
    expect(xml.length).toBeGreaterThan(50_000);
    const { metadata, warnings } = readMetadata(Buffer.from(xml));
    expect([metadata.participants.length, warnings]).toEqual([200, []]);
  });
});
