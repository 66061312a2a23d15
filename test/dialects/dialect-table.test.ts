import { describe, expect, it } from 'vitest';
import { DIALECTS } from '../../src/sip/dialects.js';
import { maskedInvite } from '../../src/sip/invite-copy.js';
import { readFirstOffer } from '../../src/sip/rs-offer.js';
import { fixture, fixtureExpectation, fixtureNames, requestView } from '../helpers/siprec-fixture.js';

describe('the dialect table', () => {
  it('has each name once, and every dialect of it has a written call', () => {
    const names = DIALECTS.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    const played = new Set(fixtureNames.map((name) => Object(fixtureExpectation(name)).dialect));
    expect(names.filter((name) => !played.has(name) && name !== 'draft')).toEqual([]);
  });

  it('names no warning and no attribute that none of the written calls of a dialect has', () => {
    const seen = new Map<string, Set<string>>();
    for (const name of fixtureNames.filter((one) => Object(fixtureExpectation(one)).dialect)) {
      const { dialect, warnings, attributes } = readFirstOffer(fixture(name)).offer;
      const known = seen.get(dialect ?? '') ?? new Set();
      for (const told of [...warnings.map(({ code }) => code), ...Object.keys(attributes ?? {})]) known.add(told);
      seen.set(dialect ?? '', known);
    }
    const unseen = DIALECTS.filter(({ name }) => name !== 'draft').flatMap(({ name, quirks, attributes }) =>
      [...quirks, ...attributes].filter((told) => !seen.get(name)?.has(told)).map((told) => `${name}: ${told}`),
    );
    expect(unseen).toEqual([]);
  });

  it('calls metadata of the drafts by nobody known so, and RFC 7866 nothing', () => {
    const xml = '<recording xmlns="urn:ietf:params:xml:ns:recording"><participant id="p"/></recording>';
    const view = requestView({ headers: { 'content-type': ['application/rs-metadata'] }, body: xml });
    expect(readFirstOffer(view).offer.dialect).toBe('draft');
    expect(readFirstOffer(fixture('rfc7866-two-legs')).offer.dialect).toBeUndefined();
  });
});

describe('call attributes', () => {
  it('B16: E17: are only those that the policy allows', () => {
    const read = (attributes?: string[]) =>
      readFirstOffer(fixture('oracle-hold-resume'), attributes === undefined ? {} : { attributes }).offer.attributes;
    expect(Object.keys(read() ?? {})).toEqual(expect.arrayContaining(['ucid', 'x-acme-call-id', 'user-to-user']));
    expect(read(['UCID'])).toEqual({ ucid: ['0001000200030004'] });
    expect(read([])).toBeUndefined();
  });

  it('are bounded in names, values and lengths', () => {
    const lines = Array.from({ length: 500 }, (_, i) => `X-H${i}: v`);
    const headers = Object.fromEntries(
      lines.map((_, i) => [`x-h${i}`, Array.from({ length: 20 }, (_v, n) => `${n}`.repeat(2000))]),
    );
    const view = requestView({ headers, raw: Buffer.from(`INVITE sip:a SIP/2.0\r\n${lines.join('\r\n')}\r\n\r\n`) });
    const found = Object.values(readFirstOffer(view).offer.attributes ?? {});
    expect(found.length).toBeLessThanOrEqual(64);
    expect(Math.max(...found.map((values) => values.length))).toBeLessThanOrEqual(8);
    expect(Math.max(...found.flat().map((value) => value.length))).toBeLessThanOrEqual(1024);
  });
});

describe('the copy of the first INVITE', () => {
  const written = Buffer.from(
    'INVITE sip:a SIP/2.0\r\nAuthorization: Digest username="u",\r\n response="secret"\r\nFrom: <sip:a@b>\r\n\r\nv=0\r\nk=clear:hidden\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:KEYKEYKEY\r\na=ssrc:77 cname:me\r\na=label:1\r\n',
  );

  it('G6: has no key and no credential in it, and its length is true', () => {
    const before = written.toString();
    const copy = Buffer.from(maskedInvite(written)).toString();
    expect(copy).toHaveLength(before.length);
    expect(copy).not.toMatch(/secret|username|hidden|KEYKEY|cname/);
    expect(copy).toMatch(/From: <sip:a@b>\r\n/);
    expect(copy).toMatch(/a=label:1/);
    expect(written.toString()).toBe(before);
  });

  const parted = (headers: string, content: string): Buffer =>
    Buffer.from(
      `INVITE sip:a SIP/2.0\r\nContent-Type: multipart/mixed;boundary=b\r\n\r\n--b\r\nContent-Type: application/sdp\r\n${headers}\r\n\r\n${content}\r\n--b\r\nContent-Type: text/plain\r\n\r\nplain words\r\n--b--\r\n`,
    );
  const encoded = Buffer.from('v=0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:KEYKEYKEY').toString('base64');
  const short = encoded.replace(/.{12}/g, '$&\r\n');

  it.each([
    ['base64 of short lines', 'Content-Transfer-Encoding: base64', short],
    ['base64 whose header is folded', 'Content-Transfer-Encoding:\r\n base64', short],
    ['base64 with a short last line', 'content-transfer-encoding : BASE64', encoded],
    ['quoted-printable', 'Content-Transfer-Encoding: quoted-printable', 'a=3Dcrypto:1 inline:KEYKEYKEY'],
    ['an encoding that is named twice', 'Content-Transfer-Encoding: 8bit\r\nContent-Transfer-Encoding: base64', short],
    ['another content encoding', 'Content-Encoding: gzip', 'KEYKEYKEY'],
    ['a line that is no header before the encoding', 'no header\r\nContent-Transfer-Encoding: base64', short],
  ])('shows nothing of a part in %s', (_name, headers, content) => {
    const written = parted(headers, content);
    const copy = Buffer.from(maskedInvite(written)).toString();
    expect(copy).toHaveLength(written.length);
    for (const line of content.split('\r\n')) expect(copy).not.toContain(line);
  });

  it('shows the parts beside an encoded one', () => {
    const copy = Buffer.from(maskedInvite(parted('Content-Transfer-Encoding: base64', short))).toString();
    expect(copy).toContain('\r\n--b\r\nContent-Type: text/plain\r\n\r\nplain words\r\n--b--\r\n');
    expect(Buffer.from(maskedInvite(parted('Content-Transfer-Encoding: 8bit', 'a=label:1'))).toString()).toContain(
      'label',
    );
  });

  it('shows nothing of a body that is encoded whole, or whose parts cannot be found', () => {
    const whole = `INVITE sip:a SIP/2.0\r\nContent-Type: application/sdp\r\nContent-Transfer-Encoding: base64\r\n\r\n${short}`;
    expect(Buffer.from(maskedInvite(Buffer.from(whole))).toString()).not.toContain(short.slice(0, 12));
    const lost = parted('Content-Transfer-Encoding: base64', short).toString().replace('boundary=b', 'boundary=c');
    const broken = lost.replaceAll('--b', '- b');
    for (const text of [lost, broken]) {
      expect(Buffer.from(maskedInvite(Buffer.from(text))).toString()).not.toContain(short.slice(0, 12));
    }
  });

  it('shows no password of ICE', () => {
    const written = Buffer.from(
      'INVITE sip:a SIP/2.0\r\n\r\nv=0\r\na=ice-pwd:hiddenhidden\r\n a=ICE-PWD:hiddentoo\r\n',
    );
    expect(Buffer.from(maskedInvite(written)).toString()).not.toContain('hidden');
  });

  it('is made only when it is wanted, and has 64 KiB at most', () => {
    expect(readFirstOffer(fixture('rfc7866-two-legs')).offer.invite).toBeUndefined();
    expect(readFirstOffer(fixture('rfc7866-two-legs'), { keepInvite: true }).offer.invite).toBeDefined();
    expect(maskedInvite(new Uint8Array(100_000))).toHaveLength(65_536);
  });
});
