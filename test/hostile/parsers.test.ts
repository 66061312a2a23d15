import { describe, expect, it } from 'vitest';
import { SrsError } from '../../src/core/errors.js';
import { IncomingRequest, makeAnswerable } from '../../src/sip/incoming-request.js';
import { readSipMessage } from '../../src/sip/message.js';
import { readFirstOffer } from '../../src/sip/rs-offer.js';
import type { SipArrival, SipTransport } from '../../src/sip/transport.js';
import { mutate, seeded } from '../helpers/mutation.js';
import { altered, fixture, fixtureBytes, fixtureNames } from '../helpers/siprec-fixture.js';

/** Ten thousand more go through a real socket in `test/e2e/hostile-input.test.ts`. */
const MUTATIONS = 90_000;
const CUT = ['rfc7866-two-legs', 'oracle-four-m-lines', 'cisco-cube-sendonly'];

const nowhere: SipTransport = {
  kind: 'udp',
  reliable: false,
  address: { transport: 'udp', host: '127.0.0.1', port: 5060 },
  start: async () => {},
  send: () => {},
  localAddressFor: () => '127.0.0.1',
  close: async () => {},
};

/** The way of a datagram from bytes to an offer, without sockets. Says where it ended; anything but an SrsError is thrown on. */
function read(bytes: Uint8Array): 'offer' | 'refused' | 'response' {
  const reading = readSipMessage(bytes);
  if ('error' in reading) return 'refused';
  if (reading.message.kind !== 'request') return 'response';
  const arrival: SipArrival = { transport: nowhere, bytes, source: { address: '127.0.0.1', port: 5060 } };
  try {
    readFirstOffer(new IncomingRequest(makeAnswerable(reading.message, arrival), arrival, 0));
    return 'offer';
  } catch (error) {
    if (error instanceof SrsError && error.code !== 'SRS_INTERNAL') return 'refused';
    throw error;
  }
}

describe('the way from bytes to an offer', () => {
  it(`takes or refuses ${MUTATIONS} mutated messages and throws nothing else`, () => {
    const random = seeded(7866);
    const seeds = fixtureNames.map(fixtureBytes);
    const ends = { offer: 0, refused: 0, response: 0 };
    for (let n = 0; n < MUTATIONS; n++) {
      const bytes = mutate(seeds[n % seeds.length] ?? Buffer.alloc(0), random);
      ends[read(bytes)]++;
    }
    // Faults in metadata cost no call, faults in the frame do: both must have been met, or nothing was tested.
    expect(ends.offer).toBeGreaterThan(MUTATIONS / 20);
    expect(ends.refused).toBeGreaterThan(MUTATIONS / 20);
  }, 90_000);

  it.each(CUT)('takes no prefix of %s for the whole', (name) => {
    const whole = fixtureBytes(name);
    expect(read(whole)).toBe('offer');
    for (let length = 0; length < whole.length; length++) {
      expect(read(whole.subarray(0, length)), `the first ${length} bytes`).toBe('refused');
    }
  });
});

const DECLARATION = '<?xml version="1.0"?>';
const NAMESPACE = 'xmlns="urn:ietf:params:xml:ns:recording:1"';
const entities = Array.from({ length: 20 }, (_, i) => `<!ENTITY e${i + 1} "${`&e${i};`.repeat(10)}">`).join('');
const BOMBS: Readonly<Record<string, string>> = {
  'a billion laughs': `${DECLARATION}<!DOCTYPE r [<!ENTITY e0 "ha">${entities}]><recording ${NAMESPACE}><group group_id="&e20;"/></recording>`,
  'one large entity many times': `${DECLARATION}<!DOCTYPE r [<!ENTITY a "${'a'.repeat(30_000)}">]><recording ${NAMESPACE}>${'&a;'.repeat(8_000)}</recording>`,
  'an external entity': `${DECLARATION}<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]><recording ${NAMESPACE}><group group_id="&x;"/></recording>`,
  'elements five thousand deep': `${DECLARATION}<recording ${NAMESPACE}>${'<a>'.repeat(5_000)}${'</a>'.repeat(5_000)}</recording>`,
  'five thousand attributes': `${DECLARATION}<recording ${NAMESPACE} ${Array.from({ length: 5_000 }, (_, i) => `a${i}=""`).join(' ')}/>`,
  'elements that never end': `${DECLARATION}<recording ${NAMESPACE}>${'<stream '.repeat(8_000)}`,
};

describe('XML made to explode', () => {
  it('is refused by its size before it is read: an attribute of 10 MB', () => {
    const xml = `${DECLARATION}<recording ${NAMESPACE} long="${'x'.repeat(10_000_000)}"/>`;
    const headers = { 'content-type': ['application/rs-metadata+xml'] };
    const large = altered(fixture('rfc7866-two-legs'), { headers, body: xml });
    const startedAt = performance.now();
    expect(() => readFirstOffer(large)).toThrow(expect.objectContaining({ code: 'SRS_SIP_TOO_LARGE' }));
    expect(performance.now() - startedAt).toBeLessThan(500);
  });

  it.each(Object.keys(BOMBS))('is read or given up at once, and the call is taken: %s', (name) => {
    const whole = fixture('rfc7866-two-legs');
    const sdp = /v=0[\s\S]*?(?=\r\n--)/.exec(Buffer.from(whole.body).toString('latin1'))?.[0] ?? '';
    const parts = [
      '--x',
      'Content-Type: application/sdp',
      '',
      sdp,
      '--x',
      'Content-Type: application/rs-metadata+xml',
      '',
      BOMBS[name],
      '--x--',
      '',
    ];
    const bombed = altered(whole, {
      headers: { 'content-type': ['multipart/mixed;boundary=x'] },
      body: parts.join('\r\n'),
    });
    const before = process.memoryUsage();
    const startedAt = performance.now();
    const { offer } = readFirstOffer(bombed);
    expect(performance.now() - startedAt).toBeLessThan(3_000);
    const after = process.memoryUsage();
    expect(after.heapUsed + after.external - before.heapUsed - before.external).toBeLessThan(200_000_000);
    expect(offer.media?.streams.length).toBe(2);
    const told = JSON.stringify(offer.metadata ?? {}, (key, value) => (key === 'raw' ? undefined : value));
    expect(told).not.toMatch(/haha|aaaaa|root:|xxxxx/);
  });
});
