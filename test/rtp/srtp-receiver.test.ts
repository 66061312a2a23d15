import { createHmac, randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { SRTP_SUITES, type SrtpMasterKey, type SrtpSuiteName } from '../../src/core/srtp-suite.js';
import { HmacSha1 } from '../../src/rtp/hmac-sha1.js';
import { ReplayWindow } from '../../src/rtp/replay-window.js';
import { SrtcpReceiver, SrtcpSender } from '../../src/rtp/srtcp.js';
import { estimateIndex, MALFORMED, REPLAYED, UNAUTHENTICATED } from '../../src/rtp/srtp-packet.js';
import { SrtpReceiver } from '../../src/rtp/srtp-receiver.js';
import { SrtpSender } from '../../src/rtp/srtp-sender.js';
import { noise, rtpPacket } from './rtp-sender.js';

const SUITES = Object.keys(SRTP_SUITES) as SrtpSuiteName[];
const SUITE = 'AES_CM_128_HMAC_SHA1_80';

function freshKey(suite: SrtpSuiteName = SUITE, mki?: Uint8Array): SrtpMasterKey {
  const { keyBytes, saltBytes } = SRTP_SUITES[suite];
  return { key: randomBytes(keyBytes), salt: randomBytes(saltBytes), ...(mki ? { mki } : {}) };
}

function pair(suite: SrtpSuiteName = SUITE): { sender: SrtpSender; receiver: SrtpReceiver } {
  const key = freshKey(suite);
  return { sender: new SrtpSender(suite, key), receiver: new SrtpReceiver(suite, [key]) };
}

const packet = (sequence: number, ssrc = 0x1234, bytes = 160): Buffer =>
  rtpPacket({ sequence, timestamp: sequence * 160, ssrc }, noise(bytes, sequence + 1));

/** What comes of a packet: its sequence number when it is opened to what was sealed, else the verdict. */
function outcome(receiver: SrtpReceiver, sealed: Uint8Array, plain: Uint8Array): number {
  const copy = Buffer.from(sealed);
  const length = receiver.open(copy);
  if (length < 0) {
    expect(copy.equals(sealed)).toBe(true);
    return length;
  }
  expect(copy.subarray(0, length).equals(plain)).toBe(true);
  return copy.readUInt16BE(2);
}

describe('HMAC-SHA1', () => {
  it('is the one of OpenSSL for every length up to three blocks, with and without a trailer', () => {
    const key = randomBytes(20);
    const hmac = new HmacSha1(key);
    for (let length = 0; length <= 200; length++) {
      const bytes = randomBytes(length);
      for (const trailer of [undefined, 0, 0xfedcba98]) {
        const other = createHmac('sha1', key).update(bytes);
        if (trailer !== undefined) {
          const word = Buffer.alloc(4);
          word.writeUInt32BE(trailer);
          other.update(word);
        }
        hmac.compute(bytes, length, trailer);
        const digest = other.digest();
        expect(hmac.matches(digest, 0, 20)).toBe(true);
        digest[length % 20] = (digest[length % 20] ?? 0) ^ 1;
        expect(hmac.matches(digest, 0, 20)).toBe(false);
      }
    }
  });
});

describe('the index of a packet', () => {
  it.each([
    ['next', 10, 11, 11],
    ['before', 10, 9, 9],
    ['after the end of the numbering', 65_535, 0, 65_536],
    ['before its beginning', 65_536, 65_535, 65_535],
    ['in a later round', 3 * 65_536 + 5, 4, 3 * 65_536 + 4],
    ['from before the first', 2, 65_530, -6],
    ['32,768 ahead in the first half', 0, 32_768, 32_768],
    ['32,769 ahead in the first half', 65_536, 32_769, 32_769],
    ['32,768 behind in the second half', 40_000, 40_000 - 32_768, 40_000 - 32_768],
    ['32,769 behind in the second half', 40_000, 40_000 - 32_769, 65_536 + 40_000 - 32_769],
    ['beyond 32 bits', 2 ** 40 + 65_535, 0, 2 ** 40 + 65_536],
  ])('is estimated when it is %s', (_what, newest, sequence, index) => {
    expect(estimateIndex(newest, sequence)).toBe(index);
  });
});

describe('the replay window', () => {
  it('agrees with a list of everything that was seen', () => {
    const window = new ReplayWindow();
    const seen = new Set<number>();
    let newest = -1;
    for (const byte of noise(20_000, 7)) {
      const index = Math.max(0, newest + (byte < 200 ? (byte % 4) - 1 : (byte - 220) * 60));
      const old = index <= newest - 1024;
      expect(window.has(index)).toBe(old || seen.has(index));
      if (!old) {
        window.add(index);
        seen.add(index);
        newest = Math.max(newest, index);
      }
      expect(window.newest).toBe(newest);
    }
  });
});

describe.each(SUITES)('a stream protected with %s', (suite) => {
  it('is opened over rollovers, with every 50th packet lost and every 30th late', () => {
    const { sender, receiver } = pair(suite);
    let held: { sealed: Buffer; plain: Buffer } | undefined;
    let opened = 0;
    // The long way for one suite; AES-GCM of Node takes its time.
    const count = suite === SUITE ? 70_000 : 6_000;
    const first = 65_536 - 3_000;
    for (let at = 0; at < count; at++) {
      const plain = packet((first + at) & 0xffff, 0x1234, 16);
      const sealed = sender.seal(plain);
      if (at % 50 === 49) continue;
      if (at % 30 === 0) {
        held = { sealed, plain };
        continue;
      }
      if (receiver.open(sealed) === plain.length && sealed.subarray(12, 28).equals(plain.subarray(12))) opened++;
      if (held && at % 30 === 5) {
        if (outcome(receiver, held.sealed, held.plain) >= 0) opened++;
        held = undefined;
      }
    }
    const lost = Math.floor(count / 50);
    const never = Array.from({ length: count }, (_, at) => at).filter((at) => at % 30 === 0 && at % 50 === 49).length;
    expect(opened).toBe(count - lost + never - (held ? 1 : 0));
  });

  it('is not opened when any bit of any byte is another, and nothing changes by it', () => {
    const { sender, receiver } = pair(suite);
    const plain = packet(7);
    const sealed = sender.seal(plain);
    for (let at = 0; at < sealed.length; at++) {
      const bad = Buffer.from(sealed);
      bad[at] = (bad[at] ?? 0) ^ (1 << (at % 8));
      const copy = Buffer.from(bad);
      expect(receiver.open(copy)).toBeLessThan(0);
      expect(copy.equals(bad)).toBe(true);
    }
    expect(outcome(receiver, sealed, plain)).toBe(7);
  });

  it('is not opened when it is cut anywhere or has bytes added', () => {
    const { sender, receiver } = pair(suite);
    const sealed = sender.seal(packet(7));
    for (let length = 0; length < sealed.length; length++) {
      expect(receiver.open(Buffer.from(sealed.subarray(0, length)))).toBeLessThan(0);
    }
    expect(receiver.open(Buffer.concat([sealed, Buffer.alloc(1)]))).toBe(UNAUTHENTICATED);
  });

  it('is not opened with the key of another stream', () => {
    expect(pair(suite).receiver.open(pair(suite).sender.seal(packet(7)))).toBe(UNAUTHENTICATED);
  });

  it('may have packets without payload', () => {
    const { sender, receiver } = pair(suite);
    const plain = packet(1, 0x1234, 0);
    expect(outcome(receiver, sender.seal(plain), plain)).toBe(1);
  });
});

describe('a protected stream', () => {
  it('takes each packet once, also late ones and after a rollover', () => {
    const { sender, receiver } = pair();
    const sent = [65_533, 65_534, 65_535, 0, 1, 2].map((sequence) => ({
      plain: packet(sequence),
      sealed: sender.seal(packet(sequence)),
    }));
    const [first, ...rest] = sent;
    for (const { sealed, plain } of rest) expect(outcome(receiver, sealed, plain)).toBeGreaterThanOrEqual(0);
    if (first) expect(outcome(receiver, first.sealed, first.plain)).toBe(65_533);
    for (const { sealed, plain } of sent) expect(outcome(receiver, sealed, plain)).toBe(REPLAYED);
  });

  it('does not take a packet that is older than the window', () => {
    const { sender, receiver } = pair();
    const old = { plain: packet(1), sealed: sender.seal(packet(1)) };
    for (let sequence = 2; sequence < 1100; sequence++) receiver.open(sender.seal(packet(sequence)));
    expect(outcome(receiver, old.sealed, old.plain)).toBe(REPLAYED);
  });

  it('is not moved by packets that are not authentic', () => {
    const { sender, receiver } = pair();
    expect(outcome(receiver, sender.seal(packet(5)), packet(5))).toBe(5);
    for (const sequence of [40_000, 20_000, 65_000]) {
      expect(receiver.open(Buffer.concat([packet(sequence), Buffer.alloc(10)]))).toBe(UNAUTHENTICATED);
    }
    expect(outcome(receiver, sender.seal(packet(6)), packet(6))).toBe(6);
  });

  it('has a rollover counter for each SSRC, and a new one begins at zero', () => {
    const { sender, receiver } = pair();
    for (const sequence of [65_535, 0]) {
      expect(outcome(receiver, sender.seal(packet(sequence, 1)), packet(sequence, 1))).toBe(sequence);
    }
    for (const sequence of [65_535, 0]) {
      expect(outcome(receiver, sender.seal(packet(sequence, 2)), packet(sequence, 2))).toBe(sequence);
    }
    expect(outcome(receiver, sender.seal(packet(1, 1)), packet(1, 1))).toBe(1);
    expect(outcome(receiver, sender.seal(packet(65_535, 3)), packet(65_535, 3))).toBe(65_535);
  });

  it('is opened when its numbering turns over among first packets that are lost, and those from before it that are late', () => {
    const { sender, receiver } = pair();
    const sealed = [65_534, 65_535, 0, 1].map((sequence) => sender.seal(packet(sequence)));
    expect(outcome(receiver, sealed[3] ?? Buffer.alloc(0), packet(1))).toBe(1);
    expect(outcome(receiver, sealed[1] ?? Buffer.alloc(0), packet(65_535))).toBe(65_535);
    expect(outcome(receiver, sealed[2] ?? Buffer.alloc(0), packet(0))).toBe(0);
  });

  it('is found again after a gap of more than half a rollover', () => {
    const { sender, receiver } = pair();
    expect(outcome(receiver, sender.seal(packet(60_000)), packet(60_000))).toBe(60_000);
    for (const at of [10_000, 30_000]) sender.seal(packet(at));
    const heard: number[] = [];
    for (let at = 65_536 + 50_000; heard.length < 5 && at < 65_536 + 50_300; at++) {
      const plain = packet(at & 0xffff);
      const found = outcome(receiver, sender.seal(plain), plain);
      if (found >= 0) heard.push(found);
    }
    expect(heard).toEqual([50_100, 50_101, 50_102, 50_103, 50_104]);
  });

  it('goes on with its rollover counter under new keys, or begins at zero', () => {
    for (const continued of [true, false]) {
      const { sender, receiver } = pair();
      for (const sequence of [65_535, 0]) receiver.open(sender.seal(packet(sequence)));
      const key = freshKey();
      const next = new SrtpSender(SUITE, key);
      // Counted like the stream before it.
      if (continued) next.seal(packet(65_535));
      const after = new SrtpReceiver(SUITE, [key], receiver);
      expect(outcome(after, next.seal(packet(1)), packet(1))).toBe(1);
      expect(outcome(after, next.seal(packet(2)), packet(2))).toBe(2);
    }
  });

  it('goes on with its rollover counter when keys change twice before a packet comes', () => {
    const { sender, receiver } = pair();
    for (const sequence of [65_535, 0]) receiver.open(sender.seal(packet(sequence)));
    const key = freshKey();
    const next = new SrtpSender(SUITE, key);
    for (const sequence of [65_535, 0]) next.seal(packet(sequence));
    const after = new SrtpReceiver(SUITE, [key], new SrtpReceiver(SUITE, [freshKey()], receiver));
    expect(outcome(after, next.seal(packet(32_768)), packet(32_768))).toBe(32_768);
  });

  it('is found in any round by a receiver that was not there before, within a few packets', () => {
    for (const rounds of [0, 1, 2, 40]) {
      const key = freshKey();
      const late = new SrtpSender(SUITE, key);
      const first = rounds * 65_536 + 40_000;
      for (let at = 0; at < first; at += 30_000) late.seal(packet(at & 0xffff));
      const [lone, told] = [new SrtpReceiver(SUITE, [key]), new SrtpReceiver(SUITE, [key], undefined, 42)];
      let opened = 0;
      for (let at = first; at < first + 10; at++) {
        const plain = packet(at & 0xffff);
        const sealed = late.seal(plain);
        if (outcome(told, sealed, plain) >= 0) opened++;
        expect(outcome(lone, sealed, plain)).toBe(rounds === 0 ? at : UNAUTHENTICATED);
      }
      expect(opened).toBeGreaterThanOrEqual(8);
    }
  });

  it('is opened with the one of several keys that its MKI names', () => {
    const keys = [1, 2].map((number) => freshKey(SUITE, Uint8Array.of(0, number)));
    const receiver = new SrtpReceiver(SUITE, keys);
    for (const [at, key] of [...keys, ...keys].entries()) {
      const plain = packet(at, (at % 2) + 1);
      expect(outcome(receiver, new SrtpSender(SUITE, key).seal(plain), plain)).toBe(at);
    }
    const stranger = new SrtpSender(SUITE, { ...freshKey(), mki: Uint8Array.of(0, 3) });
    expect(receiver.open(stranger.seal(packet(9)))).toBe(UNAUTHENTICATED);
  });

  it('forgets the oldest of very many senders and opens all of them', () => {
    const { sender, receiver } = pair();
    for (let ssrc = 0; ssrc < 600; ssrc++) {
      expect(outcome(receiver, sender.seal(packet(9, ssrc, 4)), packet(9, ssrc, 4))).toBe(9);
    }
    expect(outcome(receiver, sender.seal(packet(10, 599, 4)), packet(10, 599, 4))).toBe(10);
  });

  it('says of what is no RTP that it is malformed', () => {
    const { receiver } = pair();
    for (const length of [0, 1, 11, 21]) expect(receiver.open(Buffer.alloc(length, 0x80))).toBe(MALFORMED);
    expect(receiver.open(Buffer.alloc(60, 0x40))).toBe(MALFORMED);
    expect(receiver.open(Buffer.alloc(60, 0x8f))).toBe(MALFORMED);
    expect(receiver.open(Buffer.alloc(60, 0x9f))).toBe(MALFORMED);
  });
});

describe.each(SUITES)('RTCP protected with %s', (suite) => {
  const report = Buffer.from([0x81, 201, 0, 7, 0xde, 0xca, 0xfb, 0xad, ...noise(24, 3)]);

  it('is opened once each, in any order', () => {
    const key = freshKey(suite, Uint8Array.of(1, 2, 3));
    const [sender, receiver] = [new SrtcpSender(suite, key), new SrtcpReceiver(suite, [key])];
    const sealed = [0, 1, 2].map(() => sender.seal(report));
    expect(new Set(sealed.map((bytes) => bytes.toString('hex'))).size).toBe(3);
    for (const bytes of [sealed[2], sealed[0], sealed[1]]) {
      const copy = Buffer.from(bytes ?? []);
      expect(receiver.open(copy)).toBe(report.length);
      expect(copy.subarray(0, report.length).equals(report)).toBe(true);
    }
    for (const bytes of sealed) expect(receiver.open(Buffer.from(bytes))).toBe(REPLAYED);
  });

  it('is not opened when any byte is another, when it is cut, or with another key', () => {
    const key = freshKey(suite);
    const sealed = new SrtcpSender(suite, key).seal(report);
    const receiver = new SrtcpReceiver(suite, [key]);
    for (let at = 0; at < sealed.length; at++) {
      const bad = Buffer.from(sealed);
      bad[at] = (bad[at] ?? 0) ^ (1 << (at % 8));
      expect(receiver.open(bad)).toBe(UNAUTHENTICATED);
      expect(receiver.open(Buffer.from(sealed.subarray(0, at)))).toBeLessThan(0);
    }
    expect(new SrtcpReceiver(suite, [freshKey(suite)]).open(Buffer.from(sealed))).toBe(UNAUTHENTICATED);
    expect(receiver.open(sealed)).toBe(report.length);
  });
});
