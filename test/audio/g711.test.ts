import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import {
  decodeG711,
  decodePcma,
  decodePcmu,
  encodeG711,
  encodePcma,
  encodePcmu,
  type G711Law,
} from '../../src/audio/g711.js';

const CODES = Uint8Array.from({ length: 256 }, (_, code) => code);

function ffmpeg(args: readonly string[], input: Uint8Array): Buffer {
  return execFileSync('ffmpeg', ['-v', 'error', ...args, '-'], { input });
}

const asSamples = (bytes: Uint8Array): Int16Array => new Int16Array(new Uint8Array(bytes).buffer);

describe.each([
  ['PCMU', 'mulaw', decodePcmu, encodePcmu],
  ['PCMA', 'alaw', decodePcma, encodePcma],
] as const)('%s', (law: G711Law, format, table, encode) => {
  it('decodes all 256 codes as ffmpeg does, bit for bit', () => {
    const wanted = asSamples(ffmpeg(['-f', format, '-ar', '8000', '-ac', '1', '-i', '-', '-f', 's16le'], CODES));
    expect(table).toEqual(wanted);
    expect(decodeG711(law, CODES)).toEqual(wanted);
  });

  it('encodes every decoded value to a code of the same value', () => {
    for (const code of CODES) expect(table[encode(table[code] ?? 0)]).toBe(table[code]);
  });

  it('encodes all 65,536 samples with an error of half a step at most, and louder never becomes softer', () => {
    const samples = Int16Array.from({ length: 65_536 }, (_, i) => i - 32_768);
    const back = decodeG711(law, encodeG711(law, samples));
    const bias = law === 'PCMU' ? 132 : 0;
    for (const [i, sample] of samples.entries()) {
      // µ-law is defined up to 32,635; what is louder takes the loudest code.
      const heard = Math.max(-32_767, Math.min(32_767, sample));
      const inLaw = law === 'PCMU' ? Math.max(-32_635, Math.min(32_635, heard)) : heard;
      const halfStep = Math.max(law === 'PCMU' ? 4 : 8, 2 ** (Math.floor(Math.log2(Math.abs(inLaw) + bias)) - 5));
      const error = Math.abs((back[i] ?? 0) - inLaw);
      if (error > halfStep) throw new Error(`sample ${sample} came back as ${back[i]}`);
      if (i > 0 && (back[i] ?? 0) < (back[i - 1] ?? 0))
        throw new Error(`sample ${sample} is softer than the one before`);
    }
  });
});
