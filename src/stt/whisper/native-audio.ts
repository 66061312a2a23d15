import { resample } from '../../audio/resampler.js';
import type { WavAudio } from '../../audio/wav-reader.js';

/** Hz; the only rate that whisper hears. */
export const WHISPER_RATE = 16_000;
/** whisper.cpp up to 1.7 gives nothing for audio of a second or less ("yes", "no"), and drops a last second of longer audio. */
const LEAST_SAMPLES = 1.2 * WHISPER_RATE;
const WINDOW_SAMPLES = 30 * WHISPER_RATE;
const TAIL_SAMPLES = 1.1 * WHISPER_RATE;

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
 * Speech as whisper takes it: 16 kHz, one channel, -1 to 1, silence behind it up to the least length that gives words.
 * Never empty: whisper.cpp aborts the process on a buffer without samples.
 */
export function nativeAudio(audio: WavAudio): { pcm: Float32Array; durationMs: number } {
  const speech = resample(mono(audio.samples, audio.channels), audio.sampleRate, WHISPER_RATE);
  // Beyond one window the remainder of a second or less would be skipped, so a silent tail goes behind it.
  const tail = speech.length > WINDOW_SAMPLES - TAIL_SAMPLES ? TAIL_SAMPLES : 0;
  const pcm = new Float32Array(Math.max(LEAST_SAMPLES, speech.length + tail));
  for (let i = 0; i < speech.length; i += 1) pcm[i] = (speech[i] ?? 0) / 32_768;
  return { pcm, durationMs: (speech.length * 1000) / WHISPER_RATE };
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
