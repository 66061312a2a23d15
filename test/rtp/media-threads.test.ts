import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeG711 } from '../../src/audio/g711.js';
import type { Metrics } from '../../src/core/metrics.js';
import type { MediaThreads } from '../../src/rtp/media-pool.js';
import { eventually } from '../helpers/eventually.js';
import {
  channel,
  DTMF,
  find,
  Heard,
  mismatches,
  PCMA,
  PCMU,
  readWav,
  startPlane,
  temporaryDirectory,
} from './media-fixture.js';
import { noise, paced, pieces, RtpSender } from './rtp-sender.js';

let plane: MediaThreads;
let metrics: Metrics;

async function counted(name: string): Promise<number> {
  const metric = await metrics.registry.getSingleMetric(name)?.get();
  return metric?.values.reduce((sum, { value }) => sum + value, 0) ?? 0;
}

beforeAll(async () => {
  ({ plane, metrics } = startPlane());
  await plane.start();
});

afterAll(() => plane.stop());

describe('the media plane', () => {
  it('records two legs of 10 s bit-exact on one clock, with a stereo file, and its headers are true all the while', async () => {
    const directory = temporaryDirectory();
    const heard = new Heard();
    const call = await plane.openCall({ sessionId: 's', directory: directory.path, utterances: false }, heard);
    const [one, two] = [
      await call.openLeg({ leg: 1, formats: [PCMU, DTMF], active: true }),
      await call.openLeg({ leg: 2, formats: [PCMA], active: true }),
    ];
    expect(one.port % 2).toBe(0);
    expect(two.port).toBe(one.port + 2);
    expect(plane.load).toEqual({ calls: 1, ports: 2 });
    const senders = [new RtpSender(one.port), new RtpSender(two.port, { payloadType: 8, timestamp: 77 })] as const;
    const sent = [noise(80_000, 1), noise(80_000, 2)] as const;
    const packets = sent.map((bytes) => pieces(bytes));
    const seconds: number[] = [];
    await paced(500, 20, async (i) => {
      await senders[0].send(packets[0]?.[i] ?? new Uint8Array());
      await senders[1].send(packets[1]?.[i] ?? new Uint8Array());
      if (i % 100 === 99) {
        const wav = readWav(join(directory.path, 'leg-1.wav'));
        seconds.push((i + 1) / 50 - wav.dataBytes / 16_000);
        readWav(join(directory.path, 'call.wav'));
      }
    });
    const result = await call.finish();
    await Promise.all(senders.map((sender) => sender.close()));
    expect(seconds).toHaveLength(5);
    // A flush a second, 100 ms of reordering, a tick; the rest is for a busy machine.
    for (const behind of seconds) expect(behind).toBeLessThan(2);

    expect(Math.abs(result.durationMs - 10_000)).toBeLessThanOrEqual(20);
    expect(Math.abs(result.startedAt + 10_000 - Date.now())).toBeLessThan(2000);
    expect(result.legs.map(({ packets: n, lost, bytes, sources }) => ({ n, lost, bytes, sources }))).toEqual([
      { n: 500, lost: 0, bytes: 500 * 172, sources: 1 },
      { n: 500, lost: 0, bytes: 500 * 172, sources: 1 },
    ]);
    const stereo = readWav(join(directory.path, 'call.wav'));
    expect(stereo).toMatchObject({ channels: 2, sampleRate: 8000 });
    const starts = [1, 2].map((leg) => {
      const wav = readWav(join(directory.path, `leg-${leg}.wav`));
      expect(wav.samples.length).toBe(result.durationMs * 8);
      expect(stereo.samples.length).toBe(wav.samples.length * 2);
      expect(channel(stereo.samples, leg - 1)).toEqual(wav.samples);
      const wanted = decodeG711(leg === 1 ? 'PCMU' : 'PCMA', sent[leg - 1] ?? new Uint8Array());
      const start = find(wav.samples, wanted);
      expect(start).toBeGreaterThanOrEqual(0);
      expect(mismatches(wav.samples, wanted.subarray(0, wav.samples.length - start), start)).toBe(0);
      expect(start + wanted.length).toBeLessThanOrEqual(wav.samples.length);
      return start;
    });
    expect(Math.min(...starts)).toBe(0);
    expect(Math.abs((starts[0] ?? 0) - (starts[1] ?? 0))).toBeLessThanOrEqual(400);
    expect(heard.firstPackets.map(({ leg }) => leg).sort()).toEqual([1, 2]);
    expect(heard.failures).toEqual([]);
    expect(await counted('siprec_rtp_packets_received_total')).toBe(1000);
    expect(await counted('siprec_ports_in_use')).toBe(0);
    for (const file of ['leg-1.wav', 'leg-2.wav', 'call.wav']) {
      const probe = execFileSync('ffprobe', [
        ...['-v', 'error', '-show_entries', 'stream=codec_name,duration', '-of', 'csv=p=0'],
        join(directory.path, file),
      ]).toString();
      expect(probe).toBe(`pcm_s16le,${(result.durationMs / 1000).toFixed(6)}\n`);
    }
    directory.remove();
  });

  it('leaves no thread, handle, port or descriptor behind after 30 calls', async () => {
    const { plane: own } = startPlane({ workers: 2 });
    await own.start();
    const directories = Array.from({ length: 31 }, temporaryDirectory);
    const once = async (directory: { path: string }): Promise<void> => {
      const call = await own.openCall({ sessionId: 's', directory: directory.path, utterances: true }, new Heard());
      const legs = await Promise.all([1, 2].map((leg) => call.openLeg({ leg, formats: [PCMU], active: true })));
      const senders = legs.map(({ port }) => new RtpSender(port));
      for (const sender of senders) for (const piece of pieces(noise(1600, 5))) await sender.send(piece);
      await call.closeLeg(2);
      const [one, two] = await Promise.all([call.finish(), call.finish()]);
      expect(one).toBe(two);
      expect(one.legs.map(({ packets }) => packets)).toEqual([10, expect.any(Number)]);
      await Promise.all(senders.map((sender) => sender.close()));
    };
    await once(directories[30] ?? { path: '' });
    const before = openDescriptors();
    await Promise.all(directories.slice(0, 30).map(once));
    expect(own.load).toEqual({ calls: 0, ports: 0 });
    await eventually('descriptors are given back', () => openDescriptors() <= before);
    const handles = (): string[] =>
      process.getActiveResourcesInfo().filter((name) => /Udp|Worker|MessagePort/i.test(name));
    await own.stop();
    await own.stop();
    expect(own.workers).toEqual([]);
    // The plane of the other tests keeps its one thread.
    await eventually('the handles are gone', () => handles().length <= 1 + 2);
    await expect(
      own.openCall({ sessionId: 's', directory: '/', utterances: false }, new Heard()),
    ).rejects.toMatchObject({
      code: 'SRS_MEDIA_WORKER',
    });
    for (const directory of directories) directory.remove();
  });
});

function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length;
}
