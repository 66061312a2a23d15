import { readFileSync } from 'node:fs';
import { decodeG711, encodeG711, type G711Law } from '../../src/audio/g711.js';
import { readWav } from '../../src/audio/wav-reader.js';

export interface BitExactness {
  /** Samples of silence before the first sent one; -1 when the sent audio does not stand in the file. */
  readonly offset: number;
  /** Samples in the file. */
  readonly length: number;
  /** Whether everything outside the sent audio is silence. */
  readonly silentElsewhere: boolean;
}

/**
 * Looks for the sent audio, as G.711 carries it, in one channel of a recording, sample by sample. Only a leg's start on the call clock may
 * differ from the sender's view, by less than `maxOffset` samples.
 */
export function findSent(
  path: string,
  sent: Int16Array,
  law: G711Law = 'PCMU',
  channel = 0,
  maxOffset = 800,
): BitExactness {
  const wav = readWav(readFileSync(path));
  const samples = wav.samples.filter((_, i) => i % wav.channels === channel);
  const expected = decodeG711(law, encodeG711(law, sent));
  for (let offset = 0; offset <= Math.min(maxOffset, samples.length - expected.length); offset++) {
    if (!expected.every((sample, i) => samples[offset + i] === sample)) continue;
    const end = offset + expected.length;
    const silentElsewhere = samples.every((sample, i) => (i >= offset && i < end) || sample === 0);
    return { offset, length: samples.length, silentElsewhere };
  }
  return { offset: -1, length: samples.length, silentElsewhere: false };
}
