import { resample } from '../../audio/resampler.js';
import type { WavAudio } from '../../audio/wav-reader.js';

/** Hz; the only rate that whisper hears. */
export const WHISPER_RATE = 16_000;
/**
 * Silence behind all speech. whisper.cpp up to 1.7 stops decoding at the first timestamp within the last second of the audio, which
 * for a short "yes" is the one before the word: measured, one lone word in twelve was lost without it.
 */
const TAIL_SAMPLES = 1.1 * WHISPER_RATE;
const WINDOW_SAMPLES = 30 * WHISPER_RATE;

export interface NativeAudio {
  readonly pcm: Float32Array;
  /** Of the speech, without the silence behind it. */
  readonly durationMs: number;
  /** Whether it fits into one window of the encoder, so that one pass hears all of it. */
  readonly oneWindow: boolean;
}

function mono(samples: Int16Array, channels: number): Int16Array {
  if (channels === 1) return samples;
  const out = new Int16Array(Math.floor(samples.length / channels));
  for (let i = 0; i < out.length; i += 1) {
    let sum = 0;
    for (let c = 0; c < channels; c += 1) sum += samples[i * channels + c] ?? 0;
    out[i] = Math.round(sum / channels);
  }
  return out;
}

/**
 * Speech as whisper takes it: 16 kHz, one channel, -1 to 1, silence behind it.
 * Never empty: whisper.cpp aborts the process on a buffer without samples.
 */
export function nativeAudio(audio: WavAudio): NativeAudio {
  const speech = resample(mono(audio.samples, audio.channels), audio.sampleRate, WHISPER_RATE);
  const pcm = new Float32Array(speech.length + TAIL_SAMPLES);
  for (let i = 0; i < speech.length; i += 1) pcm[i] = (speech[i] ?? 0) / 32_768;
  return { pcm, durationMs: (speech.length * 1000) / WHISPER_RATE, oneWindow: pcm.length <= WINDOW_SAMPLES };
}

/** Positions of whisper's encoder for a window of 30 s, 20 ms each. */
const FULL_CONTEXT = 1_500;
const LEAST_CONTEXT = 512;
const CONTEXT_STEP = 64;

/**
 * Encoder positions for speech of so many ms with two seconds of room behind it. The encoder's cost grows faster than its length, so an
 * utterance of three seconds costs a quarter of a whole window. Below 512 positions words begin to suffer.
 */
export function audioContext(durationMs: number): number {
  const wanted = Math.ceil((durationMs + 2_000) / 20 / CONTEXT_STEP) * CONTEXT_STEP;
  return Math.min(FULL_CONTEXT, Math.max(LEAST_CONTEXT, wanted));
}
