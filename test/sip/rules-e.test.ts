import { describe, expect, it } from 'vitest';
import { readMetadata } from '../../src/sip/metadata-xml.js';

const name = (xml: string): string | undefined => readMetadata(Buffer.from(xml)).metadata.participants[0]?.name;
const named = (text: string): string =>
  `<recording xmlns="urn:ietf:params:xml:ns:recording:1"><participant participant_id="p"><nameID aor="sip:p@h"><name>${text}</name></nameID></participant></recording>`;

describe('odd but legal XML', () => {
  it.each([
    ['entities of XML', '&quot;A&amp;B&quot; &lt;x&gt; O&apos;Brien', `"A&B" <x> O'Brien`],
    ['characters by number', '&#90;o&#xe9;', 'Zoé'],
    ['CDATA beside text', 'A <![CDATA[& B]]>', 'A & B'],
    ['a comment in a name', 'An<!-- x -->a', 'Ana'],
    ['a name over several lines', '\r\n   Ana\r\n   Maria\r\n', 'Ana Maria'],
  ])('E23: is read: %s', (_what, text, expected) => {
    expect(name(named(text))?.replace(/\s+/g, ' ').trim()).toBe(expected);
    expect(readMetadata(Buffer.from(named(text))).warnings).toEqual([]);
  });

  it('E23: is read with another default namespace on every child', () => {
    const xml = named('Ana').replace('<participant ', '<participant xmlns="urn:ietf:params:xml:ns:recording:1" ');
    expect(name(xml.replace('<nameID ', '<nameID xmlns="" '))).toBe('Ana');
  });
});
