import { describe, expect, it } from 'vitest';
import {
  escapeXml,
  joinBody,
  metadataId,
  type OfferLeg,
  writeMetadata,
  writeSdpOffer,
} from '../../src/client/siprec-offer.js';
import { parseMediaType } from '../../src/sip/media-type.js';
import { readMetadata } from '../../src/sip/metadata-xml.js';
import { splitMultipart } from '../../src/sip/multipart.js';
import { readOffer } from '../../src/sip/sdp.js';

const legs: OfferLeg[] = [
  {
    label: '10',
    port: 40_000,
    participant: { name: 'Ann <&> "O\'Hara"', aor: 'sip:ann&b@example.com', role: 'agent' },
  },
  { label: 'b"leg', port: 40_002, participant: { name: 'Böb\u0000\u001b', aor: 'tel:+15550100' } },
];

function sdp(direction: 'sendonly' | 'inactive' = 'sendonly', address = '192.0.2.1'): string {
  return writeSdpOffer({ address, sessionId: 7, version: 3, codecs: ['PCMA'], packetTimeMs: 20, direction, legs });
}

describe('the SDP of the test SRC', () => {
  it('reads back as one labelled, sent-only stream per leg', () => {
    const { media, warnings } = readOffer(Buffer.from(sdp()));
    expect(warnings).toEqual([]);
    expect(media.originVersion).toContain('3');
    expect(media.streams).toMatchObject([
      {
        media: 'audio',
        profile: 'RTP/AVP',
        port: 40_000,
        address: '192.0.2.1',
        direction: 'sendonly',
        label: '10',
        packetTimeMs: 20,
      },
      { media: 'audio', port: 40_002, direction: 'sendonly', label: 'b"leg' },
    ]);
    expect(media.streams[0]?.formats).toMatchObject([{ payloadType: 8, encoding: 'PCMA', clockRate: 8000 }]);
  });

  it('offers codecs in their order, as RFC 3551 and RFC 7587 write them', () => {
    const options = { address: '192.0.2.1', sessionId: 7, version: 3, packetTimeMs: 20, legs };
    const written = writeSdpOffer({ ...options, direction: 'sendonly', codecs: ['OPUS', 'G722', 'L16', 'PCMU'] });
    const { media, warnings } = readOffer(Buffer.from(written));
    expect(warnings).toEqual([]);
    for (const { formats } of media.streams) {
      expect(formats).toMatchObject([
        {
          payloadType: 111,
          encoding: 'OPUS',
          clockRate: 48_000,
          channels: 2,
          parameters: 'sprop-maxcapturerate=16000; sprop-stereo=0',
        },
        { payloadType: 9, encoding: 'G722', clockRate: 8000, channels: 1 },
        { payloadType: 96, encoding: 'L16', clockRate: 16_000, channels: 1 },
        { payloadType: 0, encoding: 'PCMU', clockRate: 8000 },
      ]);
    }
  });

  it('holds with a=inactive and names IPv6 addresses as such', () => {
    expect(readOffer(Buffer.from(sdp('inactive'))).media.streams.map(({ direction }) => direction)).toEqual([
      'inactive',
      'inactive',
    ]);
    expect(sdp('sendonly', '2001:db8::1')).toContain('c=IN IP6 2001:db8::1\r\n');
  });

  it.each([
    ['192.0.2.1', 'c=IN IP4 0.0.0.0'],
    ['2001:db8::1', 'c=IN IP6 ::'],
  ])('holds by the address of nobody when that is wanted (%s)', (address, line) => {
    const options = {
      sessionId: 7,
      version: 3,
      codecs: ['PCMA'],
      packetTimeMs: 20,
      direction: 'sendonly',
      legs,
    } as const;
    const held = writeSdpOffer({ ...options, address, heldByAddress: true });
    expect(held).toContain(`${line}\r\n`);
    expect(held).toContain(`o=sipscribe 7 3 IN IP${address.includes(':') ? 6 : 4} ${address}\r\n`);
  });
});

describe('the metadata of the test SRC', () => {
  const xml = writeMetadata({ callId: 'call<1>@host', startedAt: 1_772_000_000_000, legs });
  const { metadata } = readMetadata(Buffer.from(xml));

  it('ties every label to a stream and every stream to the participant who sends on it', () => {
    expect(metadata?.mode).toBe('complete');
    expect(metadata?.sessions).toHaveLength(1);
    expect(metadata?.streams.map(({ label }) => label)).toEqual(['10', 'b"leg']);
    const [ann, bob] = metadata?.participants ?? [];
    const [first, second] = metadata?.streams ?? [];
    expect(metadata?.associations).toEqual([
      { participantId: ann?.id, send: [first?.id], receive: [second?.id] },
      { participantId: bob?.id, send: [second?.id], receive: [first?.id] },
    ]);
  });

  it('names a group that other sessions may have in common, and somebody else after a transfer', () => {
    const told = (callId: string, transfers: number) => {
      const changed = legs.map((leg, index) => (index === 1 ? { ...leg, transfers } : leg));
      const text = writeMetadata({ callId, startedAt: 1_772_000_000_000, legs: changed, group: 'one call' });
      return readMetadata(Buffer.from(text)).metadata;
    };
    const [before, after, other] = [told('a', 0), told('a', 1), told('b', 0)];
    expect(before?.groups).toHaveLength(1);
    expect(other?.groups?.[0]?.id).toBe(before?.groups?.[0]?.id);
    expect(before?.sessions[0]?.groupId).toBe(before?.groups?.[0]?.id);
    expect(after?.sessions[0]?.id).toBe(before?.sessions[0]?.id);
    expect(after?.participants[0]?.id).toBe(before?.participants[0]?.id);
    expect(after?.participants[1]?.id).not.toBe(before?.participants[1]?.id);
    expect(after?.associations[1]?.participantId).toBe(after?.participants[1]?.id);
  });

  it('brings names and addresses through, whatever characters they hold, without what XML forbids', () => {
    expect(metadata?.participants).toMatchObject([
      { name: 'Ann <&> "O\'Hara"', aor: 'sip:ann&b@example.com', role: 'agent' },
      { name: expect.stringMatching(/^Böb\s*$/), aor: 'tel:+15550100' },
    ]);
    expect(escapeXml('\u0007a\tb\uffff')).toBe(' a\tb ');
  });

  it('names the same things alike in every snapshot of a call, and otherwise in another call', () => {
    const again = writeMetadata({ callId: 'call<1>@host', startedAt: 1_772_000_000_000, legs });
    expect(again).toBe(xml);
    expect(metadataId('a')).not.toBe(metadataId('b'));
    expect(Buffer.from(metadataId('a'), 'base64')).toHaveLength(16);
  });
});

describe('the body of the test SRC', () => {
  it('splits into SDP and metadata again, byte by byte', () => {
    const body = joinBody(sdp(), '<recording/>\r\n', 'edge');
    const { parts } = splitMultipart(body.content, parseMediaType(body.contentType));
    expect(parts.map(({ content }) => Buffer.from(content).toString())).toEqual([sdp().slice(0, -2), '<recording/>']);
  });
});
