import { describe, expect, it } from 'vitest';
import { doubleRate, HALF_BAND_REACH } from '../../src/audio/half-band.js';
import { RateDoubler } from '../../src/audio/rate-doubler.js';
import { noise } from '../rtp/rtp-sender.js';

const tone = (hz: number, rate: number, length: number, amplitude = 12_000): Int16Array =>
  Int16Array.from({ length }, (_, i) => Math.round(amplitude * Math.sin((2 * Math.PI * hz * i) / rate)));

/** The whole of `input` at twice its rate, silence on both sides. */
function doubled(input: Int16Array): Int16Array {
  const padded = new Int16Array(input.length + 2 * HALF_BAND_REACH);
  padded.set(input, HALF_BAND_REACH);
  const output = new Int16Array(2 * input.length);
  doubleRate(padded, HALF_BAND_REACH, input.length, output);
  return output;
}

/** Level of a frequency, as the amplitude of a sine. */
function level(samples: Int16Array, hz: number, rate: number): number {
  let [re, im] = [0, 0];
  for (const [i, sample] of samples.entries()) {
    re += sample * Math.cos((2 * Math.PI * hz * i) / rate);
    im += sample * Math.sin((2 * Math.PI * hz * i) / rate);
  }
  return (2 * Math.hypot(re, im)) / samples.length;
}

describe('twice the rate', () => {
  it('keeps every sample of the input where it was', () => {
    const input = new Int16Array(noise(2000, 9).buffer);
    const output = doubled(input);
    expect([...input].every((sample, i) => output[2 * i] === sample)).toBe(true);
  });

  it.each([300, 1000, 2500, 3300])('is a tone of %i Hz sampled at 16 kHz, to 70 dB', (hz) => {
    const output = doubled(tone(hz, 8000, 8000));
    const wanted = tone(hz, 16_000, 16_000);
    let [signal, error] = [0, 0];
    for (let i = 400; i < output.length - 400; i++) {
      signal += (wanted[i] as number) ** 2;
      error += ((wanted[i] as number) - (output[i] as number)) ** 2;
    }
    expect(10 * Math.log10(signal / error)).toBeGreaterThan(70);
  });

  it('has no mirror of the telephone band above 4 kHz', () => {
    const output = doubled(tone(3300, 8000, 8000)).subarray(400, 15_600);
    expect(level(output, 8000 - 3300, 16_000)).toBeLessThan(12_000 / 3000);
  });

  it('does not overflow where the wave between two samples is louder than both', () => {
    const input = Int16Array.from({ length: 100 }, (_, i) => (i % 4 < 2 ? 32_767 : -32_768));
    expect(Math.max(...doubled(input))).toBe(32_767);
  });

  it('packet by packet is what it is in one piece, once the next packet is there', () => {
    const input = new Int16Array(noise(2 * 1600, 10).buffer);
    const wanted = doubled(input);
    const output = new Int16Array(wanted.length);
    const doubler = new RateDoubler();
    let at = 0;
    for (const size of [160, 160, 80, 240, 17, 160, 160, 160, 160, 160, 143]) {
      const { samples, lead } = doubler.push(input.subarray(at, at + size));
      output.set(samples, 2 * (at - lead));
      at += size;
    }
    expect(at).toBe(input.length);
    expect(output).toEqual(wanted);
  });

  it('of a packet that follows nothing knows nothing of what came before', () => {
    const doubler = new RateDoubler();
    const packet = tone(700, 8000, 160);
    const first = doubler.push(packet).samples.slice();
    doubler.push(tone(1900, 8000, 160));
    doubler.reset();
    const { samples, lead } = doubler.push(packet);
    expect(lead).toBe(0);
    expect(samples).toEqual(first);
  });
});
