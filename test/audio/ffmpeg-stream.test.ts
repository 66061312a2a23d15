import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { findFfmpeg } from '../../src/audio/ffmpeg-program.js';
import { FfmpegStream } from '../../src/audio/ffmpeg-stream.js';
import type { FfmpegDecoderName } from '../../src/core/audio-codec.js';
import { eventually } from '../helpers/eventually.js';
import { expectSame, samplesByFfmpeg } from '../helpers/ffmpeg-rtp.js';
import { processAlive } from '../helpers/process-alive.js';
import { noise } from '../rtp/rtp-sender.js';

class Heard {
  readonly pieces: Int16Array[] = [];
  ended = 0;

  samples(samples: Int16Array): void {
    this.pieces.push(samples);
  }

  end(): void {
    this.ended += 1;
  }

  get length(): number {
    return this.pieces.reduce((sum, { length }) => sum + length, 0);
  }

  get all(): Int16Array {
    return Int16Array.from(this.pieces.flatMap((piece) => [...piece]));
  }
}

function start(decoder: FfmpegDecoderName, program = 'ffmpeg'): { stream: FfmpegStream; heard: Heard } {
  const heard = new Heard();
  const stream = new FfmpegStream(program, decoder, {
    samples: (samples) => heard.samples(samples),
    ended: () => heard.end(),
  });
  return { stream, heard };
}

/** Bytes of speech of each type (3GPP TS 26.101, 26.201). */
const AMR = [12, 13, 15, 17, 19, 20, 26, 31];
const AMR_WB = [17, 23, 32, 36, 40, 46, 50, 58, 60];
const ofType = (sizes: readonly number[]) => (i: number) => {
  const type = i % sizes.length;
  return Uint8Array.of((type << 3) | 4, ...noise(sizes[type] ?? 0, 7 + i));
};

describe('an ffmpeg that decodes one stream', () => {
  it.each([
    ['g729', 'g729', '', 80, (i: number) => noise(10, 100 + i)],
    ['amrnb', 'amr', '#!AMR\n', 160, ofType(AMR)],
    ['amrwb', 'amr', '#!AMR-WB\n', 320, ofType(AMR_WB)],
  ] as const)(
    '%s: gives the samples of each frame without waiting for the next, and they are those of a file',
    async (decoder, format, magic, size, make) => {
      const frames = Array.from({ length: 60 }, (_, i) => make(i));
      const whole = Buffer.concat([Buffer.from(magic), ...frames]);
      const wanted = samplesByFfmpeg(['-f', format, '-i', '-'], whole);
      expect(wanted.length).toBe(60 * size);
      const { stream, heard } = start(decoder);
      // One frame, then some, as packets have them: after each, everything comes out while nothing else goes in.
      for (const [from, to] of [
        [0, 10],
        [10, 11],
        [11, 13],
        [13, 14],
        [14, 60],
      ] as const) {
        expect(stream.feed(frames.slice(from, to))).toBe(true);
        await eventually('the samples of what was fed', () => heard.length === to * size);
      }
      expectSame(heard.all, wanted);
      stream.end();
      await eventually('its end', () => heard.ended === 1);
      expect(heard.length).toBe(60 * size);
    },
  );

  it('is gone when it is closed, and says nothing more', async () => {
    const { stream, heard } = start('g729');
    stream.feed([noise(10, 1)]);
    const { pid } = stream;
    if (pid === undefined) throw new Error('not started');
    stream.close();
    stream.close();
    await eventually('the end of the process', () => !processAlive(pid));
    expect(heard.ended).toBe(0);
    expect(stream.feed([noise(10, 2)])).toBe(false);
  });

  it('tells once that it died, and that it could not be started', async () => {
    const { stream, heard } = start('g729');
    if (stream.pid === undefined) throw new Error('not started');
    process.kill(stream.pid, 'SIGKILL');
    await eventually('its end', () => heard.ended === 1);
    const missing = start('g729', '/nonexistent/ffmpeg');
    missing.stream.feed([noise(10, 1)]);
    await eventually('its end', () => missing.heard.ended === 1);
    missing.stream.close();
  });

  it('that hangs takes no more memory than its pipe', async () => {
    const { stream } = start('g729');
    const { pid } = stream;
    if (pid === undefined) throw new Error('not started');
    process.kill(pid, 'SIGSTOP');
    let fed = 0;
    while (stream.feed([noise(1000, 3)]) && fed < 1000) fed += 1;
    expect(fed).toBeLessThan(300);
    stream.close();
    await eventually('the end of the process', () => !processAlive(pid));
  });
});

describe('ffmpeg on this machine', () => {
  it('is asked once what it decodes', async () => {
    const printed = execFileSync('ffmpeg', ['-hide_banner', '-decoders'], { encoding: 'utf8' });
    const wanted = (['g729', 'amrnb', 'amrwb'] as const).filter((name) => printed.includes(` ${name} `));
    expect([...((await findFfmpeg())?.decoders ?? [])]).toEqual(wanted);
  });

  it('is absent when nothing by its name can be started', async () => {
    expect(await findFfmpeg('/nonexistent/ffmpeg')).toBeUndefined();
    expect(await findFfmpeg('false')).toBeUndefined();
  });
});
