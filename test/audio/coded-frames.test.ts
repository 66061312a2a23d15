import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { AmrFrames, G729_FRAMES } from '../../src/audio/coded-frames.js';
import { rtpByFfmpeg } from '../helpers/ffmpeg-rtp.js';
import { temporaryDirectory } from '../rtp/media-fixture.js';
import { noise } from '../rtp/rtp-sender.js';

/** Bits of a frame of each type, from 3GPP TS 26.101 table 2 and TS 26.201 table 2. */
const BITS = {
  AMR: [95, 103, 118, 134, 148, 159, 204, 244],
  'AMR-WB': [132, 177, 253, 285, 317, 365, 397, 461, 477],
} as const;
type Family = keyof typeof BITS;

const folder = temporaryDirectory();
afterAll(folder.remove);

interface Speech {
  readonly type: number;
  /** One entry per bit. */
  readonly bits: readonly number[];
}

function speech(family: Family, type: number, seed: number): Speech {
  const length = BITS[family][type] ?? 0;
  const bytes = noise(Math.ceil(length / 8), seed);
  return { type, bits: Array.from({ length }, (_, i) => ((bytes[i >> 3] ?? 0) >> (7 - (i & 7))) & 1) };
}

const bitsOf = (value: number, count: number): number[] =>
  Array.from({ length: count }, (_, i) => (value >> (count - 1 - i)) & 1);
const padded = (bits: readonly number[]): number[] => [...bits, ...new Array((8 - (bits.length % 8)) % 8).fill(0)];
const packed = (bits: readonly number[]): Uint8Array =>
  Uint8Array.from({ length: Math.ceil(bits.length / 8) }, (_, i) =>
    padded(bits)
      .slice(i * 8, i * 8 + 8)
      .reduce((byte, bit) => byte * 2 + bit, 0),
  );

/** Bandwidth-efficient (RFC 4867 §4.3): mode request, table of contents, speech, all bit after bit. */
function efficient(frames: readonly Speech[]): Uint8Array {
  const contents = frames.flatMap(({ type }, i) => [i < frames.length - 1 ? 1 : 0, ...bitsOf(type, 4), 1]);
  return packed([...bitsOf(15, 4), ...contents, ...frames.flatMap(({ bits }) => bits)]);
}

/** Octet-aligned (§4.4): each part filled up to a byte. */
function aligned(frames: readonly Speech[]): Uint8Array {
  const contents = frames.flatMap(({ type }, i) => [i < frames.length - 1 ? 1 : 0, ...bitsOf(type, 4), 1, 0, 0]);
  return packed([...bitsOf(0xf0, 8), ...contents, ...frames.flatMap(({ bits }) => padded(bits))]);
}

/** As in a file (§5.3). */
const stored = ({ type, bits }: Speech): Uint8Array => Uint8Array.of((type << 3) | 4, ...packed(bits));

describe.each(['AMR', 'AMR-WB'] as const)('a packet of %s', (family) => {
  const wide = family === 'AMR-WB';
  const samples = wide ? 320 : 160;

  it.each(BITS[family].map((_, type) => type))('with frames of type %i is taken apart in both formats', (type) => {
    const frames = [speech(family, type, 1 + type), speech(family, 7, 90), speech(family, type, 40 + type)];
    const wanted = frames.map((frame, i) => ({ at: i * samples, bytes: stored(frame) }));
    expect(new AmrFrames(wide, false).frames(efficient(frames))).toEqual(wanted);
    expect(new AmrFrames(wide, true).frames(aligned(frames))).toEqual(wanted);
    expect(new AmrFrames(wide, false).frames(efficient(frames.slice(0, 1)))).toEqual(wanted.slice(0, 1));
  });

  it('has silence where a frame is comfort noise, damaged or missing', () => {
    const noiseType = wide ? 9 : 8;
    const noiseBits = wide ? 40 : 39;
    const good = speech(family, 2, 5);
    const frames = [{ type: 15, bits: [] }, { type: noiseType, bits: new Array(noiseBits).fill(1) }, good];
    const wanted = [{ at: 2 * samples, bytes: stored(good) }];
    expect(new AmrFrames(wide, false).frames(efficient(frames))).toEqual(wanted);
    expect(new AmrFrames(wide, true).frames(aligned(frames))).toEqual(wanted);
    const damaged = aligned([good]);
    damaged[1] = (damaged[1] ?? 0) & ~4;
    expect(new AmrFrames(wide, true).frames(damaged)).toEqual([]);
  });

  it('that ends too soon, has a reserved type or no end of its table breaks the rules', () => {
    for (const octets of [false, true]) {
      const format = new AmrFrames(wide, octets);
      const whole = (octets ? aligned : efficient)([speech(family, 5, 3), speech(family, 1, 4)]);
      for (let length = 0; length < whole.length; length++) {
        expect(format.frames(whole.subarray(0, length))).toBeUndefined();
      }
      expect(
        format.frames((octets ? aligned : efficient)([{ type: 12, bits: new Array(400).fill(0) }])),
      ).toBeUndefined();
      expect(format.frames(new Uint8Array(100).fill(0xff))).toBeUndefined();
    }
  });

  it('from ffmpeg holds the frames of the file that ffmpeg packed', async () => {
    const frames = Array.from({ length: 100 }, (_, i) => stored(speech(family, i % BITS[family].length, 300 + i)));
    const path = join(folder.path, `${family}.amr`);
    writeFileSync(path, Buffer.concat([Buffer.from(wide ? '#!AMR-WB\n' : '#!AMR\n'), ...frames]));
    const packets = await rtpByFfmpeg(['-f', 'amr', '-i', path], ['-c', 'copy']);
    const format = new AmrFrames(wide, true);
    const got = packets.flatMap(({ payload }) => format.frames(payload) ?? []).map(({ bytes }) => bytes);
    // It fills packets, and never sends the last one that is not full.
    expect(got.length).toBeGreaterThan(50);
    expect(got).toEqual(frames.slice(0, got.length));
  });
});

describe('a packet of G.729', () => {
  it('is frames of 10 ms, and comfort noise at its end is silence', () => {
    const payload = noise(32, 7);
    expect(G729_FRAMES.frames(payload)).toEqual(
      [0, 1, 2].map((i) => ({ at: i * 80, bytes: payload.slice(i * 10, i * 10 + 10) })),
    );
    expect(G729_FRAMES.frames(payload.subarray(0, 2))).toEqual([]);
  });

  it('of any other length breaks the rules', () => {
    for (const length of [1, 5, 9, 11, 13, 19, 28]) expect(G729_FRAMES.frames(noise(length, 7))).toBeUndefined();
  });
});
