import { describe, expect, it } from 'vitest';
import { emptyRtpHeader, isRtcp, parseRtp } from '../../src/rtp/rtp-packet.js';
import { noise, rtpPacket } from './rtp-sender.js';

const header = emptyRtpHeader();

describe('the RTP parser', () => {
  it('reads every field of the fixed header', () => {
    const packet = rtpPacket(
      { payloadType: 101, sequence: 65_535, timestamp: 0xfedcba98, ssrc: 0x87654321, marker: true },
      Uint8Array.of(1, 2, 3),
    );
    expect(parseRtp(packet, header)).toBe(true);
    expect(header).toEqual({
      payloadType: 101,
      marker: true,
      sequence: 65_535,
      timestamp: 0xfedcba98,
      ssrc: 0x87654321,
      payloadOffset: 12,
      payloadLength: 3,
      contributors: 0,
    });
  });

  it('steps over CSRCs and a header extension, and takes padding off', () => {
    const body = Buffer.alloc(4 * 2 + 4 + 8 + 160 + 4);
    body.writeUInt16BE(2, 4 * 2 + 2);
    body[body.length - 1] = 4;
    const packet = rtpPacket({ sequence: 1, timestamp: 1 }, body);
    packet[0] = 0x80 | 0x20 | 0x10 | 2;
    expect(parseRtp(packet, header)).toBe(true);
    expect(header).toMatchObject({ payloadOffset: 12 + 8 + 4 + 8, payloadLength: 160 });
  });

  it('takes an empty payload, which keeps a pinhole open', () => {
    expect(parseRtp(rtpPacket({ sequence: 1, timestamp: 1 }, new Uint8Array()), header)).toBe(true);
    expect(header.payloadLength).toBe(0);
  });

  it.each([
    ['an empty datagram', Buffer.alloc(0)],
    ['eleven bytes', Buffer.alloc(11, 0x80)],
    ['version 0', Buffer.alloc(172)],
    ['version 1', Buffer.alloc(172, 0x40)],
    ['version 3', Buffer.alloc(172, 0xc0)],
    ['a CSRC list that runs over the end', Buffer.concat([Buffer.of(0x8f), Buffer.alloc(70)])],
    ['an extension without its length', Buffer.concat([Buffer.of(0x90), Buffer.alloc(14)])],
    [
      'an extension that runs over the end',
      Buffer.concat([Buffer.of(0x90), Buffer.alloc(13), Buffer.of(0, 9), Buffer.alloc(8)]),
    ],
    ['padding of nothing', Buffer.concat([Buffer.of(0xa0), Buffer.alloc(171)])],
    ['more padding than payload', Buffer.concat([Buffer.of(0xa0), Buffer.alloc(20), Buffer.of(11)])],
  ])('refuses %s', (_, packet) => {
    expect(parseRtp(packet, header)).toBe(false);
  });

  it('never reads outside of 200,000 random and mutated datagrams', () => {
    const bytes = noise(400_000, 77);
    const good = rtpPacket({ sequence: 5, timestamp: 9 }, noise(160, 3));
    let taken = 0;
    for (let i = 0; i < 200_000; i++) {
      const random = (n: number): number =>
        ((bytes[(i * 2 + n) % bytes.length] ?? 0) << 8) | (bytes[(i + n) % bytes.length] ?? 0);
      let packet: Uint8Array;
      if (i % 2 === 0) packet = bytes.subarray(i, i + (random(0) % 200));
      else {
        packet = Uint8Array.from(good).subarray(0, random(1) % 180);
        if (packet.length > 0) packet[random(2) % Math.min(16, packet.length)] = random(3) & 0xff;
      }
      isRtcp(packet);
      if (!parseRtp(packet, header)) continue;
      taken++;
      const { payloadOffset, payloadLength } = header;
      if (payloadOffset < 12 || payloadLength < 0 || payloadOffset + payloadLength > packet.length)
        throw new Error(`packet ${i}`);
    }
    expect(taken).toBeGreaterThan(10_000);
  });

  it('knows RTCP on the RTP port from RTP', () => {
    expect(isRtcp(Buffer.of(0x80, 200, 0, 1, 0, 0, 0, 1))).toBe(true);
    expect(isRtcp(Buffer.of(0x80, 0x80 | 8, 0, 1, 0, 0, 0, 1))).toBe(false);
    expect(isRtcp(Buffer.alloc(0))).toBe(false);
  });
});
