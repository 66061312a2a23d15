import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readWav } from '../../src/audio/wav-reader.js';

/** One leg of the demo's conversation: mono, 8 kHz. */
export function demoVoice(name: 'caller' | 'agent', fromMs = 0, toMs = Number.POSITIVE_INFINITY): Int16Array {
  const { samples } = readWav(readFileSync(join('demo', `${name}.wav`)));
  return samples.slice(fromMs * 8, Math.min(samples.length, toMs * 8));
}

/** A tone: each leg its own frequency tells which audio reached which file. */
export function tone(hz: number, ms: number, amplitude = 8000): Int16Array {
  return Int16Array.from({ length: ms * 8 }, (_, i) => Math.round(amplitude * Math.sin((2 * Math.PI * hz * i) / 8000)));
}

/** What ffmpeg, which knows nothing of us, finds in a WAV file. */
export function ffprobe(path: string): {
  readonly seconds: number;
  readonly channels: number;
  readonly sampleRate: number;
} {
  const fields = 'stream=channels,sample_rate:format=duration';
  const output = execFileSync('ffprobe', ['-v', 'error', '-show_entries', fields, '-of', 'json', path], {
    encoding: 'utf8',
  });
  const { streams, format } = JSON.parse(output);
  return {
    seconds: Number(format.duration),
    channels: streams[0].channels,
    sampleRate: Number(streams[0].sample_rate),
  };
}
