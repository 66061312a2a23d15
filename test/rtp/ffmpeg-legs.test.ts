import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findFfmpeg } from '../../src/audio/ffmpeg-program.js';
import type { MediaFormat } from '../../src/core/model.js';
import type { MediaThreads } from '../../src/rtp/media-pool.js';
import { eventually } from '../helpers/eventually.js';
import { processAlive } from '../helpers/process-alive.js';
import { Heard, readWav, startPlane, temporaryDirectory } from './media-fixture.js';
import { noise, paced, RtpSender, rtpPacket } from './rtp-sender.js';

const G729: MediaFormat = { payloadType: 18, encoding: 'G729', clockRate: 8000, channels: 1 };
const folder = temporaryDirectory();
let plane: MediaThreads;

beforeAll(async () => {
  ({ plane } = startPlane({ findFfmpeg: () => findFfmpeg() }));
  await plane.start();
});
afterAll(async () => {
  await plane.stop();
  folder.remove();
});

/** The ffmpegs that this process has started. */
function children(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
        const [, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
        return stat.includes('(ffmpeg)') && Number(parent) === process.pid && processAlive(pid);
      } catch {
        return false;
      }
    });
}

describe('the ffmpeg of a leg', () => {
  it.each(['SIGKILL', 'SIGSTOP'] as const)(
    'that gets %s costs a gap: another takes its place, and none is left',
    async (signal) => {
      const directory = join(folder.path, signal);
      const call = await plane.openCall({ sessionId: signal, directory, utterances: false }, new Heard());
      const { port } = await call.openLeg({ leg: 1, formats: [G729], active: true });
      const sender = new RtpSender(port);
      const first = 75;
      const seconds = signal === 'SIGKILL' ? 1.8 : 5.5;
      const send = (from: number) => (i: number) =>
        sender.sendRaw(
          rtpPacket(
            { payloadType: 18, sequence: from + i, timestamp: (from + i) * 160, ssrc: 9 },
            noise(20, 1 + from + i),
          ),
        );
      await paced(first, 20, send(0));
      const [pid = 0] = children();
      expect(children()).toEqual([pid]);
      process.kill(pid, signal);
      await paced(seconds * 50, 20, send(first));
      const { legs } = await call.finish();
      await sender.close();
      await eventually('the end of every child', () => children().length === 0);
      const { samples } = readWav(join(directory, 'leg-1.wav'));
      const loud = (fromMs: number, toMs: number): boolean =>
        samples.subarray(fromMs * 8, toMs * 8).some((sample) => Math.abs(sample) > 100);
      expect(legs[0]?.lost).toBe(0);
      expect(legs[0]?.undecoded).toBeGreaterThan(0);
      // All that the child took with it, in frames of 10 ms, and nothing else.
      expect(legs[0]?.gapMs?.unusable).toBe(10 * (legs[0]?.undecoded ?? 0));
      for (const { startMs, endMs } of legs[0]?.gaps?.filter(({ cause }) => cause === 'unusable') ?? []) {
        expect(loud(startMs, endMs)).toBe(false);
      }
      expect(samples.length).toBeGreaterThanOrEqual((first + seconds * 50) * 160 - 1600);
      expect(loud(200, 1000)).toBe(true);
      expect(loud(samples.length / 8 - 900, samples.length / 8 - 300)).toBe(true);
    },
  );

  it('whose stream is taken out of the call ends while the call goes on', async () => {
    const directory = join(folder.path, 'closed');
    const call = await plane.openCall({ sessionId: 'closed', directory, utterances: false }, new Heard());
    const { port } = await call.openLeg({ leg: 1, formats: [G729], active: true });
    const sender = new RtpSender(port);
    await paced(25, 20, (i) =>
      sender.sendRaw(rtpPacket({ payloadType: 18, sequence: i, timestamp: i * 160, ssrc: 9 }, noise(20, 1 + i))),
    );
    await eventually('a child', () => children().length === 1);
    await call.closeLeg(1);
    await eventually('the end of the child', () => children().length === 0);
    const { legs } = await call.finish();
    await sender.close();
    expect([legs[0]?.packets, legs[0]?.undecoded]).toEqual([25, undefined]);
  });
});
