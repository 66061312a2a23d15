import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { WavPeaks } from '../../src/audio/wav-peaks.js';
import { wavHeader } from '../../src/audio/wav-writer.js';
import '../helpers/property-seed.js';

function wav(samples: Int16Array, channels: number, sampleRate: number): Buffer {
  const data = Buffer.from(samples.buffer, samples.byteOffset, samples.byteLength);
  return Buffer.concat([wavHeader({ channels, sampleRate }, data.length), data]);
}

/** The definition, with no thought of speed. */
function naive(samples: Int16Array, channels: number, perPoint: number): number[] {
  const data: number[] = [];
  for (let from = 0; from < samples.length / channels; from += perPoint) {
    for (let channel = 0; channel < channels; channel++) {
      const stretch: number[] = [];
      for (let frame = from; frame < Math.min(from + perPoint, samples.length / channels); frame++) {
        stretch.push(samples[frame * channels + channel] ?? 0);
      }
      data.push(Math.floor(Math.min(...stretch) / 256), Math.floor(Math.max(...stretch) / 256));
    }
  }
  return data;
}

describe('the peaks of a recording', () => {
  it('are the lowest and highest sample of each twentieth of a second and channel, however the bytes come in', () => {
    fc.assert(
      fc.property(
        fc.int16Array({ maxLength: 6000 }),
        fc.constantFrom(1, 2, 3),
        fc.constantFrom(8000, 16_000, 48_000),
        fc.array(fc.integer({ min: 1, max: 3000 }), { minLength: 1, maxLength: 20 }),
        (all, channels, rate, sizes) => {
          const samples = all.subarray(0, all.length - (all.length % channels));
          const bytes = wav(samples, channels, rate);
          const peaks = new WavPeaks();
          for (let at = 0, i = 0; at < bytes.length; i++) {
            const size = sizes[i % sizes.length] ?? 1;
            peaks.push(bytes.subarray(at, at + size));
            at += size;
          }
          const data = naive(samples, channels, rate / 20);
          expect(peaks.finish()).toEqual({
            version: 2,
            channels,
            sample_rate: rate,
            samples_per_pixel: rate / 20,
            bits: 8,
            length: data.length / 2 / channels,
            data,
          });
        },
      ),
      { numRuns: 200 },
    );
  });

  it('of an empty recording are none, and of what is no WAV of 16 bits there are no peaks', () => {
    const empty = new WavPeaks();
    empty.push(wav(new Int16Array(0), 2, 8000));
    expect(empty.finish()).toMatchObject({ length: 0, data: [] });
    for (const bytes of [Buffer.alloc(0), Buffer.from('RIFF'), Buffer.alloc(500, 7)]) {
      const peaks = new WavPeaks();
      peaks.push(bytes);
      expect(peaks.finish()).toBeUndefined();
    }
  });
});
