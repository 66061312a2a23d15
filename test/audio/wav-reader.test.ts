import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeWav } from '../../src/audio/wav-file.js';
import { readWav } from '../../src/audio/wav-reader.js';
import { SrsError } from '../../src/core/errors.js';

const ramp = Int16Array.from({ length: 2000 }, (_, i) => Math.round(20_000 * Math.sin(i / 9)));

/** Through ffmpeg, as a WAV with the given sample format. */
function converted(codec: string, ...more: string[]): Uint8Array {
  const input = encodeWav(ramp, 8000, 1);
  const args = ['-v', 'error', '-i', 'pipe:0', '-c:a', codec, ...more, '-f', 'wav', 'pipe:1'];
  return execFileSync('ffmpeg', args, { input });
}

function worstDifference(a: Int16Array, b: Int16Array): number {
  return a.reduce((worst, value, i) => Math.max(worst, Math.abs(value - (b[i] ?? 0))), 0);
}

function refusal(bytes: Uint8Array): string {
  try {
    readWav(bytes);
  } catch (error) {
    if (error instanceof SrsError && error.code === 'SRS_WAV_MALFORMED') return error.message;
    throw error;
  }
  throw new Error('it was read');
}

describe('readWav', () => {
  it('gives back what encodeWav wrote', () => {
    const stereo = encodeWav(ramp, 16_000, 2);
    expect(stereo).toHaveLength(44 + 4000);
    expect(readWav(stereo)).toEqual({ sampleRate: 16_000, channels: 2, samples: ramp });
  });

  // ffmpeg writes no size that it cannot seek back to, so each of these also has a size of 0xFFFFFFFF.
  it.each([
    ['pcm_u8', 256],
    ['pcm_s16le', 0],
    ['pcm_s24le', 0],
    ['pcm_s32le', 0],
    ['pcm_f32le', 1],
    ['pcm_f64le', 1],
    ['pcm_mulaw', 700],
    ['pcm_alaw', 700],
  ])('reads the %s that ffmpeg writes to a pipe', (codec, tolerance) => {
    const { sampleRate, channels, samples } = readWav(converted(codec));
    expect({ sampleRate, channels, length: samples.length }).toEqual({ sampleRate: 8000, channels: 1, length: 2000 });
    expect(worstDifference(samples, ramp)).toBeLessThanOrEqual(tolerance);
  });

  it('reads an extensible header by its sub-format', () => {
    const six = readWav(converted('pcm_s24le', '-ac', '6'));
    expect(six).toMatchObject({ sampleRate: 8000, channels: 6 });
    expect(six.samples).toHaveLength(12_000);
  });

  it.each([0, 0xffff_ffff, 9_999_999])('reads to the end of the file when the data size says %i', (size) => {
    const wav = encodeWav(ramp, 8000, 1);
    Buffer.from(wav.buffer, wav.byteOffset).writeUInt32LE(size, 40);
    expect(readWav(wav).samples).toEqual(ramp);
  });

  it('takes an empty data chunk with chunks after it as no sound', () => {
    const list = Buffer.from('LIST\x04\x00\x00\x00INFO', 'latin1');
    const wav = Buffer.concat([encodeWav(new Int16Array(0), 8000, 1), list]);
    expect(readWav(wav).samples).toHaveLength(0);
  });

  it('skips foreign chunks with an odd size before the sound', () => {
    const wav = Buffer.from(encodeWav(ramp, 8000, 1));
    const odd = Buffer.from('junk\x03\x00\x00\x00abc\x00', 'latin1');
    expect(readWav(Buffer.concat([wav.subarray(0, 36), odd, wav.subarray(36)])).samples).toEqual(ramp);
  });

  it('drops half a frame at the end', () => {
    const stereo = encodeWav(ramp, 8000, 2);
    expect(readWav(stereo.subarray(0, stereo.length - 3)).samples).toHaveLength(1998);
  });

  it('turns NaN and values over 1 of float sound into silence and the rail', () => {
    const wav = Buffer.from(encodeWav(new Int16Array(6), 8000, 1));
    wav.writeUInt16LE(3, 20);
    wav.writeUInt16LE(32, 34);
    for (const [i, value] of [Number.NaN, 5, -5].entries()) wav.writeFloatLE(value, 44 + 4 * i);
    expect([...readWav(wav).samples]).toEqual([0, 32_767, -32_768]);
  });

  it('names the rule that a bad file breaks', () => {
    const wav = Buffer.from(encodeWav(ramp, 8000, 1));
    const patched = (at: number, value: number): Buffer => {
      const copy = Buffer.from(wav);
      copy.writeUInt16LE(value, at);
      return copy;
    };
    expect(refusal(Buffer.alloc(3))).toMatch(/3 bytes are shorter than a RIFF header/);
    expect(refusal(Buffer.from('{"error":"no such file"}'))).toMatch(/does not begin with RIFF/);
    expect(refusal(patched(22, 0))).toMatch(/0 channels/);
    expect(refusal(patched(20, 85))).toMatch(/format 85 with 16 bits/);
    expect(refusal(patched(16, 4))).toMatch(/fmt chunk has 4 bytes/);
    expect(refusal(wav.subarray(0, 36))).toMatch(/no data chunk/);
    expect(refusal(wav.subarray(0, 12))).toMatch(/no fmt chunk/);
    expect(refusal(Buffer.concat([wav.subarray(0, 12), wav.subarray(36)]))).toMatch(/data chunk comes before/);
  });

  it('either reads or refuses any bytes, and nothing else', () => {
    const header = Buffer.from(encodeWav(ramp.subarray(0, 40), 8000, 1));
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(123), fc.nat(255)), { maxLength: 12 }), fc.nat(124), (edits, length) => {
        const bytes = Buffer.from(header);
        for (const [at, value] of edits) bytes[at] = value;
        try {
          expect(readWav(bytes.subarray(0, length)).samples.length).toBeLessThanOrEqual(length);
        } catch (error) {
          expect(error).toMatchObject({ code: 'SRS_WAV_MALFORMED' });
        }
      }),
      { numRuns: 2000 },
    );
  });
});
