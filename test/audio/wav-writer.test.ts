import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { WavWriter, wavHeader } from '../../src/audio/wav-writer.js';
import { SrsError } from '../../src/core/errors.js';

const directory = mkdtempSync(join(tmpdir(), 'sipscribe-wav-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const MONO = { sampleRate: 8000, channels: 1 };
const bytesOf = (samples: Int16Array): Uint8Array => new Uint8Array(samples.buffer);
const ramp = (length: number, from = 0): Int16Array => Int16Array.from({ length }, (_, i) => from + i);
const openFiles = (): number => readdirSync('/proc/self/fd').length;

describe('the WAV writer', () => {
  it('has a true header after every flush, and the samples in their places', () => {
    const path = join(directory, 'grow.wav');
    const writer = new WavWriter(path, MONO);
    writer.flush();
    expect(readFileSync(path)).toEqual(wavHeader(MONO, 0));
    for (let second = 0; second < 3; second++) {
      writer.write(second * 100, bytesOf(ramp(100, second * 100)), 0, 200);
      writer.flush();
      const file = readFileSync(path);
      expect(file.subarray(0, 44)).toEqual(wavHeader(MONO, (second + 1) * 200));
      expect(new Int16Array(new Uint8Array(file.subarray(44)).buffer)).toEqual(ramp((second + 1) * 100));
    }
    writer.finish(300);
    expect(writer.bytes).toBe(644);
  });

  it('patches samples that were written before, and leaves the rest alone', () => {
    const path = join(directory, 'patch.wav');
    const writer = new WavWriter(path, MONO);
    writer.write(0, bytesOf(ramp(50)), 0, 100);
    writer.write(10, bytesOf(Int16Array.of(-1, -2, -3)), 2, 4);
    writer.finish(50);
    const samples = new Int16Array(new Uint8Array(readFileSync(path).subarray(44)).buffer);
    const wanted = ramp(50);
    wanted.set([-2, -3], 10);
    expect(samples).toEqual(wanted);
  });

  it('reads frames that nobody wrote as silence, and finishes at the length that it is told', () => {
    const path = join(directory, 'holes.wav');
    const writer = new WavWriter(path, { sampleRate: 8000, channels: 2 });
    writer.write(20, bytesOf(Int16Array.of(7, 8)), 0, 4);
    writer.finish(40);
    writer.finish(99);
    const file = readFileSync(path);
    expect(file.length).toBe(44 + 160);
    expect(file.subarray(0, 44)).toEqual(wavHeader({ sampleRate: 8000, channels: 2 }, 160));
    const samples = new Int16Array(new Uint8Array(file.subarray(44)).buffer);
    const wanted = new Int16Array(80);
    wanted.set([7, 8], 40);
    expect(samples).toEqual(wanted);
  });

  it('says SRS_RECORDING_WRITE with the code of the system when the disk is full, and gives its descriptor back', () => {
    const path = join(directory, 'full.wav');
    symlinkSync('/dev/full', path);
    const before = openFiles();
    const writer = new WavWriter(path, MONO);
    for (const attempt of [
      () => writer.flush(),
      () => writer.write(0, new Uint8Array(10), 0, 10),
      () => writer.finish(5),
    ]) {
      expect(attempt).toThrowError(expect.objectContaining({ code: 'SRS_RECORDING_WRITE' }));
    }
    expect(openFiles()).toBe(before);
    expect(() => new WavWriter(join(directory, 'none', 'x.wav'), MONO)).toThrowError(/opened: ENOENT/);
    expect(() => new WavWriter(join(directory, 'none', 'x.wav'), MONO)).toThrowError(SrsError);
  });

  it('stops at the largest size that a 32-bit header can tell', () => {
    const header = wavHeader(MONO, 2 ** 33);
    expect(header.readUInt32LE(4)).toBe(0xffffffff - 8);
    expect(header.readUInt32LE(40)).toBe(0xffffffff - 44);
  });
});
