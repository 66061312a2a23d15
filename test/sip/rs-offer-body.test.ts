import { describe, expect, it } from 'vitest';
import { SrsError } from '../../src/core/errors.js';
import { QUIET_WARNINGS } from '../../src/core/warning.js';
import { readFirstOffer, readRsOffer } from '../../src/sip/rs-offer.js';
import { altered, fixture, fixtureNames, requestView } from '../helpers/siprec-fixture.js';

const SDP =
  'v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 5004 RTP/AVP 0\r\na=sendonly\r\n';
const XML = '<recording><participant id="p"/></recording>';

function part(headers: string, content: string): string {
  return `--b\r\n${headers}\r\n\r\n${content}\r\n`;
}

const multipart = (...parts: string[]): ReturnType<typeof requestView> =>
  requestView({ headers: { 'content-type': ['multipart/mixed;boundary=b'] }, body: `${parts.join('')}--b--\r\n` });
const single = (
  type: string | undefined,
  body: string,
  more: Record<string, string[]> = {},
): ReturnType<typeof requestView> =>
  requestView({ headers: { ...(type === undefined ? {} : { 'content-type': [type] }), ...more }, body });

function codeOf(action: () => unknown): string | undefined {
  try {
    action();
    return undefined;
  } catch (error) {
    return error instanceof SrsError ? error.code : `not an SrsError: ${String(error)}`;
  }
}

describe('the body of a recording session', () => {
  it.each([
    ['plain SDP', 'application/sdp', SDP, true, false],
    ['SDP in upper case with a parameter', 'Application/SDP; charset=utf-8', SDP, true, false],
    ['plain metadata', 'application/rs-metadata', XML, false, true],
    ['metadata of RFC 9806', 'application/rs-metadata+xml', XML, false, true],
    ['metadata of a garbled type', 'application/ +xml', XML, false, true],
    ['metadata as XML', 'text/xml', XML, false, true],
    ['SDP without type', undefined, SDP, true, false],
    ['metadata without type', undefined, XML, false, true],
    ['multipart without type', undefined, `${part('Content-Type: application/sdp', SDP)}--b--`, true, false],
    ['SDP under a multipart type', 'multipart/mixed;boundary=b', SDP, true, false],
    ['nothing', undefined, '', false, false],
    ['line breaks under a type', 'application/sdp', '\r\n', false, false],
  ])('C5: C6: is read as %s', (_what, type, body, media, metadata) => {
    const offer = readRsOffer(single(type, body));
    expect([offer.media !== undefined, offer.metadata !== undefined]).toEqual([media, metadata]);
  });

  it('A10: ignores an optional part that it does not know and refuses a required one', () => {
    const known = part('Content-Type: application/sdp', SDP);
    const gtd = (handling: string): string =>
      part(`Content-Type: application/gtd\r\nContent-Disposition: signal${handling}`, 'IAM');
    expect(readRsOffer(multipart(known, gtd(';handling=optional'))).media?.streams).toHaveLength(1);
    expect(codeOf(() => readRsOffer(multipart(known, gtd(';handling=required'))))).toBe('SRS_SIP_MEDIA_TYPE');
    expect(codeOf(() => readRsOffer(multipart(known, gtd(''))))).toBe('SRS_SIP_MEDIA_TYPE');
    expect(codeOf(() => readRsOffer(single('application/isup', 'x')))).toBe('SRS_SIP_MEDIA_TYPE');
  });

  it('A9: refuses an encoding that it does not know, unless the part is optional', () => {
    expect(codeOf(() => readRsOffer(single('application/sdp', SDP, { 'content-encoding': ['gzip'] })))).toBe(
      'SRS_SIP_MEDIA_TYPE',
    );
    expect(readRsOffer(single('application/sdp', SDP, { 'content-encoding': ['identity'] })).media).toBeDefined();
    const zipped = part(
      'Content-Type: application/x\r\nContent-Encoding: gzip\r\nContent-Disposition: render;handling=optional',
      'x',
    );
    expect(readRsOffer(multipart(part('Content-Type: application/sdp', SDP), zipped)).media).toBeDefined();
  });

  it('C1: C9: takes the last alternative that it understands, and the first of two SDP parts with a warning', () => {
    const other = SDP.replace('5004', '6004');
    const alternatives = [
      part('Content-Type: application/sdp', SDP),
      part('Content-Type: application/sdp', other),
      part('Content-Type: a/b', 'x'),
    ];
    const best = single('multipart/alternative;boundary=b', `${alternatives.join('')}--b--`);
    expect(readRsOffer(best).media?.streams[0]?.port).toBe(6004);
    const twice = readRsOffer(multipart(...alternatives.slice(0, 2)));
    expect(twice.media?.streams[0]?.port).toBe(5004);
    expect(twice.warnings).toEqual([{ code: 'sdp_line_ignored', detail: 'second SDP part' }]);
  });

  it('decodes base64', () => {
    const encoded = Buffer.from(XML).toString('base64');
    const offer = readRsOffer(
      multipart(part('Content-Type: application/rs-metadata\r\nContent-Transfer-Encoding: base64', encoded)),
    );
    expect(offer.metadata?.participants).toEqual([{ id: 'p' }]);
  });

  it('C11: is too large above 64 KiB', () => {
    expect(codeOf(() => readRsOffer(single('application/sdp', `${SDP}a=${'x'.repeat(65_536)}`)))).toBe(
      'SRS_SIP_TOO_LARGE',
    );
  });

  it.each([
    ['blank lines under a multipart type', 'multipart/mixed;boundary=b', `<recording>${'\r\n'.repeat(30_000)}`],
    ['boundary prefixes', 'multipart/mixed;boundary=bb', '\n--b'.repeat(16_000)],
    ['boundaries in the middle of a line', 'multipart/mixed;boundary=b', `--b\n${' --b'.repeat(16_000)}`],
    ['attribute lines', 'application/sdp', `v=0\r\nm=audio 1 RTP/AVP 0\r\n${'a=rtpmap:0 a\r\n'.repeat(3900)}`],
    ['one long line', 'application/sdp', `v=0\r\na=fmtp:0 ${' '.repeat(60_000)}x`],
  ])('C11: takes bounded time: %s', (_what, type, body) => {
    const before = performance.now();
    expect(codeOf(() => readRsOffer(single(type, body))) ?? 'SRS_S').toMatch(/^SRS_S/);
    expect(performance.now() - before).toBeLessThan(2000);
  });

  it('carries who called and from where', () => {
    const offer = readRsOffer(fixture('rfc7866-two-legs'));
    expect(offer).toMatchObject({
      callId: 'rfc-1@192.0.2.10',
      from: '<sip:src@192.0.2.10>;tag=f1',
      to: '<sip:recorder@198.51.100.20>',
      source: '192.0.2.10:5060',
      receivedAt: 1_772_000_000_000,
    });
  });
});

describe('recognising a recording session', () => {
  const invite = fixture('plain-call');
  it.each([
    ['siprec in Require', { require: ['timer, siprec'] }, true],
    ['SIPREC in Supported', { supported: ['SIPREC'] }, true],
    ['+sip.src after the brackets', { contact: ['<sip:a@h>;+sip.src'] }, true],
    ['+sip.src inside the brackets', { contact: ['<sip:a@h;+sip.src>'] }, true],
    ['+sip.src with a value', { contact: ['<sip:a@h>;expires=5;+sip.src="1"'] }, true],
    ['+sip-src', { contact: ['<sip:a@h>;+sip-src'] }, true],
    ['src', { contact: ['<sip:a@h>;src'] }, true],
    ['a parameter that begins like it', { contact: ['<sip:a@h>;srcport=1'] }, false],
    ['another option', { require: ['timer'], supported: ['siprecish'] }, false],
  ])('A2: by %s', (_what, headers, expected) => {
    const { recognised, offer } = readFirstOffer(altered(invite, { headers }));
    expect(recognised).toBe(expected);
    const told = offer.warnings.filter(({ code }) => !QUIET_WARNINGS.has(code));
    expect(told).toEqual([{ code: expected ? 'metadata_missing' : 'not_siprec' }]);
  });

  it('A1: conforms only with +sip.src in Contact and siprec in Require', () => {
    const conforming = (contact: string, require: string): boolean =>
      readFirstOffer(altered(invite, { headers: { contact: [contact], require: [require] } })).conforming;
    expect(conforming('<sip:a@h>;+sip.src', 'siprec')).toBe(true);
    expect(conforming('<sip:a@h>;+sip.src', 'timer')).toBe(false);
    expect(conforming('<sip:a@h>;src', 'siprec')).toBe(false);
  });
});

describe('an INVITE cut or changed on its way', () => {
  const everyByte = new Set(['cisco-cube-sendonly', 'oracle-malformed-metadata']);

  it.each(fixtureNames)('%s cut anywhere gives an offer or an SrsError', (name) => {
    const request = fixture(name);
    const step = everyByte.has(name) ? 1 : 13;
    const outcomes = new Set<string | undefined>();
    for (let length = 0; length <= request.body.length; length += step) {
      outcomes.add(codeOf(() => readFirstOffer(altered(request, { body: request.body.subarray(0, length) }))));
    }
    outcomes.delete(undefined);
    for (const code of outcomes) expect(code).toMatch(/^SRS_S/);
  });

  it('keeps the speakers when only the end of the metadata is missing', () => {
    const request = fixture('rfc7866-two-legs');
    const end = Buffer.from(request.body).indexOf('</recording>');
    const { offer } = readFirstOffer(altered(request, { body: request.body.subarray(0, end) }));
    expect(offer.metadata?.participants.map((participant) => participant.name)).toEqual(['Ana', 'Ben']);
    expect(offer.warnings.map((warning) => warning.code)).toEqual(['multipart_unterminated', 'metadata_malformed']);
  });

  it('never fails otherwise than by an SrsError when bytes change', () => {
    let seed = 12_345;
    const random = (below: number): number => {
      seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
      return seed % below;
    };
    for (let round = 0; round < 1000; round += 1) {
      const request = fixture(fixtureNames[random(fixtureNames.length)] ?? '');
      const body = Buffer.from(request.body);
      for (let edits = 0; edits < 8 && body.length > 0; edits += 1) body[random(body.length)] = random(256);
      expect(codeOf(() => readFirstOffer(altered(request, { body }))) ?? 'SRS_S').toMatch(/^SRS_S/);
    }
  });
});
