import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodePcma, decodePcmu } from '../../src/audio/g711.js';
import { G722Decoder } from '../../src/audio/g722.js';
import { L16Decoder } from '../../src/audio/l16.js';
import { type OpusDecoder, OpusEngine, type OpusRate } from '../../src/audio/opus.js';
import type { PayloadDecoder } from '../../src/audio/payload-decoder.js';
import { resample } from '../../src/audio/resampler.js';
import {
  expectSame,
  rtpByFfmpeg,
  type SentPacket,
  samplesByFfmpeg,
  signalToDifference,
} from '../helpers/ffmpeg-rtp.js';
import { noise } from '../rtp/rtp-sender.js';

/** Real speech, 8 s of it, and its band up to 4 kHz: what ffmpeg makes of it for each codec is its own business. */
const SPEECH = ['-t', '8', '-i', join('demo', 'caller.wav')];
/** The whole band, which an 8 kHz recording cannot show. */
const SWEEP = ['-f', 'lavfi', '-i', "aevalsrc='0.4*sin(2*PI*(200+450*t)*t)+0.1*sin(2*PI*6100*t)':s=48000:d=4"];

const folder = mkdtempSync(join(tmpdir(), 'sipscribe-decoders-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function decodeAll(decoder: PayloadDecoder, packets: readonly { readonly payload: Uint8Array }[]): Int16Array {
  return concatenated(packets.map(({ payload }) => decoder.decode(payload, 0, payload.length).slice()));
}

function concatenated(pieces: readonly Int16Array[]): Int16Array {
  const all = new Int16Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}

const payloads = (packets: readonly SentPacket[]): Buffer => Buffer.concat(packets.map(({ payload }) => payload));

describe('from RTP that ffmpeg made', () => {
  it.each([
    ['PCMU', 'pcm_mulaw', 'mulaw', decodePcmu],
    ['PCMA', 'pcm_alaw', 'alaw', decodePcma],
  ] as const)('%s is decoded as ffmpeg decodes it, bit for bit', async (_name, encoder, format, table) => {
    const packets = await rtpByFfmpeg(SPEECH, ['-c:a', encoder, '-ar', '8000', '-ac', '1']);
    const coded = payloads(packets);
    const wanted = samplesByFfmpeg(['-f', format, '-ar', '8000', '-ac', '1', '-i', '-'], coded);
    expect(wanted.length).toBe(8 * 8000);
    expectSame(
      Int16Array.from(coded, (code) => table[code] ?? 0),
      wanted,
    );
  });

  it.each([
    ['speech', SPEECH],
    ['a sweep through the whole band', SWEEP],
  ] as const)('G.722 of %s is decoded as ffmpeg decodes it, bit for bit', async (_name, input) => {
    const packets = await rtpByFfmpeg(input, ['-c:a', 'g722', '-ar', '16000', '-ac', '1']);
    const wanted = samplesByFfmpeg(['-f', 'g722', '-i', '-'], payloads(packets));
    expect(wanted.length).toBeGreaterThan(3 * 16_000);
    expectSame(decodeAll(new G722Decoder(), packets), wanted);
  });

  it.each([8000, 16_000])('L16 at %i Hz is decoded as ffmpeg decodes it, bit for bit', async (rate) => {
    const packets = await rtpByFfmpeg(SWEEP, ['-c:a', 'pcm_s16be', '-ar', String(rate), '-ac', '1']);
    const wanted = samplesByFfmpeg(['-f', 's16be', '-ar', String(rate), '-ac', '1', '-i', '-'], payloads(packets));
    expect(wanted.length).toBe(4 * rate);
    expectSame(decodeAll(new L16Decoder(rate), packets), wanted);
  });
});

describe('G.722', () => {
  it('of random bytes, which drive the predictors into every bound, is decoded as ffmpeg decodes it', () => {
    const bytes = noise(150_000, 722);
    const wanted = samplesByFfmpeg(['-f', 'g722', '-i', '-'], bytes);
    // Pieces of every length: where a packet ends must not matter.
    const packets: { payload: Uint8Array }[] = [];
    for (let at = 0, size = 1; at < bytes.length; at += size, size = (size * 7) % 331)
      packets.push({ payload: bytes.subarray(at, at + size) });
    expectSame(decodeAll(new G722Decoder(), packets), wanted);
  });
});

describe('L16', () => {
  it('in stereo is mixed: both sides are heard, and neither overflows', () => {
    const payload = Buffer.alloc(12);
    for (const [i, sample] of [100, 301, 32_767, 32_767, -32_768, -32_768].entries())
      payload.writeInt16BE(sample, i * 2);
    expect([...new L16Decoder(16_000, 2).decode(payload, 0, 12)]).toEqual([201, 32_767, -32_768]);
  });

  it('leaves out half a sample at the end of a packet', () => {
    expect([...new L16Decoder(8000).decode(Uint8Array.of(0xff, 0xfe, 0x01, 0x02, 0x03), 0, 5)]).toEqual([-2, 258]);
  });
});

describe('Opus', () => {
  let engine: OpusEngine;
  beforeAll(async () => {
    engine = await OpusEngine.load();
  });

  async function opusRtp(
    input: readonly string[],
    name: string,
    options: readonly string[] = [],
  ): Promise<{ packets: SentPacket[]; path: string }> {
    const path = join(folder, `${name}.ogg`);
    const encoding = ['-c:a', 'libopus', '-b:a', '32k', '-ar', '48000', '-ac', '1', ...options];
    return { packets: await rtpByFfmpeg(input, encoding, { format: 'ogg', path }), path };
  }

  function decodedAt(rate: OpusRate, packets: readonly SentPacket[]): Int16Array {
    const decoder = engine.decoder(rate);
    if (!decoder) throw new Error('no decoder');
    const samples = decodeAll(decoder, packets);
    decoder.close();
    return samples;
  }

  /** ffmpeg leaves out what the encoder looked ahead, which a file tells (RFC 7845 §4.2) and RTP does not. At 48 kHz. */
  const LOOK_AHEAD = 312;

  it.each([
    ['speech', SPEECH, 'libopus', []],
    ['a sweep through the whole band', SWEEP, 'libopus', []],
    // ffmpeg has a second decoder, written by others from the same RFC. It keeps another delay in the speech modes.
    ['a sweep without the speech modes', SWEEP, 'opus', ['-application', 'lowdelay']],
  ] as const)('of %s is at 48 kHz within 60 dB of what ffmpeg decodes', async (_name, input, decoder, options) => {
    const { packets, path } = await opusRtp(input, decoder, options);
    const wanted = samplesByFfmpeg(['-c:a', decoder, '-i', path]);
    const skipped = options.length > 0 ? 120 : LOOK_AHEAD;
    const got = decodedAt(48_000, packets).subarray(skipped);
    expect(wanted.length).toBeGreaterThan(3.9 * 48_000);
    expect(got.length).toBeGreaterThanOrEqual(wanted.length - 960);
    expect(signalToDifference(wanted, got)).toBeGreaterThan(60);
  });

  it.each([
    ['a sweep', SWEEP, ['-application', 'lowdelay'], 0, 60],
    ['speech', SPEECH, ['-application', 'lowdelay'], 0, 60],
    // The speech modes are coded at 16 kHz at most: at 48 kHz one hears them through a short filter of libopus, and 42 µs earlier.
    ['speech in its own modes', SPEECH, [], 2, 30],
  ] as const)(
    'of %s is at 16 kHz what a better filter makes of it at 48 kHz',
    async (_name, input, options, late, least) => {
      const { packets } = await opusRtp(input, `filtered-${least}`, options);
      const delayed = concatenated([new Int16Array(late), decodedAt(48_000, packets)]);
      const wanted = resample(delayed, 48_000, 16_000);
      expect(signalToDifference(wanted, decodedAt(16_000, packets))).toBeGreaterThan(least);
    },
  );

  it('makes nothing of an empty packet, of one that breaks RFC 6716, and of one beyond all sizes, and goes on', async () => {
    const { packets } = await opusRtp(SPEECH, 'again');
    const [first, second] = [engine.decoder(), engine.decoder()];
    if (!first || !second) throw new Error('no decoder');
    const bad = [new Uint8Array(0), Uint8Array.of(0xff), Uint8Array.of(0x03, 0x00), new Uint8Array(4000), noise(70, 5)];
    const wanted = decodeAll(first, packets);
    for (const payload of bad.slice(0, 4)) expect(second.decode(payload, 0, payload.length).length).toBe(0);
    expectSame(decodeAll(second, packets), wanted);
    first.close();
    second.close();
    second.close();
    expect(engine.open).toBe(0);
    expect(second.decode(packets[0]?.payload ?? noise(9, 1), 0, 9).length).toBe(0);
  });

  it('has room for the streams of a full media worker, again and again', () => {
    for (let round = 0; round < 5; round++) {
      const decoders = Array.from({ length: 900 }, () => engine.decoder());
      expect(decoders.every((decoder) => decoder !== undefined)).toBe(true);
      for (const decoder of decoders) decoder?.close();
    }
    expect(engine.open).toBe(0);
  });

  it('has no decoder where its memory ends, and has one again when another is closed', () => {
    const decoders: OpusDecoder[] = [];
    for (;;) {
      const decoder = engine.decoder();
      if (!decoder) break;
      decoders.push(decoder);
    }
    expect(decoders.length).toBeLessThan(2000);
    decoders.pop()?.close();
    decoders.push(engine.decoder() as OpusDecoder);
    expect(decoders.at(-1)).toBeDefined();
    for (const decoder of decoders) decoder.close();
  });
});
