import { readFile, stat } from 'node:fs/promises';
import { resample } from '../audio/resampler.js';
import { readWav, type WavAudio } from '../audio/wav-reader.js';
import { SrsError } from '../core/errors.js';

/** Telephony's rate, which audio has that comes without a file. */
const LEG_SAMPLE_RATE = 8000;
const MAX_WAV_BYTES = 512 * 1024 * 1024;

/** Samples at 8 kHz, or a WAV file of any rate whose channels are mixed, as mono samples at `sampleRate`. Throws `SRS_WAV_MALFORMED`. */
export async function readLegAudio(source: Int16Array | string, sampleRate: number): Promise<Int16Array> {
  if (typeof source !== 'string') return resample(source, LEG_SAMPLE_RATE, sampleRate);
  const audio = await readWavFile(source);
  return resample(mixToMono(audio.samples, audio.channels), audio.sampleRate, sampleRate);
}

/** Reads a WAV file whole. Throws `SRS_WAV_MALFORMED` with the path. */
export async function readWavFile(path: string): Promise<WavAudio> {
  try {
    const { size } = await stat(path);
    if (size > MAX_WAV_BYTES) throw new Error(`${size} bytes are over the limit of ${MAX_WAV_BYTES}`);
    return readWav(await readFile(path));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new SrsError('SRS_WAV_MALFORMED', `${path}: ${reason}`, { cause });
  }
}

/** Interleaved channels as their mean. */
export function mixToMono(samples: Int16Array, channels: number): Int16Array {
  if (channels === 1) return samples;
  const mono = new Int16Array(Math.floor(samples.length / channels));
  for (let frame = 0; frame < mono.length; frame++) {
    let sum = 0;
    for (let channel = 0; channel < channels; channel++) sum += samples[frame * channels + channel] ?? 0;
    mono[frame] = Math.round(sum / channels);
  }
  return mono;
}

/** All legs as long as the longest: an SRC sends silence for somebody who says nothing. */
export function padToLongest(legs: readonly Int16Array[]): Int16Array[] {
  const length = Math.max(0, ...legs.map((leg) => leg.length));
  return legs.map((leg) => {
    if (leg.length === length) return leg;
    const padded = new Int16Array(length);
    padded.set(leg);
    return padded;
  });
}
