import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { SRTP_SUITES, type SrtpMasterKey, type SrtpSuiteName } from '../../src/core/srtp-suite.js';
import { AesCounter } from '../../src/rtp/aes-counter.js';
import { SrtcpReceiver, SrtcpSender } from '../../src/rtp/srtcp.js';
import { deriveSessionKeys } from '../../src/rtp/srtp-keys.js';
import { SrtpReceiver } from '../../src/rtp/srtp-receiver.js';
import { SrtpSender } from '../../src/rtp/srtp-sender.js';
import { emptyParts, GcmTransform } from '../../src/rtp/srtp-transform.js';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(/\s/g, ''), 'hex');
const asHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

describe('AES in counter mode', () => {
  it.each([[1], [8]])('makes the keystream of RFC 3711 appendix B.2, %i packets at once', (ahead) => {
    const cipher = new AesCounter(hex('2B7E151628AED2A6ABF7158809CF4F3C'), hex('F0F1F2F3F4F5F6F7F8F9FAFBFCFD'), ahead);
    const bytes = new Uint8Array(48);
    cipher.apply(bytes, 0, bytes.length, 0, 0);
    expect(asHex(bytes).toUpperCase()).toBe(
      'E03EAD0935C95E80E166B16DD92B4EB4D23513162B02D0F72A43A2FE4A5F97AB41E95B3BB0A2E8DD477901E4FCA894C0',
    );
  });

  it('makes the same keystream for every packet, whether it was made ahead or not, and in any order', () => {
    const [key, salt] = [hex('00112233445566778899aabbccddeeff'), hex('0102030405060708090a0b0c0d0e')];
    const ahead = new AesCounter(key, salt);
    for (const index of [5, 6, 7, 4, 13, 8, 65_535, 65_536, 2 ** 32 + 1, 2 ** 48 - 1]) {
      for (const length of [1, 16, 160, 161]) {
        const [one, other] = [new Uint8Array(length), new Uint8Array(length)];
        ahead.apply(one, 0, length, 0xdecafbad, index);
        new AesCounter(key, salt, 1).apply(other, 0, length, 0xdecafbad, index);
        expect(asHex(one)).toBe(asHex(other));
      }
    }
  });
});

describe('session keys', () => {
  it('are those of RFC 3711 appendix B.3 for a key of 128 bits', () => {
    const master = { key: hex('E1F97A0D3E018BE0D64FA32C06DE4139'), salt: hex('0EC675AD498AFEEBB6960B3AABE6') };
    const keys = deriveSessionKeys('AES_CM_128_HMAC_SHA1_80', master, 'rtp');
    expect(asHex(keys.cipherKey).toUpperCase()).toBe('C61E7A93744F39EE10734AFE3FF7A087');
    expect(asHex(keys.salt).toUpperCase()).toBe('30CBBC08863D8C85D49DB34A9AE1');
    expect(asHex(keys.authKey).toUpperCase()).toBe('CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4');
  });

  it('are those of RFC 6188 section 7.2 for a key of 256 bits', () => {
    const master = {
      key: hex('f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6'),
      salt: hex('3b04803de51ee7c96423ab5b78d2'),
    };
    const keys = deriveSessionKeys('AES_256_CM_HMAC_SHA1_80', master, 'rtp');
    expect(asHex(keys.cipherKey)).toBe('5ba1064e30ec51613cad926c5a28ef731ec7fb397f70a960653caf06554cd8c4');
    expect(asHex(keys.salt)).toBe('fa31791685ca444a9e07c6c64e93');
    expect(asHex(keys.authKey)).toBe('fd9c32d39ed5fbb5a9dc96b30818454d1313dc05');
  });

  it('are not made from a key of another length', () => {
    const master = { key: new Uint8Array(16), salt: new Uint8Array(14) };
    expect(() => deriveSessionKeys('AES_256_CM_HMAC_SHA1_80', master, 'rtp')).toThrow(RangeError);
    expect(() => deriveSessionKeys('AEAD_AES_128_GCM', master, 'rtp')).toThrow(RangeError);
  });
});

describe('AES-GCM', () => {
  const key = (bytes: number): Uint8Array => Uint8Array.from({ length: bytes }, (_, i) => i);
  const salt = hex('51756964 2070726f 2071756f');
  const rtp = hex(
    '8040f17b 8041f8d3 5501a0b2 47616c6c 69612065 7374206f 6d6e6973 20646976 69736120 696e2070 61727465 73207472 6573',
  );
  const rtcp = hex(
    '81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61 deadbeef deadbeef deadbeef deadbeef deadbeef',
  );

  it.each([
    [
      16,
      'f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833899d7f27beb16a9152cf765ee4390cce',
    ],
    [
      32,
      '32b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b7aa3db36dfffd6b0f9bb7878d7a76c13',
    ],
  ])('seals and opens the RTP packet of RFC 7714 section 16 with a key of %i bytes', (bytes, sealed) => {
    const parts = { ...emptyParts(), from: 12, to: rtp.length, tagAt: rtp.length, ssrc: 0x5501a0b2, index: 0xf17b };
    const transform = new GcmTransform(key(bytes), salt);
    const packet = Buffer.concat([rtp, Buffer.alloc(16)]);
    transform.seal(packet, parts);
    expect(asHex(packet.subarray(12))).toBe(sealed);
    expect(transform.open(packet, parts)).toBe(true);
    expect(asHex(packet.subarray(0, rtp.length))).toBe(asHex(rtp));
  });

  it.each([
    [
      16,
      '63e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda4ce09b4686303ded0bb9275bc84aa45896cf4d2fc5abf87245d9eade',
    ],
    [
      32,
      'd50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50a2eaa5c1110555be8415f658c61de0476f1b6fad1d1eb30c4446839f57ff6f6cb26ac3be',
    ],
  ])('seals and opens the RTCP packet of RFC 7714 section 17 with a key of %i bytes', (bytes, sealed) => {
    const parts = {
      ...emptyParts(),
      ...{ from: 8, to: rtcp.length, tagAt: rtcp.length, ssrc: 0x4d617273, index: 0x5d4, trailer: 0x800005d4 },
    };
    const transform = new GcmTransform(key(bytes), salt);
    const packet = Buffer.concat([rtcp, Buffer.alloc(16)]);
    transform.seal(packet, parts);
    expect(asHex(packet.subarray(8))).toBe(sealed);
    expect(transform.open(packet, parts)).toBe(true);
    expect(asHex(packet.subarray(0, rtcp.length))).toBe(asHex(rtcp));
  });
});

const SUITES = Object.keys(SRTP_SUITES) as SrtpSuiteName[];

/** Bytes 0x10, 0x17, 0x1e … as key and salt. */
function master(suite: SrtpSuiteName, mki?: Uint8Array): SrtpMasterKey {
  const { keyBytes, saltBytes } = SRTP_SUITES[suite];
  const all = Uint8Array.from({ length: keyBytes + saltBytes }, (_, i) => 0x10 + 7 * i);
  return { key: all.slice(0, keyBytes), salt: all.slice(keyBytes), ...(mki ? { mki } : {}) };
}

/** Three packets over the end of the numbering, each with a header extension, and two of RTCP. */
const PLAIN = {
  rtp: [65_534, 65_535, 0].map((sequence, at) => {
    const packet = Buffer.alloc(41);
    packet.set([0x90, 0x80, sequence >> 8, sequence & 0xff, 0, 0, 0, 100 + at, 0xde, 0xca, 0xfb, 0xad]);
    packet.set([0xbe, 0xde, 0, 1, 0x10, 0xff, 0, 0], 12);
    packet.set(
      Array.from({ length: 21 }, (_, i) => i),
      20,
    );
    return packet;
  }),
  rtcp: [0, 1].map(() => Buffer.from([0x81, 201, 0, 7, 0xde, 0xca, 0xfb, 0xad, ...range(8, 32)])),
};

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}

const libsrtp = readFileSync('test/fixtures/srtp/libsrtp-packets.txt', 'utf8')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'))
  .map((line) => line.split(' '));

describe.each(SUITES)('packets that libsrtp has sealed with %s', (suite) => {
  it.each([
    ['without', undefined],
    ['with', Uint8Array.of(0, 0, 0, 1)],
  ])('are opened, over a rollover, %s an MKI, and ours are the same bytes', (_, mki) => {
    const key = master(suite, mki);
    const mine = libsrtp.filter(([name, marked]) => name === suite && marked === (mki ? 'mki' : '-'));
    const receiver = { rtp: new SrtpReceiver(suite, [key]), rtcp: new SrtcpReceiver(suite, [key]) };
    const sender = { rtp: new SrtpSender(suite, key), rtcp: new SrtcpSender(suite, key) };
    // libsrtp counts RTCP from one; RFC 3711 §3.2.1 from zero.
    sender.rtcp.seal(Buffer.alloc(8));
    for (const kind of ['rtp', 'rtcp'] as const) {
      const sealed = mine.filter(([, , of]) => of === kind).map(([, , , bytes = '']) => bytes);
      expect(sealed).toHaveLength(PLAIN[kind].length);
      for (const [at, bytes] of sealed.entries()) {
        const plain = PLAIN[kind][at] ?? Buffer.alloc(0);
        const packet = hex(bytes);
        expect(receiver[kind].open(packet)).toBe(plain.length);
        expect(asHex(packet.subarray(0, plain.length))).toBe(asHex(plain));
        expect(asHex(sender[kind].seal(plain))).toBe(bytes);
      }
    }
  });
});
