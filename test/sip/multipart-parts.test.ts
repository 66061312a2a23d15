import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SrsError } from '../../src/core/errors.js';
import { parseMediaType } from '../../src/sip/media-type.js';
import { type MultipartBody, splitMultipart } from '../../src/sip/multipart.js';

const mixed = (boundary: string): ReturnType<typeof parseMediaType> =>
  parseMediaType(`multipart/mixed; boundary=${boundary}`);

function split(text: string, boundary = 'b'): MultipartBody {
  return splitMultipart(Buffer.from(text), mixed(boundary));
}

const texts = (body: MultipartBody): string[] => body.parts.map((part) => Buffer.from(part.content).toString());

describe('the multipart splitter', () => {
  it('C2: gives each part its bytes without the line break that belongs to the boundary', () => {
    const body = split('--b\r\nContent-Type: a/b\r\n\r\none\r\n\r\n--b\r\n\r\ntwo\r\n--b--\r\n');
    expect(texts(body)).toEqual(['one\r\n', 'two']);
    expect(body.intact).toBe(true);
    expect(body.parts.map((part) => part.type.value)).toEqual(['a/b', '']);
  });

  it('C2: takes a quoted boundary with blanks in it', () => {
    expect(texts(split('--x y\n\none\n--x y--', '"x y"'))).toEqual(['one']);
  });

  it('C2: ignores preamble, epilogue and trailing blanks after boundary lines', () => {
    const body = split('hello --b\r\n--b \t\r\n\r\none\r\n--b-- \r\n--b\r\n\r\nepilogue\r\n');
    expect(texts(body)).toEqual(['one']);
  });

  it('C2: does not take a boundary that only begins a longer line, nor one in the middle of a line', () => {
    expect(texts(split('--b\n\none --b\n--bc\n--b--'))).toEqual(['one --b\n--bc']);
  });

  it('C3: keeps bare LF as it is', () => {
    expect(texts(split('--b\nContent-Type: application/sdp\n\nv=0\ns=-\n--b--\n'))).toEqual(['v=0\ns=-']);
  });

  it('C3: takes a last part without closing boundary and says that the body is not intact', () => {
    const body = split('--b\r\n\r\none\r\n--b\r\n\r\ntwo\r\n');
    expect(texts(body)).toEqual(['one', 'two\r\n']);
    expect(body.intact).toBe(false);
  });

  it('C3: does not count a closing boundary that was cut short as content', () => {
    expect(texts(split('--bound\r\n\r\none\r\n--bou', 'bound'))).toEqual(['one']);
  });

  it('C3: finds the content when the blank line after the part headers is missing (RFC 8068 §3.2.4)', () => {
    const body = split(
      '--b\nContent-Type: application/sdp\nv=0\ns=-\n--b\nContent-Type: x/y\n<?xml version="1.0"?><a/>\n--b--',
    );
    expect(texts(body)).toEqual(['v=0\ns=-', '<?xml version="1.0"?><a/>']);
    expect(body.parts.map((part) => part.type.value)).toEqual(['application/sdp', 'x/y']);
  });

  it('joins folded part headers and takes blanks around the colon', () => {
    const [part] = split(
      '--b\r\nContent-Disposition :recording-session;\r\n  handling=optional\r\n\r\nx\r\n--b--',
    ).parts;
    expect(part?.headers.get('content-disposition')).toBe('recording-session; handling=optional');
  });

  it('ignores a Content-Length inside a part, whatever it says', () => {
    expect(texts(split('--b\r\nContent-Length: 1\r\n\r\nabc\r\n--b--'))).toEqual(['abc']);
  });

  it('C1: splits nested multiparts', () => {
    const inner = '--i\r\n\r\none\r\n--i\r\n\r\ntwo\r\n--i--';
    const body = split(`--b\r\nContent-Type: multipart/alternative; boundary=i\r\n\r\n${inner}\r\n--b--`);
    expect(body.parts[0]?.parts.map((part) => Buffer.from(part.content).toString())).toEqual(['one', 'two']);
  });

  it('uses the boundary that is there when the header names another or none', () => {
    const body = split('--real\r\n\r\none\r\n--real--', 'claimed');
    expect(texts(body)).toEqual(['one']);
    expect(body.intact).toBe(false);
  });

  it('C11: refuses 33 parts, 5 levels and a body without any boundary', () => {
    const code = (action: () => unknown): string | undefined => {
      try {
        action();
        return undefined;
      } catch (error) {
        return error instanceof SrsError ? error.code : String(error);
      }
    };
    expect(code(() => split(`${'--b\r\n\r\nx\r\n'.repeat(33)}--b--`))).toBe('SRS_SIP_TOO_LARGE');
    let nested = 'x';
    for (const i of [5, 4, 3, 2]) {
      nested = `--b${i}\r\nContent-Type: multipart/mixed;boundary=b${i + 1}\r\n\r\n${nested}\r\n--b${i}--`;
    }
    expect(code(() => split(`--b\r\nContent-Type: multipart/mixed;boundary=b2\r\n\r\n${nested}\r\n--b--`))).toBe(
      'SRS_SIP_TOO_LARGE',
    );
    expect(code(() => split('v=0\r\n'))).toBe('SRS_SIP_MALFORMED');
  });

  it('gives back what was joined, for any content and any line end', () => {
    const content = fc.uint8Array({ maxLength: 200 }).filter((bytes) => !Buffer.from(bytes).includes('--edge'));
    fc.assert(
      fc.property(fc.array(content, { minLength: 1, maxLength: 8 }), fc.constantFrom('\r\n', '\n'), (contents, eol) => {
        const pieces = contents.flatMap((bytes) => [
          Buffer.from(`--edge${eol}A: b${eol}${eol}`),
          Buffer.from(bytes),
          Buffer.from(eol),
        ]);
        const body = splitMultipart(Buffer.concat([...pieces, Buffer.from('--edge--')]), mixed('edge'));
        // With bare LF a trailing CR of the content cannot be told from the line break of the boundary.
        const expected = contents.map((bytes) => (eol === '\n' && bytes.at(-1) === 13 ? bytes.slice(0, -1) : bytes));
        expect(body.parts.map((part) => [...part.content])).toEqual(expected.map((bytes) => [...bytes]));
      }),
      { numRuns: 300 },
    );
  });
});

describe('a media type', () => {
  it('C5: is read whatever its case, quotes and blanks', () => {
    const type = parseMediaType('Multipart/Mixed ; Boundary = "a;\\"b" ;charset=UTF-8; flag');
    expect(type.value).toBe('multipart/mixed');
    expect([...type.parameters]).toEqual([
      ['boundary', 'a;"b'],
      ['charset', 'UTF-8'],
      ['flag', ''],
    ]);
  });
});
