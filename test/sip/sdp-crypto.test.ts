import { describe, expect, it } from 'vitest';
import { SRTP_SUITES, type SrtpSuiteName } from '../../src/core/srtp-suite.js';
import { maskedInvite } from '../../src/sip/invite-copy.js';
import { readOffer } from '../../src/sip/sdp.js';
import { readCrypto } from '../../src/sip/sdp-crypto.js';

/** 30 bytes 0, 1, 2 … in base64; other lengths alike. */
const keyOf = (bytes: number): string => Buffer.from(Array.from({ length: bytes }, (_, i) => i)).toString('base64');
const KEY = keyOf(30);
const OTHER = Buffer.alloc(30, 7).toString('base64');
const line = (rest: string): string[] => [`a=crypto:${rest}`];
const hex = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString('hex');

describe('a=crypto', () => {
  it.each(Object.entries(SRTP_SUITES))('G5: may name %s', (name, { keyBytes, saltBytes }) => {
    const { usable } = readCrypto(line(`7 ${name} inline:${keyOf(keyBytes + saltBytes)}`));
    expect(usable).toMatchObject([{ tag: '7', suite: name as SrtpSuiteName, suiteText: name }]);
    expect(hex(usable[0]?.keys[0]?.key)).toHaveLength(2 * keyBytes);
    expect(hex(usable[0]?.keys[0]?.salt)).toHaveLength(2 * saltBytes);
    expect(hex(usable[0]?.keys[0]?.key).startsWith('000102')).toBe(true);
    expect(usable[0]?.keys[0]?.salt[0]).toBe(keyBytes);
  });

  it.each([
    ['a lifetime as a power of two', `1 AES_CM_128_HMAC_SHA1_80 inline:${KEY}|2^31`, ''],
    ['the longest lifetime', `1 AES_CM_128_HMAC_SHA1_80 inline:${KEY}|2^48`, ''],
    ['a lifetime as a number', `1 AES_CM_128_HMAC_SHA1_80 inline:${KEY}|1048576`, ''],
    ['an MKI', `1 AES_CM_128_HMAC_SHA1_80 inline:${KEY}|1:4`, '00000001'],
    ['a lifetime and an MKI', `1 AES_CM_128_HMAC_SHA1_80 inline:${KEY}|2^20|258:2`, '0102'],
    ['an MKI of 128 bytes', `1 AES_CM_128_HMAC_SHA1_80 inline:${KEY}|5:128`, `${'00'.repeat(127)}05`],
    ['a window', `1 AES_CM_128_HMAC_SHA1_80 inline:${KEY} WSH=64`, ''],
    ['unknown parameters that may be passed over', `1 AES_CM_128_HMAC_SHA1_80 inline:${KEY} -FOO=1 -KDR=3`, ''],
    ['blanks and another case', `  000000001   aes_cm_128_hmac_sha1_80  INLINE:${KEY} `, ''],
  ])('G4: is taken with %s', (_what, text, mki) => {
    const { usable, fault } = readCrypto(line(text));
    expect(fault).toBeUndefined();
    expect(usable).toHaveLength(1);
    expect(hex(usable[0]?.keys[0]?.mki)).toBe(mki);
  });

  it('is answered with the spelling of the offer, also when that is of a draft', () => {
    const { usable } = readCrypto(line(`1 AES_CM_256_HMAC_SHA1_80 inline:${keyOf(46)}`));
    expect(usable).toMatchObject([{ suite: 'AES_256_CM_HMAC_SHA1_80', suiteText: 'AES_CM_256_HMAC_SHA1_80' }]);
  });

  it('has its key with and without the padding of base64', () => {
    const [padded, bare] = [keyOf(46), keyOf(46).replace(/=+$/, '')];
    const keys = [padded, bare].map(
      (key) => readCrypto(line(`1 AES_256_CM_HMAC_SHA1_80 inline:${key}`)).usable[0]?.keys[0]?.key,
    );
    expect(bare).not.toBe(padded);
    expect(hex(keys[0])).toBe(hex(keys[1]));
    expect(keys[0]).toHaveLength(32);
  });

  it('may have several keys, each with an MKI of its own', () => {
    const { usable } = readCrypto(line(`1 AES_CM_128_HMAC_SHA1_80 inline:${KEY}|2^20|1:4;inline:${OTHER}|2^20|2:4`));
    expect(usable[0]?.keys.map(({ mki }) => hex(mki))).toEqual(['00000001', '00000002']);
  });

  it.each([
    ['no tag', `AES_CM_128_HMAC_SHA1_80 inline:${KEY}`, 'grammar'],
    ['no key', '1 AES_CM_128_HMAC_SHA1_80', 'grammar'],
    ['nothing', '', 'grammar'],
    ['an unknown suite', `1 F8_128_HMAC_SHA1_80 inline:${KEY}`, 'suite'],
    ['a suite without encryption', `1 NULL_HMAC_SHA1_80 inline:${KEY}`, 'suite'],
    ['the name of an object property', `1 constructor inline:${KEY}`, 'suite'],
    ['another method', `1 AES_CM_128_HMAC_SHA1_80 uri:${KEY}`, 'key'],
    ['a key of another length', `1 AES_CM_128_HMAC_SHA1_80 inline:${keyOf(29)}`, 'key'],
    ['the key of another suite', `1 AES_256_CM_HMAC_SHA1_80 inline:${KEY}`, 'key'],
    ['a key that is no base64', `1 AES_CM_128_HMAC_SHA1_80 inline:${KEY.slice(0, 39)}!`, 'key'],
    ['a key that is no whole base64', `1 AES_CM_128_HMAC_SHA1_80 inline:${KEY}A`, 'key'],
    ['an empty second key', `1 AES_CM_128_HMAC_SHA1_80 inline:${KEY}|1:4;`, 'key'],
    ['a lifetime of nothing', `1 AES_CM_128_HMAC_SHA1_80 inline:${KEY}|0`, 'lifetime'],
    ['a lifetime beyond 2^48', `1 AES_CM_128_HMAC_SHA1_80 inline:${KEY}|2^49`, 'lifetime'],
    ['a number beyond 2^48', `1 AES_CM_128_HMAC_SHA1_80 inline:${KEY}|281474976710657`, 'lifetime'],
    ['an empty lifetime', `1 AES_CM_128_HMAC_SHA1_80 inline:${KEY}|`, 'lifetime'],
    ['an MKI of no bytes', `1 AES_CM_128_HMAC_SHA1_80 inline:${KEY}|1:0`, 'MKI'],
    ['an MKI of 129 bytes', `1 AES_CM_128_HMAC_SHA1_80 inline:${KEY}|1:129`, 'MKI'],
    ['an MKI that does not fit', `1 AES_CM_128_HMAC_SHA1_80 inline:${KEY}|256:1`, 'MKI'],
    ['MKI and lifetime the wrong way round', `1 AES_CM_128_HMAC_SHA1_80 inline:${KEY}|1:4|2^20`, 'MKI'],
    ['two keys of which one has no MKI', `1 AES_CM_128_HMAC_SHA1_80 inline:${KEY}|1:4;inline:${OTHER}`, 'MKI'],
    ['two keys with one MKI', `1 AES_CM_128_HMAC_SHA1_80 inline:${KEY}|1:4;inline:${OTHER}|1:4`, 'MKI'],
    ['two MKIs of unlike lengths', `1 AES_CM_128_HMAC_SHA1_80 inline:${KEY}|1:4;inline:${OTHER}|2:2`, 'MKI'],
    ['another key derivation', `1 AES_CM_128_HMAC_SHA1_80 inline:${KEY} KDR=3`, 'session parameter'],
    ['no encryption', `1 AES_CM_128_HMAC_SHA1_80 inline:${KEY} UNENCRYPTED_SRTP`, 'session parameter'],
    ['no encryption of RTCP', `1 AES_CM_128_HMAC_SHA1_80 inline:${KEY} UNENCRYPTED_SRTCP`, 'session parameter'],
    ['no authentication', `1 AES_CM_128_HMAC_SHA1_80 inline:${KEY} UNAUTHENTICATED_SRTP`, 'session parameter'],
    ['error correction', `1 AES_CM_128_HMAC_SHA1_80 inline:${KEY} FEC_ORDER=FEC_SRTP`, 'session parameter'],
    ['a window that is too small', `1 AES_CM_128_HMAC_SHA1_80 inline:${KEY} WSH=32`, 'session parameter'],
    ['an unknown parameter', `1 AES_CM_128_HMAC_SHA1_80 inline:${KEY} FOO`, 'session parameter'],
  ])('G4: is not usable with %s, and the next one is', (_what, text, fault) => {
    expect(readCrypto(line(text))).toEqual({ usable: [], fault });
    const next = `2 AES_CM_128_HMAC_SHA1_32 inline:${OTHER}`;
    expect(readCrypto([...line(text), ...line(next)]).usable).toMatchObject([{ tag: '2' }]);
  });

  it('is read up to 32 lines', () => {
    const lines = Array.from({ length: 100 }, (_, i) => `a=crypto:${i} AES_CM_128_HMAC_SHA1_80 inline:${KEY}`);
    expect(readCrypto(lines).usable).toHaveLength(32);
  });
});

const offer = (...lines: string[]): string =>
  ['v=0', 'o=- 1 1 IN IP4 192.0.2.1', 's=-', 'c=IN IP4 192.0.2.1', 't=0 0', ...lines, ''].join('\r\n');

describe('an offer with keys', () => {
  it('has those of each m-line, in the order of preference, and none of the session', () => {
    const { media, warnings } = readOffer(
      Buffer.from(
        offer(
          `a=crypto:9 AES_CM_128_HMAC_SHA1_80 inline:${KEY}`,
          'm=audio 5004 RTP/SAVP 0',
          `a=crypto:1 AES_CM_128_HMAC_SHA1_32 inline:${KEY}`,
          `A = Crypto: 2 AES_CM_128_HMAC_SHA1_80 inline:${OTHER}`,
          'm=audio 5006 RTP/AVP 0',
          'm=audio 5008 RTP/SAVPF 0',
          `a=crypto:1 NULL inline:${KEY}`,
          'm=audio 5010 RTP/SAVP 0',
          'm=audio 0 RTP/SAVP 0',
        ),
      ),
    );
    expect(media.streams.map(({ crypto }) => crypto?.map(({ tag }) => tag))).toEqual([
      ['1', '2'],
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
    expect(warnings).toEqual([
      { code: 'crypto_unusable', detail: 'm-line 3: suite' },
      { code: 'crypto_unusable', detail: 'm-line 4: none offered' },
    ]);
  });

  it.each([
    ['as everybody writes it', `a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:${KEY}|2^31|1:4`],
    ['with several keys', `a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:${KEY}|1:4;inline:${OTHER}|2:4`],
    ['with blanks and another case', `A = CRYPTO : 1 AES_CM_128_HMAC_SHA1_80 inline:${KEY}`],
    ['with a tab before it', `\ta=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:${KEY}`],
  ])('G6: is kept without them: %s', (_what, crypto) => {
    const body = offer('m=audio 5004 RTP/SAVP 0', crypto, 'a=label:1');
    const message = Buffer.from(
      `INVITE sip:a SIP/2.0\r\nContent-Type: application/sdp\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
    const kept = Buffer.from(maskedInvite(message)).toString('latin1');
    expect(kept).toHaveLength(message.length);
    expect(kept).not.toMatch(new RegExp(`${KEY.slice(0, 8)}|${OTHER.slice(0, 8)}|inline`));
    expect(kept).toContain('a=label:1');
  });
});
