import { describe, expect, it } from 'vitest';
import type { RsOffer } from '../../src/core/model.js';
import { readRsOffer } from '../../src/sip/rs-offer.js';
import { requestView } from '../helpers/siprec-fixture.js';

const SDP =
  'v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 5004 RTP/AVP 0\r\na=sendonly';
const XML = '<recording xmlns="urn:ietf:params:xml:ns:recording:1"><participant participant_id="p"/></recording>';

const part = (boundary: string, headers: string, content: string): string =>
  `--${boundary}\r\n${headers}\r\n\r\n${content}\r\n`;

function read(boundary: string, ...parts: readonly (readonly [headers: string, content: string])[]): RsOffer {
  const body = parts.map(([headers, content]) => part(boundary, headers, content)).join('');
  const type = `multipart/mixed;boundary="${boundary}"`;
  return readRsOffer(requestView({ headers: { 'content-type': [type] }, body: `${body}--${boundary}--\r\n` }));
}

const seen = ({ media, metadata, warnings }: RsOffer): unknown => [
  media?.streams.length,
  metadata?.participants.map(({ id }) => id),
  warnings.map(({ code }) => code),
];

describe('a body of several parts', () => {
  it('C2: may have a boundary of 70 characters, any that RFC 2046 allows', () => {
    const boundary = `'()+_,-./:=?${'b'.repeat(58)}`;
    const metadata = 'Content-Type: application/rs-metadata\r\nContent-Disposition: recording-session';
    expect(boundary).toHaveLength(70);
    expect(seen(read(boundary, ['Content-Type: application/sdp', SDP], [metadata, XML]))).toEqual([1, ['p'], []]);
  });

  it('C4: may have its parts in any order, with one that may be ignored among them', () => {
    const parts = [
      ['Content-Type: application/sdp', SDP],
      ['Content-Type: application/rs-metadata+xml\r\nContent-Disposition: recording-session', XML],
      ['Content-Type: application/gtd\r\nContent-Disposition: signal;handling=optional', 'IAM,'],
    ] as const;
    for (const [a, b, c] of [
      [0, 1, 2],
      [0, 2, 1],
      [1, 0, 2],
      [1, 2, 0],
      [2, 0, 1],
      [2, 1, 0],
    ] as const) {
      expect(seen(read('b', parts[a], parts[b], parts[c]))).toEqual([1, ['p'], []]);
    }
  });

  it.each(['application/rs-metadata', 'application/rs-metadata+xml', 'Application/RS-Metadata+XML; charset=utf-8'])(
    'C7: has its metadata under the name %s',
    (type) => {
      const headers = `Content-Type: ${type}\r\nContent-Disposition: recording-session`;
      expect(seen(read('b', ['Content-Type: application/sdp', SDP], [headers, XML]))).toEqual([1, ['p'], []]);
    },
  );

  it.each([
    ['nothing', undefined, ['disposition_missing']],
    ['nothing after the colon', '', ['disposition_missing']],
    ['session', 'session;handling=required', ['disposition_missing']],
    ['required', 'recording-session; handling=required', []],
    ['upper case', 'Recording-Session;HANDLING=Optional', []],
    ['garbage', ';;=;"', ['disposition_missing']],
  ])('C8: is read whatever the Content-Disposition of metadata says: %s', (_what, value, warnings) => {
    const disposition = value === undefined ? '' : `\r\nContent-Disposition: ${value}`;
    const metadata = `Content-Type: application/rs-metadata${disposition}`;
    const sdp = 'Content-Type: application/sdp\r\nContent-Disposition: session;handling=required';
    expect(seen(read('b', [sdp, SDP], [metadata, XML]))).toEqual([1, ['p'], warnings]);
  });
});
