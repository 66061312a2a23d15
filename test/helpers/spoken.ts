import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeG711, encodeG711 } from '../../src/audio/g711.js';
import { resample } from '../../src/audio/resampler.js';
import { readWav } from '../../src/audio/wav-reader.js';

/** Line noise of a quiet telephone line, below −60 dB; digital silence is rare on real lines. Repeatable. */
function hiss(samples: number): Int16Array {
  let state = 7;
  return Int16Array.from({ length: samples }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return (state >>> 27) - 16;
  });
}

/** Words spoken by espeak-ng over a telephone line: 8 kHz, through G.711 µ-law, 400 ms of line noise before and behind. */
export function spoken(text: string, voice = 'en-us', wordsPerMinute = 150): Int16Array {
  const folder = mkdtempSync(join(tmpdir(), 'sipscribe-spoken-'));
  try {
    const path = join(folder, 'speech.wav');
    execFileSync('espeak-ng', ['-v', voice, '-s', String(wordsPerMinute), '-w', path, text]);
    const { samples, sampleRate } = readWav(readFileSync(path));
    const speech = resample(samples, sampleRate, 8_000);
    const margin = 3_200;
    const line = hiss(speech.length + 2 * margin);
    for (const [i, sample] of speech.entries()) line[margin + i] = Math.round((line[margin + i] ?? 0) + sample * 0.6);
    return decodeG711('PCMU', encodeG711('PCMU', line));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
