import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { OpusEngine } from '../../src/audio/opus.js';
import { CALL_CODECS } from '../../src/client/call-codec.js';
import { type CodedAudio, codeAudio } from '../../src/client/coded-audio.js';
import { readOggPackets } from '../../src/client/ogg-packets.js';

/** Half a second and a little more, at 16 kHz: the last packet is not full. Above 4 kHz too. */
const SAMPLES = Int16Array.from({ length: 8100 }, (_, i) =>
  Math.round(6000 * Math.sin(i * 0.2) + 3000 * Math.sin(i * 2.3)),
);

const bytesOf = ({ payloads }: CodedAudio): Buffer => Buffer.concat(payloads.map(({ bytes }) => bytes));
const unitsOf = ({ payloads }: CodedAudio): number => payloads.reduce((sum, { units }) => sum + units, 0);

function decodedByFfmpeg(format: readonly string[], coded: Uint8Array): Int16Array {
  const args = ['-v', 'error', ...format, '-i', 'pipe:0', '-f', 's16le', 'pipe:1'];
  const pcm = execFileSync('ffmpeg', args, { input: coded });
  return new Int16Array(new Uint8Array(pcm).buffer);
}

/** Correlation of two signals, the second so many samples later: 1 when they are the same. */
function likeness(a: Int16Array, b: Int16Array, later: number): number {
  let [ab, aa, bb] = [0, 0, 0];
  for (let i = 400; i < 7200; i++) {
    const [x, y] = [a[i] ?? 0, b[i + later] ?? 0];
    ab += x * y;
    aa += x * x;
    bb += y * y;
  }
  return ab / Math.sqrt(aa * bb);
}

function best(a: Int16Array, b: Int16Array): number {
  return Math.max(...Array.from({ length: 300 }, (_, later) => likeness(a, b, later)));
}

describe('the audio of a test call', () => {
  it('is G.722 of 160 bytes in 20 ms, which ffmpeg decodes to what went in', async () => {
    const coded = await codeAudio('G722', SAMPLES, 20);
    expect(coded.payloads.slice(0, -1).every(({ bytes, units }) => bytes.length === 160 && units === 160)).toBe(true);
    expect(unitsOf(coded)).toBe(4050);
    expect(best(SAMPLES, decodedByFfmpeg(['-f', 'g722'], bytesOf(coded)))).toBeGreaterThan(0.98);
  });

  it('is L16 in network byte order', async () => {
    const coded = await codeAudio('L16', SAMPLES, 20);
    expect(coded.payloads.slice(0, -1).every(({ bytes, units }) => bytes.length === 640 && units === 320)).toBe(true);
    expect(decodedByFfmpeg(['-f', 's16be', '-ar', '16000', '-ac', '1'], bytesOf(coded))).toEqual(SAMPLES);
  });

  it.each(CALL_CODECS.OPUS.packetTimes)(
    'is an Opus packet for every %i ms, which libopus decodes to what went in',
    async (ms) => {
      const coded = await codeAudio('OPUS', SAMPLES, ms);
      const decoder = (await OpusEngine.load()).decoder(16_000);
      const pieces = coded.payloads.map(({ bytes }) => decoder?.decode(bytes, 0, bytes.length).slice());
      decoder?.close();
      expect(pieces.map((piece) => piece?.length)).toEqual(coded.payloads.map(({ units }) => units / 3));
      // The encoder looks ahead, so all comes later and the end may need one packet more.
      expect(coded.payloads.length).toBeGreaterThanOrEqual(Math.ceil(SAMPLES.length / 16 / ms));
      expect(coded.payloads.length).toBeLessThanOrEqual(Math.ceil(SAMPLES.length / 16 / ms) + 1);
      const decoded = Int16Array.from(pieces.flatMap((piece) => [...(piece ?? [])]));
      expect(best(SAMPLES, decoded)).toBeGreaterThan(0.9);
    },
  );
});

describe('an Ogg file', () => {
  /** A high rate and long frames: packets of many segments, and pages that end within one. */
  const file = execFileSync('ffmpeg', [
    ...['-v', 'error', '-f', 'lavfi', '-i', 'anoisesrc=r=48000:d=6:seed=1', '-c:a', 'libopus', '-b:a', '256k'],
    ...['-frame_duration', '60', '-page_duration', '6000000', '-f', 'ogg', 'pipe:1'],
  ]);

  it('is read as the packets that ffprobe finds in it, after its two headers', () => {
    const shown = execFileSync('ffprobe', ['-v', 'error', '-show_entries', 'packet=size', '-of', 'csv=p=0', '-'], {
      input: file,
      encoding: 'utf8',
    });
    const sizes = shown.trim().split(/\s+/).map(Number.parseFloat);
    const packets = readOggPackets(file);
    expect(packets.slice(0, 2).map((packet) => Buffer.from(packet).toString('latin1', 0, 8))).toEqual([
      'OpusHead',
      'OpusTags',
    ]);
    expect(packets.slice(2).map(({ length }) => length)).toEqual(sizes);
    expect(Math.max(...sizes)).toBeGreaterThan(255);
  });

  it('is refused when it is cut short anywhere or is none, and nothing beyond its end is read', () => {
    // A page is whole or broken: where the next one begins, a shorter file ends.
    const begins = new Set<number>();
    for (let at = file.indexOf('OggS'); at !== -1; at = file.indexOf('OggS', at + 1)) begins.add(at);
    expect(begins.size).toBeGreaterThan(4);
    for (let length = 1; length < file.length; length += 499) {
      if (begins.has(length)) continue;
      expect(() => readOggPackets(file.subarray(0, length))).toThrow('cut short or is none');
    }
    expect(() => readOggPackets(Buffer.from('RIFF is no Ogg, but it is long enough'))).toThrow('cut short or is none');
    expect(readOggPackets(new Uint8Array(0))).toEqual([]);
  });
});
