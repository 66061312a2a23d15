import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { readWav } from '../../src/audio/wav-reader.js';
import { placeRecordingCall } from '../../src/client/recording-client.js';
import type { CallRecord } from '../../src/store/call-record.js';
import { eventually } from '../helpers/eventually.js';
import { ServerProcess } from '../helpers/server-process.js';
import { startTestServer } from '../helpers/test-server.js';
import { ffprobe, tone } from '../helpers/voices.js';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const digest = (path: string): string => execFileSync('sha256sum', [path], { encoding: 'utf8' }).slice(0, 64);

describe('the files of a call that has ended', () => {
  it('have checksums and peaks when call.ended comes, and encodings some time later', async () => {
    const server = await startTestServer({ WHISPER_ENABLED: 'false', RECORDING_FORMATS: 'mp3, flac' });
    closers.push(() => server.stop());
    let known: CallRecord | undefined;
    server.app.bus.on((event) => {
      if (event.type === 'call.ended') known = server.record(event);
    });
    const report = await placeRecordingCall({
      target: { host: server.sip.host, port: server.sip.udp, transport: 'udp' },
      legs: [440, 880].map((hz, i) => ({
        label: String(i + 1),
        participant: { name: `P${i}`, aor: `sip:p${i}@example.com` },
        audio: tone(hz, 1500),
      })),
    });
    const ended = await server.ended(report.callId);
    const folder = server.folder(ended);
    const wavs = ['call.wav', 'leg-1.wav', 'leg-2.wav'];
    expect(known?.files).toEqual(
      wavs.map((name) => ({
        name,
        bytes: readFileSync(join(folder, name)).length,
        sha256: digest(join(folder, name)),
      })),
    );
    const peaks = JSON.parse(readFileSync(join(folder, 'peaks.json'), 'utf8'));
    expect(peaks).toMatchObject({
      version: 2,
      channels: 2,
      sample_rate: 8000,
      length: Math.ceil(ended.durationMs / 50),
    });
    const loudest = readWav(readFileSync(join(folder, 'call.wav'))).samples.reduce((a, b) => Math.max(a, b), 0);
    expect(Math.max(...peaks.data)).toBe(loudest >> 8);
    const record = await eventually('the encodings', () => {
      const written = server.record(ended);
      return written.files?.length === 5 && written;
    });
    expect(record.files?.slice(3).map(({ name, sha256 }) => [name, sha256])).toEqual(
      ['call.flac', 'call.mp3'].map((name) => [name, digest(join(folder, name))]),
    );
    expect(ffprobe(join(folder, 'call.flac')).seconds).toBeCloseTo(ended.durationMs / 1000, 2);
    expect(readdirSync(folder).filter((name) => /part$|tmp$/.test(name))).toEqual([]);
    expect({ ...record, files: undefined }).toEqual({ ...known, files: undefined });
    expect(await server.metric('siprec_encodings_total', { status: 'success' })).toBe(2);
  }, 30_000);

  it('are not promised where they cannot be made: without ffmpeg such a server does not start', async () => {
    const server = new ServerProcess({ PATH: '/nowhere', WHISPER_ENABLED: 'false', RECORDING_FORMATS: 'opus' });
    closers.push(() => server.dispose());
    expect(await server.exited).not.toBe(0);
    expect(server.output).toContain('RECORDING_FORMATS=opus needs ffmpeg');
  }, 30_000);
});
