import { createSocket } from 'node:dgram';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { decodeG711 } from '../../src/audio/g711.js';
import type { MediaCall, MediaCallResult } from '../../src/rtp/media-plane.js';
import type { MediaThreads, MediaThreadsOptions } from '../../src/rtp/media-pool.js';
import { eventually } from '../helpers/eventually.js';
import { portRange } from '../helpers/port-range.js';
import { Heard, mismatches, PCMU, readWav, startPlane, temporaryDirectory } from './media-fixture.js';
import { noise, paced, pieces, RtpSender } from './rtp-sender.js';

const closers: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function plane(options: Partial<MediaThreadsOptions> = {}): Promise<MediaThreads> {
  const started = startPlane(options).plane;
  closers.push(() => started.stop());
  await started.start();
  return started;
}

async function openCall(media: MediaThreads): Promise<{ call: MediaCall; heard: Heard; path: string }> {
  const directory = temporaryDirectory();
  closers.push(directory.remove);
  const heard = new Heard();
  const call = await media.openCall({ sessionId: 's', directory: directory.path, utterances: false }, heard);
  return { call, heard, path: directory.path };
}

const LEG = { leg: 1, formats: [PCMU], active: true };

describe('media workers', () => {
  it('spread calls, and one that dies takes only its own calls with it, when no other can go on with them in time', async () => {
    // Nobody goes on with a call of which the end was asked for.
    const media = await plane({ workers: 2, tailMs: 2_000 });
    const [lost, kept] = [await openCall(media), await openCall(media)];
    expect(media.workers.map(({ calls }) => calls)).toEqual([1, 1]);
    const speech = noise(24_000, 41);
    const senders = await Promise.all(
      [lost, kept].map(async ({ call }) => new RtpSender((await call.openLeg(LEG)).port)),
    );
    const list = pieces(speech);
    const [doomed] = media.workers;
    let finishing: Promise<MediaCallResult> | undefined;
    await paced(list.length, 20, async (i) => {
      for (const sender of senders) await sender.send(list[i] ?? new Uint8Array());
      if (i === 100) finishing = lost.call.finish();
      if (i === 110) await doomed?.kill();
    });
    expect(lost.heard.losses).toEqual(['The media worker of this call ended.']);
    await expect(lost.call.openLeg({ ...LEG, leg: 2 })).rejects.toMatchObject({ code: 'SRS_MEDIA_WORKER' });
    const [ended, whole] = await Promise.all([finishing, kept.call.finish()]);
    // 2.2 s were sent before the end: at least the flush of the first second is there, and its header is true.
    expect(ended?.durationMs).toBeGreaterThanOrEqual(800);
    expect(ended?.legs).toMatchObject([{ leg: 1, file: 'leg-1.wav' }]);
    const rest = readWav(join(lost.path, 'leg-1.wav')).samples;
    expect(rest.length).toBe((ended?.durationMs ?? 0) * 8);
    expect(mismatches(rest, decodeG711('PCMU', speech).subarray(0, rest.length), 0)).toBe(0);
    expect(whole.legs[0]).toMatchObject({ packets: 150, lost: 0 });
    expect(mismatches(readWav(join(kept.path, 'leg-1.wav')).samples, decodeG711('PCMU', speech), 0)).toBe(0);
    expect(media.load).toEqual({ calls: 0, ports: 0 });

    await eventually('the worker is replaced', () => media.workers.filter(({ alive }) => alive).length === 2);
    const again = await openCall(media);
    await again.call.openLeg(LEG);
    expect((await again.call.finish()).legs).toHaveLength(1);
    await Promise.all(senders.map((sender) => sender.close()));
  });

  it('give a call to another one when theirs dies at that moment, and to its replacement when there is no other', async () => {
    for (const workers of [2, 1]) {
      const media = await plane({ workers });
      const [doomed] = media.workers;
      // The thread is told to stop before the call asks for it, and its end is noticed after: the request falls into the gap.
      const killing = doomed?.kill();
      expect(doomed?.alive).toBe(true);
      const [{ call, heard }] = await Promise.all([openCall(media), killing]);
      expect(doomed?.alive).toBe(false);
      const { port } = await call.openLeg(LEG);
      expect(port).toBeGreaterThan(0);
      expect((await call.finish()).legs).toHaveLength(1);
      expect(heard.failures).toEqual([]);
      expect(media.load).toEqual({ calls: 0, ports: 0 });
    }
  });

  it('keep the gauge of ports true when a leg gets none while another opens beside it', async () => {
    const base = portRange(4);
    const foreign = createSocket('udp4');
    await new Promise<void>((resolve) => {
      foreign.bind(base + 1, '127.0.0.1', () => resolve());
    });
    closers.push(() => foreign.close());
    const { plane: media, metrics } = startPlane({ portMin: base, portMax: base + 3, quarantineMs: 60_000 });
    closers.push(() => media.stop());
    await media.start();
    const gauge = async (): Promise<number> => (await metrics.portsInUse.get()).values[0]?.value ?? -1;
    const [one, two] = [await openCall(media), await openCall(media)];
    await Promise.all([
      expect(one.call.openLeg(LEG)).rejects.toMatchObject({ code: 'SRS_PORTS_EXHAUSTED' }),
      two.call.openLeg(LEG),
    ]);
    expect([await gauge(), media.load.ports]).toEqual([1, 1]);
    expect((await one.call.finish()).legs).toEqual([]);
    await two.call.finish();
    expect([await gauge(), media.load.ports]).toEqual([0, 0]);
  });

  it('pass over a port that somebody else holds, say when none is left, and let one rest after its call', async () => {
    const base = portRange(6);
    const foreign = createSocket('udp4');
    await new Promise<void>((resolve) => {
      foreign.bind(base + 1, '127.0.0.1', () => resolve());
    });
    closers.push(() => foreign.close());
    const media = await plane({ portMin: base, portMax: base + 5, quarantineMs: 60_000 });
    const { call } = await openCall(media);
    expect((await call.openLeg(LEG)).port).toBe(base + 2);
    expect((await call.openLeg({ ...LEG, leg: 2 })).port).toBe(base + 4);
    await expect(call.openLeg({ ...LEG, leg: 3 })).rejects.toMatchObject({ code: 'SRS_PORTS_EXHAUSTED' });
    expect(media.load.ports).toBe(2);
    await call.finish();
    expect(media.load.ports).toBe(0);
    const next = await openCall(media);
    await expect(next.call.openLeg(LEG)).rejects.toMatchObject({ code: 'SRS_PORTS_EXHAUSTED' });
  });

  it('answer at once although they sleep between ticks', async () => {
    const media = await plane({ tickMs: 500 });
    const { call } = await openCall(media);
    const times: number[] = [];
    for (let leg = 1; leg <= 40; leg++) {
      const start = performance.now();
      await call.openLeg({ ...LEG, leg });
      times.push(performance.now() - start);
    }
    times.sort((a, b) => a - b);
    // 0.4 ms when the machine is idle; a wait for the tick would be 250 ms on average.
    expect(times[20]).toBeLessThan(50);
  });

  it('use next to no CPU while there are no calls, and after the last one ended', async () => {
    const media = await plane();
    const { call } = await openCall(media);
    await call.openLeg(LEG);
    await call.finish();
    const worker = media.workers[0];
    // A loop that spins would burn all of a window; what the test process itself does may spoil some windows, not all.
    const shares: number[] = [];
    for (let n = 0; n < 5; n++) {
      const [before, began] = [process.cpuUsage(), performance.now()];
      await sleep(300);
      const { user, system } = process.cpuUsage(before);
      shares.push((user + system) / 1000 / (performance.now() - began));
    }
    expect(worker?.alive).toBe(true);
    expect(Math.min(...shares)).toBeLessThan(0.5);
  });

  it('stop with calls open: the files are finished and the callers get their results', async () => {
    const media = await plane();
    const { call, path } = await openCall(media);
    const sender = new RtpSender((await call.openLeg(LEG)).port);
    const speech = noise(4000, 42);
    await paced(25, 20, (i) => sender.send(speech.subarray(i * 160, i * 160 + 160)));
    await media.stop();
    const result = await call.finish();
    await sender.close();
    expect(result.durationMs).toBe(500);
    expect(readWav(join(path, 'leg-1.wav')).samples).toEqual(decodeG711('PCMU', speech));
    expect(media.workers).toEqual([]);
  });
});
