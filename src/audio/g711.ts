/**
 * G.711 (ITU-T G.711, 1988): µ-law and A-law against 16-bit linear PCM.
 *
 * Both laws are eight chords per sign, each of sixteen equal steps. Decoding is a table of 256 values, built here from the definition;
 * ffmpeg and the ITU's reference code give the same values, bit for bit.
 */
export type G711Law = 'PCMU' | 'PCMA';

/** The 14-bit bias of µ-law (33) at 16-bit scale. */
const MU_BIAS = 0x84;
const MU_CLIP = 32767 - MU_BIAS;

function expandMu(code: number): number {
  const inverted = ~code & 0xff;
  const chord = (inverted & 0x70) >> 4;
  const magnitude = ((((inverted & 0x0f) << 3) + MU_BIAS) << chord) - MU_BIAS;
  return inverted & 0x80 ? -magnitude : magnitude;
}

function expandA(code: number): number {
  // Even bits are inverted on the line (G.711 table 1a, note 2).
  const straight = code ^ 0x55;
  const chord = (straight & 0x70) >> 4;
  const step = (straight & 0x0f) << 4;
  const magnitude = chord === 0 ? step + 8 : (step + 0x108) << (chord - 1);
  return straight & 0x80 ? magnitude : -magnitude;
}

/** 16-bit sample of each µ-law code. */
export const decodePcmu: Int16Array = Int16Array.from({ length: 256 }, (_, code) => expandMu(code));
/** 16-bit sample of each A-law code. */
export const decodePcma: Int16Array = Int16Array.from({ length: 256 }, (_, code) => expandA(code));

/** The µ-law code of a 16-bit sample; louder than the law can say is clipped. */
export function encodePcmu(sample: number): number {
  const sign = sample < 0 ? 0x80 : 0;
  const biased = Math.min(sign ? -sample : sample, MU_CLIP) + MU_BIAS;
  const chord = 24 - Math.clz32(biased);
  return ~(sign | (chord << 4) | ((biased >> (chord + 3)) & 0x0f)) & 0xff;
}

/** The A-law code of a 16-bit sample. */
export function encodePcma(sample: number): number {
  // One's complement of negative samples, so that -1 and 0 lie in the two innermost steps.
  const magnitude = Math.min(sample < 0 ? ~sample : sample, 32767) >> 4;
  const chord = Math.max(0, 28 - Math.clz32(magnitude));
  const step = chord < 2 ? magnitude & 0x0f : (magnitude >> (chord - 1)) & 0x0f;
  return ((sample < 0 ? 0 : 0x80) | (chord << 4) | step) ^ 0x55;
}

/** Encodes linear PCM, one byte per sample. */
export function encodeG711(law: G711Law, samples: Int16Array): Uint8Array {
  const encode = law === 'PCMU' ? encodePcmu : encodePcma;
  return Uint8Array.from(samples, encode);
}

/** Decodes a payload, one sample per byte. */
export function decodeG711(law: G711Law, payload: Uint8Array): Int16Array {
  const table = law === 'PCMU' ? decodePcmu : decodePcma;
  return Int16Array.from(payload, (code) => table[code] ?? 0);
}
