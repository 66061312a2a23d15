import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { Resampling, resample } from '../../src/audio/resampler.js';

const AMPLITUDE = 16_000;

function tone(hz: number, rate: number, seconds: number): Int16Array {
  const sample = (_: unknown, i: number): number => Math.round(AMPLITUDE * Math.sin((2 * Math.PI * hz * i) / rate));
  return Int16Array.from({ length: Math.round(rate * seconds) }, sample);
}

/** Level of one frequency in dB against the tones above, through a Blackman-Harris window (side lobes below -92 dB). */
function levelDb(samples: Int16Array, hz: number, rate: number): number {
  let [re, im, weight] = [0, 0, 0];
  samples.forEach((sample, i) => {
    const t = (2 * Math.PI * i) / (samples.length - 1);
    const w = 0.35875 - 0.48829 * Math.cos(t) + 0.14128 * Math.cos(2 * t) - 0.01168 * Math.cos(3 * t);
    const phase = (2 * Math.PI * hz * i) / rate;
    weight += w;
    re += w * sample * Math.cos(phase);
    im -= w * sample * Math.sin(phase);
  });
  return 20 * Math.log10((2 * Math.hypot(re, im)) / weight / AMPLITUDE + 1e-9);
}

function ffmpeg(samples: Int16Array, from: number, to: number): Int16Array {
  const input = Buffer.from(samples.buffer, samples.byteOffset, samples.byteLength);
  const format = ['-f', 's16le', '-ac', '1'];
  const out = execFileSync(
    'ffmpeg',
    ['-v', 'error', ...format, '-ar', String(from), '-i', 'pipe:0', ...format, '-ar', String(to), 'pipe:1'],
    { input, maxBuffer: 1 << 26 },
  );
  return new Int16Array(out.buffer.slice(out.byteOffset, out.byteOffset + out.byteLength));
}

describe('resample', () => {
  it.each([
    [8000, 16_000],
    [16_000, 8000],
    [44_100, 16_000],
    [48_000, 16_000],
    [16_000, 44_100],
  ])('keeps the level of a 1 kHz tone within 0.05 dB from %i to %i Hz', (from, to) => {
    expect(Math.abs(levelDb(resample(tone(1000, from, 1), from, to), 1000, to))).toBeLessThan(0.05);
  });

  it('passes the telephone band up to 3.4 kHz within 0.1 dB from 8 to 16 kHz', () => {
    for (const hz of [300, 2000, 3400]) {
      expect(Math.abs(levelDb(resample(tone(hz, 8000, 1), 8000, 16_000), hz, 16_000))).toBeLessThan(0.1);
    }
  });

  it('keeps the image of a 3 kHz tone 80 dB down from 8 to 16 kHz', () => {
    expect(levelDb(resample(tone(3000, 8000, 1), 8000, 16_000), 5000, 16_000)).toBeLessThan(-80);
  });

  it.each([
    [16_000, 8000, 4200, 3800],
    [16_000, 8000, 5000, 3000],
    [44_100, 16_000, 9000, 7000],
    [48_000, 16_000, 15_000, 1000],
  ])('folds nothing back from %i to %i Hz: %i Hz leaves no %i Hz', (from, to, hz, alias) => {
    expect(levelDb(resample(tone(hz, from, 1), from, to), alias, to)).toBeLessThan(-75);
  });

  it('adds no delay: a click stays at its time', () => {
    for (const [from, to] of [
      [8000, 16_000],
      [16_000, 8000],
      [44_100, 16_000],
    ] as const) {
      const click = new Int16Array(from);
      click[from / 2] = 30_000;
      const out = resample(click, from, to);
      expect(out.indexOf(Math.max(...out))).toBe(to / 2);
    }
  });

  it('makes round(n * to / from) samples, also of very short input', () => {
    for (const n of [0, 1, 2, 7, 441, 12_345]) {
      expect(resample(new Int16Array(n), 44_100, 16_000)).toHaveLength(Math.round((n * 16_000) / 44_100));
      expect(resample(new Int16Array(n), 8000, 16_000)).toHaveLength(2 * n);
    }
  });

  it('passes a constant without ripple and clips instead of wrapping', () => {
    const middle = resample(new Int16Array(2000).fill(12_000), 8000, 11_025).subarray(500, 2000);
    expect(new Set(middle)).toEqual(new Set([12_000]));
    const square = Int16Array.from({ length: 2000 }, (_, i) => (i % 40 < 20 ? 32_767 : -32_768));
    const out = resample(square, 8000, 16_000);
    // The overshoot of the edges must stay at the rail on its own side.
    expect(Math.max(...out)).toBe(32_767);
    expect(out[10]).toBeGreaterThan(20_000);
    expect(out[50]).toBeLessThan(-20_000);
  });

  it('agrees with ffmpeg on speech-like sound within -40 dB', () => {
    const parts = [220, 700, 1900, 2900].map((hz) => tone(hz, 8000, 1));
    const mixed = Int16Array.from({ length: 8000 }, (_, i) => parts.reduce((sum, part) => sum + (part[i] ?? 0) / 4, 0));
    const [ours, theirs] = [resample(mixed, 8000, 16_000), ffmpeg(mixed, 8000, 16_000)];
    let [error, power] = [0, 0];
    for (let i = 1000; i < 15_000; i += 1) {
      error += ((ours[i] ?? 0) - (theirs[i] ?? 0)) ** 2;
      power += (ours[i] ?? 0) ** 2;
    }
    expect(power).toBeGreaterThan(0);
    expect(10 * Math.log10(error / power)).toBeLessThan(-40);
  });

  it('gives the same samples in pieces as at once', () => {
    const speech = tone(440, 8000, 0.5);
    const work = new Resampling(speech, 8000, 16_000);
    let turns = 1;
    while (!work.advance(1000)) turns += 1;
    expect(turns).toBe(8);
    expect(work.output).toEqual(resample(speech, 8000, 16_000));
  });

  it.each([0, -8000, 8000.5, Number.NaN, 500_000])('refuses the rate %d', (rate) => {
    expect(() => resample(new Int16Array(10), rate, 16_000)).toThrow(RangeError);
    expect(() => resample(new Int16Array(10), 16_000, rate)).toThrow(RangeError);
  });
});
