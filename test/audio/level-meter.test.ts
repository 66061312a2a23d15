import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { decodeG711 } from '../../src/audio/g711.js';
import { LevelMeter } from '../../src/audio/level-meter.js';

const RATE = 8000;

function tone(ms: number, amplitude: number, rate = RATE): Int16Array {
  return Int16Array.from({ length: (ms * rate) / 1000 }, (_, i) =>
    Math.round(amplitude * Math.sin((2 * Math.PI * 437 * i) / rate)),
  );
}

function measured(pieces: readonly Int16Array[], rate = RATE, position = 0): LevelMeter {
  const meter = new LevelMeter(rate, position);
  for (const samples of pieces) meter.push(samples, 0, samples.length);
  return meter;
}

/** What ffmpeg says of the same samples. */
function ffmpegVolume(samples: Int16Array, rate: number): { mean: number; max: number } {
  const folder = mkdtempSync(join(tmpdir(), 'sipscribe-level-'));
  try {
    const path = join(folder, 'tone.raw');
    writeFileSync(path, new Uint8Array(samples.buffer));
    const input = ['-f', 's16le', '-ar', String(rate), '-ac', '1', '-i', path];
    const command = `ffmpeg -hide_banner -nostats ${input.join(' ')} -af volumedetect -f null - 2>&1`;
    const text = execFileSync('sh', ['-c', command], { encoding: 'utf8' });
    const figure = (name: string): number => Number(new RegExp(`${name}: (-?[\\d.]+) dB`).exec(text)?.[1]);
    return { mean: figure('mean_volume'), max: figure('max_volume') };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

describe('the level of a leg', () => {
  it.each([
    [8000, 12_000],
    [8000, 32_767],
    [16_000, 300],
  ])('at %i Hz is what ffmpeg measures in the same samples', (rate, amplitude) => {
    const samples = tone(2000, amplitude, rate);
    const meter = measured([samples], rate);
    const theirs = ffmpegVolume(samples, rate);
    expect(meter.levelDbfs).toBeCloseTo(theirs.mean, 0);
    expect(meter.peakDbfs).toBeCloseTo(theirs.max, 0);
    expect(meter.audibleMs).toBe(2000);
  });

  it('is that of what is not silence, however much silence there is', () => {
    const loud = measured([tone(1000, 8000)]).levelDbfs;
    const rare = measured([new Int16Array(RATE * 9), tone(1000, 8000), new Int16Array(RATE * 20)]);
    expect(rare.levelDbfs).toBeCloseTo(loud ?? 0, 6);
    expect([rare.audibleMs, rare.firstAudibleMs, rare.lastAudibleMs]).toEqual([1000, 9000, 10_000]);
  });

  it('does not depend on how the samples are cut', () => {
    const samples = Int16Array.from([...new Int16Array(777), ...tone(1500, 5000), ...new Int16Array(999)]);
    const whole = measured([samples]);
    const meter = new LevelMeter(RATE);
    for (let at = 0, size = 1; at < samples.length; at += size, size = ((size * 7) % 401) + 1) {
      meter.push(samples, at, Math.min(size, samples.length - at));
    }
    expect([meter.audibleMs, meter.firstAudibleMs, meter.peakDbfs]).toEqual([
      whole.audibleMs,
      whole.firstAudibleMs,
      whole.peakDbfs,
    ]);
    expect(meter.levelDbfs).toBeCloseTo(whole.levelDbfs ?? 0, 9);
  });

  it.each([
    ['digital zero', new Int16Array(RATE)],
    ['the idle code of A-law', decodeG711('PCMA', new Uint8Array(RATE).fill(0xd5))],
    ['the idle code of mu-law', decodeG711('PCMU', new Uint8Array(RATE).fill(0xff))],
    ['comfort noise at -65 dBov', tone(1000, 26)],
  ])('is none in %s', (_, samples) => {
    const meter = measured([samples]);
    expect([meter.audibleMs, meter.firstAudibleMs, meter.levelDbfs]).toEqual([0, -1, undefined]);
  });

  it('is there in the noise of a quiet room', () => {
    expect(measured([tone(1000, 90)]).audibleMs).toBe(1000);
  });

  it('keeps its places on the call clock for a leg that joins later and gets another rate', () => {
    const meter = new LevelMeter(RATE, 3 * RATE);
    meter.push(new Int16Array(RATE + 40), 0, RATE + 40);
    meter.follow(48_000);
    meter.push(tone(100, 9000, 48_000), 0, 4800);
    expect(meter.firstAudibleMs).toBe(4005);
    expect(meter.audibleMs).toBe(100);
  });
});
