import { execFileSync } from 'node:child_process';
import { chmodSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { WavPeaks } from '../../src/audio/wav-peaks.js';
import { readWav } from '../../src/audio/wav-reader.js';
import { wavHeader } from '../../src/audio/wav-writer.js';
import { silentLogger } from '../../src/core/logger.js';
import { Metrics } from '../../src/core/metrics.js';
import { AudioThread } from '../../src/files/audio-thread.js';
import { EncodingQueue } from '../../src/files/encoding-queue.js';
import { FileFinisher } from '../../src/files/file-finisher.js';
import type { CallRecord } from '../../src/store/call-record.js';
import { RECORDING_FORMATS, type RecordingFormat } from '../../src/store/finished-file.js';
import { eventually } from '../helpers/eventually.js';
import { demoVoice, ffprobe, tone } from '../helpers/voices.js';
import { temporaryDirectory } from '../rtp/media-fixture.js';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const SECONDS = 5;

/** A finished call: two voices, a leg and a record. */
function call(): { path: string; samples: Int16Array; names: () => string[]; record: () => CallRecord } {
  const { path, remove } = temporaryDirectory();
  closers.push(remove);
  const [one, two] = [demoVoice('caller', 0, SECONDS * 1000), tone(440, SECONDS * 1000)];
  const samples = Int16Array.from({ length: 2 * one.length }, (_, i) => (i % 2 ? two : one)[i >> 1] ?? 0);
  const file = (name: string, channels: number, data: Int16Array): void =>
    writeFileSync(
      join(path, name),
      Buffer.concat([wavHeader({ channels, sampleRate: 8000 }, data.byteLength), Buffer.from(data.buffer)]),
    );
  file('call.wav', 2, samples);
  file('leg-1.wav', 1, Int16Array.from(one));
  writeFileSync(join(path, 'call.json'), JSON.stringify({ version: 1, state: 'ended', warnings: [], files: [] }));
  return {
    path,
    samples,
    names: () => readdirSync(path).sort(),
    record: () => JSON.parse(readFileSync(join(path, 'call.json'), 'utf8')),
  };
}

function queue(
  formats: readonly RecordingFormat[],
  program: string,
  more = {},
): { encodings: EncodingQueue; count: (status: string) => Promise<number | undefined> } {
  const metrics = new Metrics({ vendors: [], models: [] });
  const thread = new AudioThread();
  closers.push(() => thread.close());
  const encodings = new EncodingQueue({ formats, program, thread, metrics, logger: silentLogger, ...more });
  closers.push(() => encodings.close());
  return {
    encodings,
    count: async (status) =>
      (await metrics.encodings.get()).values.find(({ labels }) => labels.status === status)?.value,
  };
}

/** A program that an operator might have under the name of ffmpeg. */
function script(text: string): string {
  const { path, remove } = temporaryDirectory();
  closers.push(remove);
  const program = join(path, 'ffmpeg');
  writeFileSync(program, `#!/bin/sh\n${text}\n`);
  chmodSync(program, 0o755);
  return program;
}

const digest = (path: string): string => execFileSync('sha256sum', [path], { encoding: 'utf8' }).slice(0, 64);

describe('a finished recording', () => {
  it('has the checksums that sha256sum finds, and the peaks of its stereo file', async () => {
    const { path, names } = call();
    const finisher = new FileFinisher({
      formats: [],
      metrics: new Metrics({ vendors: [], models: [] }),
      logger: silentLogger,
    });
    closers.push(() => finisher.close());
    await finisher.start();
    const files = await finisher.finish(path, ['call.wav', 'leg-1.wav', 'leg-2.wav']);
    expect(files).toEqual([
      { name: 'call.wav', bytes: 44 + SECONDS * 32_000, sha256: digest(join(path, 'call.wav')) },
      { name: 'leg-1.wav', bytes: 44 + SECONDS * 16_000, sha256: digest(join(path, 'leg-1.wav')) },
    ]);
    const peaks = new WavPeaks();
    peaks.push(readFileSync(join(path, 'call.wav')));
    expect(JSON.parse(readFileSync(join(path, 'peaks.json'), 'utf8'))).toEqual(peaks.finish());
    expect(names()).toEqual(['call.json', 'call.wav', 'leg-1.wav', 'peaks.json']);
  });

  it('keeps nobody waiting when the server stops: what has not begun fails, and closing ends the thread', async () => {
    const { path } = call();
    const thread = new AudioThread();
    const asked = Array.from({ length: 50 }, () =>
      thread.ask({ kind: 'finish', directory: path, names: ['call.wav'] }),
    );
    const settled = Promise.allSettled(asked);
    await thread.close();
    const states = (await settled).map(({ status }) => status);
    expect(states.at(-1)).toBe('rejected');
    await expect(thread.ask({ kind: 'finish', directory: path, names: [] })).rejects.toMatchObject({
      code: 'SRS_RECORDING_WRITE',
    });
  });
});

describe('the encodings of a recording', () => {
  it('are made by ffmpeg: FLAC is bit-exact, Opus and MP3 are as long, and the record has their checksums', async () => {
    const { path, samples, names, record } = call();
    const before = digest(join(path, 'call.wav'));
    const { encodings, count } = queue(RECORDING_FORMATS, 'ffmpeg');
    encodings.add(path);
    await encodings.idle();
    expect(names()).toEqual(['call.flac', 'call.json', 'call.mp3', 'call.opus', 'call.wav', 'leg-1.wav']);
    const back = join(path, 'back.wav');
    execFileSync('ffmpeg', ['-v', 'error', '-i', join(path, 'call.flac'), '-c:a', 'pcm_s16le', back]);
    expect(Buffer.compare(Buffer.from(readWav(readFileSync(back)).samples.buffer), Buffer.from(samples.buffer))).toBe(
      0,
    );
    for (const name of ['call.opus', 'call.mp3']) {
      const probed = ffprobe(join(path, name));
      expect(Math.abs(probed.seconds - SECONDS)).toBeLessThan(0.2);
      expect(probed.channels).toBe(2);
    }
    expect(record().files).toEqual(
      ['call.flac', 'call.opus', 'call.mp3'].map((name) => ({
        name,
        bytes: readFileSync(join(path, name)).length,
        sha256: digest(join(path, name)),
      })),
    );
    expect(record().warnings).toEqual([]);
    expect(digest(join(path, 'call.wav'))).toBe(before);
    expect(await count('success')).toBe(3);
  });

  it('that fail are a warning of the record, leave no file behind, and do not touch the WAV or the next format', async () => {
    const { path, names, record } = call();
    const before = digest(join(path, 'call.wav'));
    const program = script(
      'case "$*" in *flac*) for last; do :; done; echo half > "$(echo "$last" | cut -c6-)"; echo "no space" >&2; exit 1;; esac; exec ffmpeg "$@"',
    );
    const { encodings, count } = queue(['flac', 'mp3'], program);
    encodings.add(path);
    await encodings.idle();
    expect(names()).toEqual(['call.json', 'call.mp3', 'call.wav', 'leg-1.wav']);
    expect(record().warnings).toEqual([{ code: 'encoding_failed', detail: 'flac' }]);
    expect(record().files?.map(({ name }) => name)).toEqual(['call.mp3']);
    expect(digest(join(path, 'call.wav'))).toBe(before);
    expect([await count('error'), await count('success')]).toEqual([1, 1]);
  });

  it('that hang are ended with everything that they started, at their limit', async () => {
    const { path, names, record } = call();
    const { encodings } = queue(['flac'], script('sleep 600 & sleep 600'), { timeoutMs: 300 });
    encodings.add(path);
    await encodings.idle();
    expect(record().warnings).toEqual([{ code: 'encoding_failed', detail: 'flac' }]);
    expect(names()).toEqual(['call.json', 'call.wav', 'leg-1.wav']);
  });

  it('have their name only when they are whole, and a stop leaves no half of one', async () => {
    const { path, names, record } = call();
    const program = script('for last; do :; done; echo half > "$(echo "$last" | cut -c6-)"; sleep 600');
    const { encodings } = queue(['opus'], program);
    encodings.add(path);
    await eventually('half a file', () => names().includes('call.opus.part'));
    expect(names()).not.toContain('call.opus');
    await encodings.close();
    expect(names()).toEqual(['call.json', 'call.wav', 'leg-1.wav']);
    expect(record().warnings).toEqual([]);
  });

  it('are made one at a time, and the calls that are too many to wait are counted', async () => {
    const calls = [call(), call(), call()];
    const log = join(calls[0]?.path ?? '', 'log');
    const program = script(`echo begin >> ${log}; sleep 0.2; echo end >> ${log}; exec ffmpeg "$@"`);
    const { encodings, count } = queue(['mp3'], program, { maxWaiting: 1 });
    for (const { path } of calls) encodings.add(path);
    await encodings.idle();
    expect(readFileSync(log, 'utf8').trim().split('\n')).toEqual(['begin', 'end', 'begin', 'end']);
    expect([await count('success'), await count('skipped')]).toEqual([2, 1]);
  });

  it('run at the lowest priority and see nothing of our environment', async () => {
    const { path } = call();
    const out = join(path, 'seen');
    process.env.SIPSCRIBE_TEST_SECRET = 'do not tell';
    closers.push(() => delete process.env.SIPSCRIBE_TEST_SECRET);
    const { encodings } = queue(['flac'], script(`sleep 0.3; { ps -o ni= -p $$; env; } > ${out}; exec ffmpeg "$@"`));
    encodings.add(path);
    await encodings.idle();
    const seen = readFileSync(out, 'utf8');
    expect(Number(seen.split('\n')[0])).toBe(19);
    expect(seen).not.toContain('do not tell');
  });

  it('that cannot be made here are told at the start', async () => {
    const finisher = (ffmpeg: string): FileFinisher =>
      new FileFinisher({
        formats: ['opus', 'mp3'],
        ffmpeg,
        metrics: new Metrics({ vendors: [], models: [] }),
        logger: silentLogger,
      });
    await expect(finisher('/nowhere/ffmpeg').start()).rejects.toMatchObject({
      code: 'SRS_CONFIG_INVALID',
      message: expect.stringContaining('RECORDING_FORMATS=opus,mp3 needs ffmpeg'),
    });
    await expect(finisher(script('echo " A....D libmp3lame  MP3"')).start()).rejects.toThrow(/libopus/);
    await expect(finisher('ffmpeg').start()).resolves.toBeUndefined();
  });
});
