import { endianness } from 'node:os';
import { WAV_HEADER_BYTES, wavHeader } from './wav-writer.js';

const HOST_IS_LITTLE_ENDIAN = endianness() === 'LE';

/** A whole 16-bit PCM WAV in memory, for short files. `samples` are interleaved; channels go from 1 to 255. */
export function encodeWav(samples: Int16Array, sampleRate: number, channels: number): Uint8Array {
  const bytes = Buffer.allocUnsafe(WAV_HEADER_BYTES + samples.length * 2);
  wavHeader({ sampleRate, channels }, samples.length * 2).copy(bytes);
  Buffer.from(samples.buffer, samples.byteOffset, samples.byteLength).copy(bytes, WAV_HEADER_BYTES);
  if (!HOST_IS_LITTLE_ENDIAN) bytes.subarray(WAV_HEADER_BYTES).swap16();
  return bytes;
}
