import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { decodeG711 } from '../../src/audio/g711.js';
import type { Metrics } from '../../src/core/metrics.js';
import type { MediaCall } from '../../src/rtp/media-plane.js';
import type { MediaThreads, MediaThreadsOptions } from '../../src/rtp/media-pool.js';
import { eventually } from '../helpers/eventually.js';
import { channel, Heard, PCMU, readWav, startPlane, temporaryDirectory } from './media-fixture.js';
import { noise, paced, pieces, RtpSender } from './rtp-sender.js';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

interface Studio {
  readonly plane: MediaThreads;
  readonly metrics: Metrics;
  readonly call: MediaCall;
  readonly heard: Heard;
  readonly path: string;
  readonly senders: readonly RtpSender[];
}

async function studio(options: Partial<MediaThreadsOptions> = {}, utterances = false): Promise<Studio> {
  const { plane, metrics } = startPlane({ tailMs: 50, ...options });
  closers.push(() => plane.stop());
  const directory = temporaryDirectory();
  closers.push(directory.remove);
  const heard = new Heard();
  const call = await plane.openCall({ sessionId: 's', directory: directory.path, utterances }, heard);
  const legs = await Promise.all([1, 2].map((leg) => call.openLeg({ leg, formats: [PCMU], active: true })));
  const senders = legs.map(({ port }) => new RtpSender(port));
  closers.push(() => Promise.all(senders.map((sender) => sender.close())));
  return { plane, metrics, call, heard, path: directory.path, senders };
}

/** A plane whose one thread hangs once; the one that comes in its place does not. */
async function hangingStudio(hang: string, patience: MediaThreadsOptions['patience']): Promise<Studio> {
  process.env.HANG = hang;
  try {
    const program = new URL('./hanging-worker.mjs', import.meta.url);
    return await studio({ program, ...(patience ? { patience } : {}) });
  } finally {
    delete process.env.HANG;
  }
}

async function say(senders: readonly RtpSender[], speech: readonly Uint8Array[][], intervalMs = 20): Promise<void> {
  await paced(speech[0]?.length ?? 0, intervalMs, async (i) => {
    for (const [leg, sender] of senders.entries()) await sender.send(speech[leg]?.[i] ?? new Uint8Array());
  });
}

const voices = (seed: number, packets: number): Uint8Array[][] =>
  [seed, seed + 1].map((own) => pieces(noise(packets * 160, own)));

/** How many of these packets stand, sample for sample, in the files of a call: any of them, at any place. */
function found(path: string, packets: readonly Uint8Array[]): number {
  const files: Buffer[] = readdirSync(path).map((name) => readFileSync(join(path, name)));
  const stereo = readWav(join(path, 'call.wav')).samples;
  for (const index of [0, 1]) files.push(bytesOf(channel(stereo, index)));
  return packets.filter((payload) => {
    // A tenth of a packet is window enough: noise has no two places alike.
    const window = bytesOf(decodeG711('PCMU', payload.subarray(0, 16)));
    return files.some((file) => file.includes(window) || file.includes(Buffer.from(payload.subarray(0, 16))));
  }).length;
}

function bytesOf(samples: Int16Array): Buffer {
  return Buffer.from(samples.buffer, samples.byteOffset, samples.byteLength);
}

const dropped = async (metrics: Metrics): Promise<number> =>
  (await metrics.rtpDropped.get()).values.find(({ labels }) => labels.reason === 'paused')?.value ?? 0;

describe('a pause across threads', () => {
  it('is in force when it is confirmed: all before it is there, nothing of it, and all that was spoken after it', async () => {
    const { call, path, senders, metrics } = await studio();
    const [before, during, after] = [voices(1, 50), voices(11, 60), voices(21, 60)] as const;
    await say(senders, before);
    const from = await call.setPaused(true);
    await say(senders, during);
    const to = await call.setPaused(false);
    await say(senders, after);
    const result = await call.finish();
    expect(to.atMs).toBeGreaterThan(from.atMs);
    expect(to.at - from.at).toBeGreaterThanOrEqual(1100);
    expect(result.startedAt + from.atMs).toBeCloseTo(from.at, -2);
    for (const leg of [0, 1]) {
      const wav = readWav(join(path, `leg-${leg + 1}.wav`)).samples;
      const kept = [...(before[leg] ?? []), ...(after[leg] ?? [])].map((payload) => ({
        after: after[leg]?.includes(payload) === true,
        at: bytesOf(wav).indexOf(bytesOf(decodeG711('PCMU', payload))) / 2,
      }));
      expect(kept.slice(0, 50).every(({ at }) => at >= 0)).toBe(true);
      // A machine that stalls sends some packets of after the end so late that they lie before it; they are counted.
      const first = kept.findIndex((packet) => packet.after && packet.at >= 0);
      expect(first).toBeGreaterThanOrEqual(50);
      expect(kept.slice(first).every(({ at }) => at >= 0)).toBe(true);
      expect(result.legs[leg]?.dropped.paused).toBe(60 + first - 50);
      const [seam = 0, begin = 0] = [(kept[49]?.at ?? 0) + 160, kept[first]?.at];
      expect(begin - seam).toBeGreaterThanOrEqual(60 * 160);
      expect(wav.subarray(seam, begin).every((sample) => sample === 0)).toBe(true);
      expect(found(path, during[leg] ?? [])).toBe(0);
      expect(found(path, before[leg] ?? [])).toBe(50);
    }
    await eventually('the drops are counted', async () => (await dropped(metrics)) >= 120);
  });

  it('is confirmed within a second while a hundred calls are open on the thread', async () => {
    const { plane, call, senders } = await studio();
    const others = Array.from({ length: 99 }, temporaryDirectory);
    for (const { remove } of others) closers.push(remove);
    await Promise.all(
      others.map(({ path }) => plane.openCall({ sessionId: 'o', directory: path, utterances: true }, new Heard())),
    );
    const took: number[] = [];
    const talking = say(senders, voices(5, 50));
    for (let i = 0; i < 20; i++) {
      const asked = performance.now();
      await call.setPaused(i % 2 === 0);
      took.push(performance.now() - asked);
    }
    await talking;
    // The machine may stall once or twice; the server must not.
    expect(took.sort((a, b) => a - b)[16]).toBeLessThan(1000);
  });

  it('holds although the worker hangs when it is asked for: nothing sent from then on is ever kept', async () => {
    const { call, path, senders } = await hangingStudio('pause 1500', { pauseMs: 200 });
    const [before, during, after] = [voices(1, 40), voices(11, 20), voices(21, 40)] as const;
    await say(senders, before);
    await expect(call.setPaused(true)).rejects.toMatchObject({ code: 'SRS_MEDIA_WORKER' });
    await say(senders, during);
    const quiet = performance.now();
    // The thread goes on, and finds the packets and the command together.
    const late = await eventually('the worker confirms', () => call.setPaused(true).catch(() => undefined));
    expect(late.atMs).toBeGreaterThan(0);
    await call.setPaused(false);
    // The clock of a sender runs on while it says nothing.
    for (const sender of senders) sender.timestamp += Math.round((performance.now() - quiet) * 8);
    await say(senders, after);
    await call.finish();
    for (const leg of [0, 1]) {
      expect(found(path, during[leg] ?? [])).toBe(0);
      expect(found(path, before[leg] ?? [])).toBeGreaterThan(30);
      expect(found(path, after[leg]?.slice(20) ?? [])).toBe(20);
    }
  });
});

describe('a resume that the worker does not confirm', () => {
  it('never happens behind the back of whoever was told that the pause goes on', async () => {
    const { call, path, senders } = await hangingStudio('resume 1200', { pauseMs: 200 });
    const [before, during, after] = [voices(1, 40), voices(11, 90), voices(21, 40)] as const;
    await say(senders, before);
    await call.setPaused(true);
    await expect(call.setPaused(false)).rejects.toMatchObject({ code: 'SRS_MEDIA_WORKER' });
    // 1.8 s, in which the thread goes on and finds the command.
    await say(senders, during);
    await eventually('the worker confirms', () => call.setPaused(true).catch(() => undefined));
    await eventually('the resume is confirmed', () => call.setPaused(false).catch(() => undefined));
    await say(senders, after);
    await call.finish();
    for (const leg of [0, 1]) {
      expect(found(path, during[leg] ?? [])).toBe(0);
      expect(found(path, after[leg]?.slice(20) ?? [])).toBe(20);
    }
  });
});

describe('a media worker that hangs', () => {
  it('when a call ends is taken for dead: the call ends with what is on disk, and another thread takes its others and the next', async () => {
    const { plane, call, path, senders } = await hangingStudio('finish', { finishMs: 1000 });
    await say(senders, voices(1, 100));
    const other = new Heard();
    const directory = temporaryDirectory();
    closers.push(directory.remove);
    const neighbour = await plane.openCall({ sessionId: 'n', directory: directory.path, utterances: false }, other);
    const result = await call.finish();
    expect(result.legs.map(({ file }) => file)).toEqual(['leg-1.wav', 'leg-2.wav']);
    expect(result.durationMs).toBeGreaterThan(500);
    expect(readWav(join(path, 'leg-1.wav')).samples.length).toBeGreaterThan(4000);
    const leg = { leg: 1, formats: [PCMU], active: true };
    await eventually('another thread has the neighbour', () => neighbour.openLeg(leg).catch(() => undefined));
    expect(other.losses).toEqual([]);
    expect((await neighbour.finish()).legs).toHaveLength(1);
    const next = await plane.openCall({ sessionId: 'x', directory: path, utterances: false }, new Heard());
    expect((await next.openLeg(leg)).port).toBeGreaterThan(0);
  });

  it('does not keep the plane from stopping', async () => {
    const { plane, senders } = await hangingStudio('stop', { finishMs: 500 });
    await say(senders, voices(1, 5));
    await plane.stop();
    expect(plane.workers).toEqual([]);
  });
});
