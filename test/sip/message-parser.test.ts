import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SrsError } from '../../src/core/errors.js';
import { parseCSeq } from '../../src/sip/cseq.js';
import {
  headerValue,
  headerValues,
  parseSipMessage,
  readSipMessage,
  type SipRequest,
  serializeSipMessage,
} from '../../src/sip/message.js';
import { parseNameAddress, tagOf } from '../../src/sip/name-address.js';
import { parseUri } from '../../src/sip/uri.js';
import { parseVia, stampVia } from '../../src/sip/via.js';

const bytes = (text: string): Uint8Array => Buffer.from(text);
const request = (text: string): SipRequest => {
  const message = parseSipMessage(bytes(text));
  if (message.kind !== 'request') throw new Error('not a request');
  return message;
};
const codeOf = (action: () => unknown): string => {
  try {
    action();
  } catch (error) {
    return error instanceof SrsError ? error.code : String(error);
  }
  return 'none';
};

describe('the SIP parser', () => {
  it('reads a plain request and its body by bytes', () => {
    const message = request('INVITE sip:srs@h SIP/2.0\r\nCall-ID: a\r\nContent-Length: 4\r\n\r\n\u00e9ab');
    expect(message).toMatchObject({ method: 'INVITE', uri: 'sip:srs@h' });
    expect(Buffer.from(message.body).toString()).toBe('\u00e9ab');
  });

  it('reads a response with an empty or a long phrase', () => {
    expect(parseSipMessage(bytes('SIP/2.0 200\r\n\r\n'))).toMatchObject({ status: 200, reason: '' });
    expect(parseSipMessage(bytes('sip/2.0 183 Session Progress\r\n\r\n'))).toMatchObject({
      status: 183,
      reason: 'Session Progress',
    });
  });

  it('reads compact names, any case, folding, blanks around the colon and LF alone', () => {
    const text =
      '\r\n\nOPTIONS sip:h SIP/2.0\nv:SIP/2.0/UDP a;branch=z9hG4bK1\nCALL-id  \t:  x y \nf:\n  "A,B"\n\t<sip:a@h>;tag=1 \nX-Odd: 1\nl : 0\n\n';
    const message = request(text);
    expect(headerValue(message, 'Via')).toBe('SIP/2.0/UDP a;branch=z9hG4bK1');
    expect(headerValue(message, 'i')).toBe('x y');
    expect(headerValue(message, 'from')).toBe('"A,B" <sip:a@h>;tag=1');
    expect(headerValue(message, 'x-odd')).toBe('1');
    expect(message.body).toHaveLength(0);
  });

  it('splits list headers at the commas that separate, and leaves others whole', () => {
    const message = request(
      'INVITE sip:h SIP/2.0\r\nRoute: "a, \\"b" <sip:a;x=1,2>, <sip:b>\r\nRoute: <sip:c>,\r\nSubject: a, b\r\n\r\n',
    );
    expect(headerValues(message, 'route')).toEqual(['"a, \\"b" <sip:a;x=1,2>', '<sip:b>', '<sip:c>']);
    expect(headerValues(message, 'subject')).toEqual(['a, b']);
  });

  it('takes the rest of a datagram when Content-Length is missing, and drops what is beyond it', () => {
    expect(request('INFO sip:h SIP/2.0\r\n\r\nabc').body).toHaveLength(3);
    expect(request('INFO sip:h SIP/2.0\r\nl: 1\r\n\r\nabc').body).toHaveLength(1);
  });

  it('ignores lines without a colon and keeps names in UTF-8 or Latin-1', () => {
    const text = 'INFO sip:h SIP/2.0\r\ngarbage\r\n: x\r\nFrom: "J\u00f6rg" <sip:j@h>\r\n\r\n';
    expect(headerValue(request(text), 'from')).toBe('"J\u00f6rg" <sip:j@h>');
    const latin = parseSipMessage(Buffer.from(text, 'latin1'));
    expect(headerValue(latin, 'from')).toBe('"J\u00f6rg" <sip:j@h>');
  });

  it.each([
    ['nothing', ''],
    ['blank lines', '\r\n'.repeat(20_000)],
    ['no version', 'INVITE sip:h\r\n\r\n'],
    ['a blank in the URI', 'INVITE sip:a b@h SIP/2.0\r\n\r\n'],
    ['a URI in brackets', 'INVITE <sip:h> SIP/2.0\r\n\r\n'],
    ['a status of four digits', 'SIP/2.0 2000 OK\r\n\r\n'],
    ['no blank line', 'INFO sip:h SIP/2.0\r\nCall-ID: a\r\n'],
    ['a negative length', 'INFO sip:h SIP/2.0\r\nl: -1\r\n\r\n'],
    ['two lengths', 'INFO sip:h SIP/2.0\r\nl: 1\r\nl: 2\r\n\r\nab'],
    ['a body that is too short', 'INFO sip:h SIP/2.0\r\nl: 5\r\n\r\nab'],
  ])('refuses %s as malformed', (_what, text) => {
    expect(codeOf(() => parseSipMessage(bytes(text)))).toBe('SRS_SIP_MALFORMED');
  });

  it('refuses what is over a limit', () => {
    const many = `INFO sip:h SIP/2.0\r\n${'a: b\r\n'.repeat(300)}\r\n`;
    expect(codeOf(() => parseSipMessage(bytes(many)))).toBe('SRS_SIP_TOO_LARGE');
    const wide = `INFO sip:h SIP/2.0\r\na: ${'b'.repeat(50_000)}\r\n\r\n`;
    expect(codeOf(() => parseSipMessage(bytes(wide)))).toBe('SRS_SIP_TOO_LARGE');
    expect(codeOf(() => parseSipMessage(new Uint8Array(65_536)))).toBe('SRS_SIP_TOO_LARGE');
  });

  it('keeps what a refusal can be addressed with, and says 505 for another version', () => {
    const reading = readSipMessage(bytes('INVITE sip:h SIP/7.0\r\nCall-ID: a\r\n\r\n'));
    if (!('error' in reading)) throw new Error('it was read');
    expect(reading.partial?.headers).toEqual([{ name: 'call-id', value: 'a' }]);
    expect(reading.error.facts.status).toBe(505);
  });

  it('never throws anything but its own errors', () => {
    const letters = fc.constantFrom(...'INVITE sip:SIP/2.0\r\n\t :;,"<>=@lv0123456789\u00ff\\');
    fc.assert(
      fc.property(fc.string({ unit: letters, maxLength: 400 }), (text) => {
        expect(['none', 'SRS_SIP_MALFORMED']).toContain(codeOf(() => parseSipMessage(bytes(text))));
        for (const parse of [parseVia, parseUri, parseNameAddress, parseCSeq]) {
          expect(['none', 'SRS_SIP_MALFORMED']).toContain(codeOf(() => parse(text)));
        }
      }),
      { seed: 7, numRuns: 2_000 },
    );
  });

  it('takes linear time on hostile repetition', () => {
    const started = performance.now();
    for (const unit of [',', '\t', '"', '<', ';a', ' ;', 'a\n ', '@', ':', '\r', '\n\r']) {
      const text = unit.repeat(Math.floor(40_000 / unit.length));
      const head = `INVITE sip:h SIP/2.0\r\nVia: SIP/2.0/UDP ${text}\r\nRoute: ${text}\r\n\r\n`;
      codeOf(() => {
        const message = parseSipMessage(bytes(head.slice(0, 65_000)), { ...LIMITS });
        for (const name of ['via', 'route']) headerValues(message, name);
        parseVia(headerValue(message, 'via') ?? '');
      });
      for (const parse of [parseVia, parseUri, parseNameAddress, parseCSeq, tagOf]) codeOf(() => parse(text));
    }
    expect(performance.now() - started).toBeLessThan(3_000);
  });
});

const LIMITS = { maxMessageBytes: 65_535, maxHeadBytes: 65_535, maxHeaders: 100_000, maxUriBytes: 8_192 };

describe('the SIP writer', () => {
  const base: SipRequest = { kind: 'request', method: 'BYE', uri: 'sip:h', headers: [], body: new Uint8Array(0) };

  it('writes names as RFCs do and counts the body itself', () => {
    const headers = [
      { name: 'call-id', value: 'a' },
      { name: 'x-my-own', value: 'b' },
      { name: 'content-length', value: '999' },
    ];
    const text = Buffer.from(serializeSipMessage({ ...base, headers, body: bytes('\u00e9') })).toString();
    expect(text).toBe('BYE sip:h SIP/2.0\r\nCall-ID: a\r\nX-My-Own: b\r\nContent-Length: 2\r\n\r\n\u00e9');
  });

  it('refuses a line break anywhere', () => {
    for (const broken of [
      { ...base, uri: 'sip:h\r\nX: y' },
      { ...base, headers: [{ name: 'to', value: 'a\nb' }] },
      { ...base, headers: [{ name: 'to\r\nx', value: 'a' }] },
    ]) {
      expect(codeOf(() => serializeSipMessage(broken))).toBe('SRS_SIP_MALFORMED');
    }
  });

  it('gives back what was parsed', () => {
    const word = fc.string({ unit: fc.constantFrom(...'abcXYZ019-._~'), minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(fc.array(fc.tuple(word, word)), fc.uint8Array({ maxLength: 50 }), (pairs, body) => {
        const headers = pairs.map(([name, value]) => ({ name: `x-${name.toLowerCase()}`, value }));
        const parsed = parseSipMessage(serializeSipMessage({ ...base, headers, body }));
        expect(parsed.headers.slice(0, -1)).toEqual(headers);
        expect(Buffer.from(parsed.body).equals(Buffer.from(body))).toBe(true);
      }),
      { seed: 11, numRuns: 300 },
    );
  });
});

describe('addresses', () => {
  it('reads name-addr with quotes, brackets and parameters', () => {
    const address = parseNameAddress('"A \\"B\\" <x>" <sip:a@h;lr>;tag=1; +sip.src ;q="a;b"');
    expect(address).toMatchObject({ displayName: 'A "B" <x>', uri: 'sip:a@h;lr' });
    expect([...address.params]).toEqual([
      ['tag', '1'],
      ['+sip.src', ''],
      ['q', 'a;b'],
    ]);
    expect(parseNameAddress('sip:a@h;tag=2').params.get('tag')).toBe('2');
    expect(codeOf(() => parseNameAddress('"open <sip:a@h>'))).toBe('SRS_SIP_MALFORMED');
    expect(codeOf(() => parseNameAddress('<sip:a@h'))).toBe('SRS_SIP_MALFORMED');
  });

  it('reads URIs with odd users, IPv6 and parameters', () => {
    expect(parseUri('sip:a;b=c@[2001:db8::1]:5080;transport=TCP?x=y')).toMatchObject({
      user: 'a;b=c',
      host: '2001:db8::1',
      port: 5080,
    });
    expect(parseUri('SIPS:h').port).toBeUndefined();
    for (const bad of ['tel:1', 'sip:', 'sip:a@', 'sip:h:0', 'sip:h:70000', 'sip:h h']) {
      expect(codeOf(() => parseUri(bad))).toBe('SRS_SIP_MALFORMED');
    }
  });

  it('reads and stamps Via', () => {
    const text = 'SIP / 2.0 / udp  [::1] : 5070 ; branch=z9hG4bKx ; rport';
    const via = parseVia(text);
    expect(via).toMatchObject({ transport: 'UDP', host: '::1', port: 5070, branch: 'z9hG4bKx' });
    expect(stampVia(text, via, { address: '::1', port: 9 })).toContain(';rport=9;received=::1');
    const spoofed = 'SIP/2.0/UDP h;received=6.6.6.6;branch=z9hG4bKx';
    expect(stampVia(spoofed, parseVia(spoofed), { address: '10.0.0.1', port: 9 })).toBe(
      'SIP/2.0/UDP h;branch=z9hG4bKx;received=10.0.0.1',
    );
  });
});
