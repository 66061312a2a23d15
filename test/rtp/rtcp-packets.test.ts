import { describe, expect, it } from 'vitest';
import { epochToNtp, ntpToEpoch } from '../../src/rtp/rtcp-packet.js';
import { readRtcp } from '../../src/rtp/rtcp-reader.js';
import { writeRtcp } from '../../src/rtp/rtcp-writer.js';
import { dissectRtcp } from '../helpers/dissect.js';
import { mutate, seeded } from '../helpers/mutation.js';

const AT = Date.UTC(2026, 2, 4, 5, 6, 7, 890);

const block = {
  ssrc: 0xdecafbad,
  fractionLost: 26,
  cumulativeLost: -3,
  highest: 0x0002_ffff,
  jitter: 77,
  lastSr: 0x1234_5678,
  delaySinceLastSr: 65_536,
};

const receiver = writeRtcp({ ssrc: 7, cname: 'abcdefghijklmnop', blocks: [block], referenceTime: AT, bye: true });
const sender = writeRtcp({
  ssrc: 0xdecafbad,
  cname: 'x',
  blocks: [block, { ...block, ssrc: 9, cumulativeLost: 8_388_607 }],
  sent: { epochMs: AT, rtpTimestamp: 0xffff_fff0, packets: 250, bytes: 40_000 },
  delays: [{ ssrc: 7, lastRr: 0x89ab_cdef, delay: 3 }],
});

/** Bytes written by hand from the pictures in RFC 3550 §6 and RFC 3611 §4. */
const hex = (text: string): Buffer => Buffer.from(text.replace(/\s+/g, ''), 'hex');

describe('a compound RTCP datagram', () => {
  it('is read as it was written', () => {
    expect(readRtcp(receiver)).toEqual([
      { kind: 'rr', ssrc: 7, blocks: [block] },
      { kind: 'sdes', chunks: [{ ssrc: 7, cname: 'abcdefghijklmnop' }] },
      { kind: 'xr', ssrc: 7, referenceTime: epochToNtp(AT).middle, delays: [] },
      { kind: 'bye', sources: [7] },
    ]);
    const [report, , extended] = readRtcp(sender) ?? [];
    expect(report).toMatchObject({
      kind: 'sr',
      ssrc: 0xdecafbad,
      rtpTimestamp: 0xffff_fff0,
      packets: 250,
      bytes: 40_000,
      blocks: [{ cumulativeLost: -3 }, { cumulativeLost: 8_388_607 }],
    });
    expect(report?.kind === 'sr' && report.ntpMs).toBeCloseTo(AT, 3);
    expect(extended).toEqual({ kind: 'xr', ssrc: 0xdecafbad, delays: [{ ssrc: 7, lastRr: 0x89ab_cdef, delay: 3 }] });
  });

  it('is dissected by tshark without a malformed packet and without a complaint', () => {
    const broken = receiver.subarray(0, 40);
    const [ours, theirs, cut] = dissectRtcp(
      [receiver, sender, broken],
      ['rtcp.pt', 'rtcp.ssrc.high_cycles', 'rtcp.ssrc.jitter', 'rtcp.length_check', '_ws.expert.message'],
    );
    expect(ours).toEqual(['201,202,207,203', '2', '77', '1', '']);
    expect(theirs).toEqual(['200,202,207', '2,2', '77,77', '1', '']);
    expect(cut?.at(-1)).toContain('Malformed');
  });

  it('keeps the NTP time of a sender over the turn of the era in 2036, and has none when the sender says zero', () => {
    for (const at of [Date.UTC(2036, 1, 7, 6, 28, 15), Date.UTC(2036, 1, 7, 6, 28, 17), Date.UTC(2040, 0, 1)]) {
      const sent = { epochMs: at, rtpTimestamp: 1, packets: 0, bytes: 0 };
      expect(readRtcp(writeRtcp({ ssrc: 1, cname: 'x', blocks: [], sent }))?.[0]).toMatchObject({ ntpMs: at });
    }
    expect(ntpToEpoch(0x83aa_7e80, 0x8000_0000)).toBe(500);
    const [zero] = readRtcp(hex('80c80006 00000001 00000000 00000000 00000001 00000002 00000003')) ?? [];
    expect(zero).toMatchObject({ kind: 'sr', packets: 2 });
    expect(zero).not.toHaveProperty('ntpMs');
  });

  it.each([
    ['a report of reduced size (RFC 5506)', '81ce0003 00000001 00000002 00000000', ['feedback']],
    ['an application packet', '80c90001 00000007 80cc0002 00000007 74657374', ['rr', 'app']],
    ['a type that nobody knows', '80c90001 00000007 80d30001 00000007', ['rr', 'other']],
    ['a NACK of RFC 2032', '80c10002 00000007 00000000', ['other']],
    [
      'XR blocks of unknown types',
      '80c90001 00000007 80cf0006 00000007 ff000000 04000002 00000001 00000002 63000000',
      ['rr', 'xr'],
    ],
    ['padding at the end', '80c90001 00000007 a0cb0002 00000007 00000004', ['rr', 'bye']],
    ['a farewell with a reason', '80c90001 00000007 81cb0002 00000007 03627965', ['rr', 'bye']],
    ['a farewell of nobody', '80c90001 00000007 80cb0000', ['rr', 'bye']],
    ['a last chunk without its zero octet', '80c90001 00000007 81ca0002 00000007 01026162', ['rr', 'sdes']],
    ['an extension after the blocks', '80c90002 00000007 0badcafe', ['rr']],
  ])('is read with %s', (_, text, kinds) => {
    expect(readRtcp(hex(text))?.map(({ kind }) => kind)).toEqual(kinds);
  });

  it.each([
    ['nothing in it', ''],
    ['a header cut short', '80c900'],
    ['another version', '40c90001 00000007'],
    ['a length beyond its end', '80c90002 00000007'],
    ['a block that is not there', '81c90001 00000007'],
    ['a sender report that is too short', '80c80004 00000007 00000000 00000000 00000000'],
    ['padding before its end', 'a0c90002 00000007 00000004 80cb0000'],
    ['padding of no whole words', 'a0c90002 00000007 00000003'],
    ['padding longer than it is', 'a0c90001 00000010'],
    ['padding over its header', 'a0c90001 00000008'],
    ['an item beyond the end of its packet', '80c90001 00000007 81ca0002 00000007 01ff6162'],
    ['a chunk that is not there', '80c90001 00000007 82ca0002 00000007 01016100'],
    ['a farewell of sources that are not there', '82cb0001 00000007'],
    ['a reason beyond the end', '81cb0002 00000007 09627965'],
    ['an XR block beyond the end', '80cf0002 00000007 05000003'],
    ['an application packet without a name', '80cc0001 00000007'],
    ['feedback about nobody', '81ce0001 00000007'],
    ['a type that is no RTCP', '80640001 00000007'],
    ['noise after it', '80c90001 00000007 80'],
    ['more packets than anybody sends', '80cb0000'.repeat(65)],
  ])('is not believed in any part with %s', (_, text) => {
    expect(readRtcp(hex(text))).toBeUndefined();
  });

  it('is not believed when it is cut off anywhere but between its packets', () => {
    for (const whole of [receiver, sender]) {
      const borders = new Set<number>([0]);
      for (let at = 0; at < whole.length; at += 4 + 4 * whole.readUInt16BE(at + 2)) borders.add(at);
      for (let length = 0; length < whole.length; length++) {
        const read = readRtcp(whole.subarray(0, length));
        expect(read !== undefined, `${length} bytes`).toBe(borders.has(length) && length > 0);
      }
    }
  });

  it('is read or refused, and never throws, in 30,000 mutations', () => {
    const random = seeded(3550);
    const ends = { read: 0, refused: 0 };
    for (let n = 0; n < 30_000; n++) {
      const read = readRtcp(mutate(n % 2 ? receiver : sender, random));
      ends[read ? 'read' : 'refused']++;
    }
    expect(ends.read).toBeGreaterThan(1500);
    expect(ends.refused).toBeGreaterThan(1500);
  });
});
