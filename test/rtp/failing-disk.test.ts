import { mkdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type ExpectStatic, it, type OnTestFinishedHandler } from 'vitest';
import { decodeG711 } from '../../src/audio/g711.js';
import type { Metrics } from '../../src/core/metrics.js';
import type { MediaCall } from '../../src/rtp/media-plane.js';
import type { MediaThreads, MediaThreadsOptions } from '../../src/rtp/media-pool.js';
import { eventually } from '../helpers/eventually.js';
import { portRange } from '../helpers/port-range.js';
import { FreezableDisk, SmallDisk } from '../helpers/small-disk.js';
import { channel, find, Heard, mismatches, PCMU, readWav, startPlane, temporaryDirectory } from './media-fixture.js';
import { noise, paced, pieces, RtpSender } from './rtp-sender.js';

type Own = (close: OnTestFinishedHandler) => void;

interface Plane {
  readonly media: MediaThreads;
  readonly metrics: Metrics;
  readonly backlog: () => Promise<number>;
}

async function plane(own: Own, options: Partial<MediaThreadsOptions> = {}): Promise<Plane> {
  const portMin = portRange(12);
  const { plane: media, metrics } = startPlane({ portMin, portMax: portMin + 11, tailMs: 50, ...options });
  own(() => media.stop());
  await media.start();
  return { media, metrics, backlog: async () => (await metrics.recordingBacklog.get()).values[0]?.value ?? -1 };
}

interface Recorded {
  readonly call: MediaCall;
  readonly heard: Heard;
  readonly path: string;
  readonly senders: readonly RtpSender[];
}

async function recorded(own: Own, media: MediaThreads, directory: string): Promise<Recorded> {
  const heard = new Heard();
  mkdirSync(directory, { recursive: true });
  const call = await media.openCall({ sessionId: 's', directory, utterances: false }, heard);
  const senders: RtpSender[] = [];
  for (const leg of [1, 2]) {
    senders.push(new RtpSender((await call.openLeg({ leg, formats: [PCMU], active: true })).port));
  }
  own(async () => {
    await Promise.all(senders.map((sender) => sender.close()));
  });
  return { call, heard, path: directory, senders };
}

/** Both legs talk for so many packets of 20 ms; `at` is called before each, and keeps the one of leg 1 back by saying `hold`. */
async function talk(calls: readonly Recorded[], speech: readonly Uint8Array[], at: (packet: number) => unknown) {
  const lists = speech.map((leg) => pieces(leg));
  await paced(lists[0]?.length ?? 0, 20, async (i) => {
    const held = (await at(i)) === 'hold';
    for (const [n, { senders }] of calls.entries()) {
      for (const [leg, sender] of senders.entries()) {
        if (!held || n + leg > 0) await sender.send(lists[leg]?.[i] ?? new Uint8Array());
      }
    }
  });
}

function expectWhole(expect: ExpectStatic, { path }: Recorded, speech: readonly Uint8Array[]): void {
  const stereo = readWav(join(path, 'call.wav'));
  for (const [leg, sent] of speech.entries()) {
    const wanted = decodeG711('PCMU', sent);
    const { samples, dataBytes } = readWav(join(path, `leg-${leg + 1}.wav`));
    expect(statSync(join(path, `leg-${leg + 1}.wav`)).size).toBe(dataBytes + 44);
    const start = find(samples, wanted);
    expect(start).toBeGreaterThanOrEqual(0);
    expect(start).toBeLessThan(800);
    expect(mismatches(samples, wanted, start)).toBe(0);
    expect(mismatches(channel(stereo.samples, leg), wanted, start)).toBe(0);
  }
}

describe('a call whose disk is full', () => {
  it.concurrent('goes on in memory, and its files are whole to the bit when there is space again; a call elsewhere never notices', async ({
    expect,
    onTestFinished: own,
  }) => {
    const disk = new SmallDisk('2m');
    own(() => disk.remove());
    const elsewhere = temporaryDirectory();
    own(elsewhere.remove);
    const { media, metrics, backlog } = await plane(own);
    const full = await recorded(own, media, join(disk.path, 'call'));
    const well = await recorded(own, media, elsewhere.path);
    const speech = [noise(40_000, 61), noise(40_000, 62)];
    let most = 0;
    const belated: Uint8Array[] = [];
    const one = full.senders[0];
    await talk([full, well], speech, async (i) => {
      if (i === 40) disk.fill();
      // One packet comes when its place has been committed and waits for the disk already.
      if (i === 130 && one) await one.sendRaw(belated[0] ?? new Uint8Array());
      if (i === 170) most = await backlog();
      if (i === 171) disk.free();
      if (i !== 60 || !one) return undefined;
      belated.push(one.next(speech[0]?.subarray(9600, 9760) ?? new Uint8Array()));
      return 'hold';
    });
    // From 0.8 s to 3.4 s nothing could be written: at least a second of three files was seen waiting.
    expect(most).toBeGreaterThan(60_000);
    expect(full.heard.failures).toEqual(['A recording cannot be written: ENOSPC.']);
    await eventually('the backlog is written', async () => (await backlog()) === 0);
    const [result, other] = await Promise.all([full.call.finish(), well.call.finish()]);
    expect(result.legs.map(({ unwrittenMs, lost }) => [unwrittenMs, lost])).toEqual([
      [undefined, 0],
      [undefined, 0],
    ]);
    expectWhole(expect, full, speech);
    expectWhole(expect, well, speech);
    expect(well.heard.failures).toEqual([]);
    expect(other.legs.map(({ packets }) => packets)).toEqual([250, 250]);
    expect((await metrics.recordingErrors.get()).values[0]?.value).toBe(1);
    expect((await metrics.recordingUnwritten.get()).values[0]?.value).toBe(0);
  });

  it.concurrent('waits for space when it ends, and finishes its files when it comes', async ({
    expect,
    onTestFinished: own,
  }) => {
    const disk = new SmallDisk('2m');
    own(() => disk.remove());
    const { media } = await plane(own);
    const full = await recorded(own, media, join(disk.path, 'call'));
    const speech = [noise(12_000, 63), noise(12_000, 64)];
    await talk([full], speech, (i) => (i === 20 ? disk.fill() : undefined));
    const finished = full.call.finish();
    await eventually('the ports are free', () => full.senders.every(({ port }) => port > 0));
    disk.free();
    const result = await finished;
    expect(result.legs.map(({ unwrittenMs }) => unwrittenMs)).toEqual([undefined, undefined]);
    expectWhole(expect, full, speech);
  });

  it.concurrent('ends truthfully when no space comes: the header tells what the file has, and the result what is missing', async ({
    expect,
    onTestFinished: own,
  }) => {
    const disk = new SmallDisk('2m');
    own(() => disk.remove());
    const { media, metrics, backlog } = await plane(own, { diskPatienceMs: 1500 });
    const full = await recorded(own, media, join(disk.path, 'call'));
    const speech = [noise(24_000, 65), noise(24_000, 66)];
    await talk([full], speech, (i) => (i === 75 ? disk.fill() : undefined));
    const result = await full.call.finish();
    expect(Math.abs(result.durationMs - 3000)).toBeLessThanOrEqual(20);
    for (const [leg, sent] of speech.entries()) {
      const wanted = decodeG711('PCMU', sent);
      const { samples } = readWav(join(full.path, `leg-${leg + 1}.wav`));
      expect(samples.length).toBe(result.durationMs * 8);
      const start = find(samples, wanted);
      const lostMs = result.legs[leg]?.unwrittenMs ?? 0;
      // The disk took what was flushed before it was full, and what fitted into the last block that the file had.
      expect(lostMs).toBeGreaterThan(1000);
      expect(lostMs).toBeLessThan(2600);
      const kept = wanted.length - lostMs * 8;
      expect(mismatches(samples.subarray(0, start + kept), wanted.subarray(0, kept), start)).toBe(0);
      expect(samples.subarray(start + kept + 4096).every((sample) => sample === 0)).toBe(true);
    }
    expect(result.unwrittenMs).toBeGreaterThan(1000);
    expect(await backlog()).toBe(0);
    const unwritten = (await metrics.recordingUnwritten.get()).values[0]?.value ?? 0;
    const told = (result.unwrittenMs ?? 0) + result.legs.reduce((sum, leg) => sum + (leg.unwrittenMs ?? 0), 0);
    expect(unwritten).toBeCloseTo(told / 1000, 3);
    // What the disk had for other files is still its own.
    expect(readFileSync(join(disk.path, 'ballast')).every((byte) => byte === 1)).toBe(true);
  });

  it.concurrent('gives up its oldest samples when memory for them runs out, and says how much', async ({
    expect,
    onTestFinished: own,
  }) => {
    const disk = new SmallDisk('2m');
    own(() => disk.remove());
    // Two slices of 512 ms for each of the three files.
    const { media } = await plane(own, { backlogBytes: 8192 * 8 });
    const full = await recorded(own, media, join(disk.path, 'call'));
    const speech = [noise(32_000, 67), noise(32_000, 68)];
    await talk([full], speech, (i) => {
      if (i === 20) disk.fill();
      if (i === 170) disk.free();
    });
    const result = await full.call.finish();
    for (const [leg, sent] of speech.entries()) {
      const wanted = decodeG711('PCMU', sent);
      const { samples } = readWav(join(full.path, `leg-${leg + 1}.wav`));
      const start = find(samples, wanted);
      let missing = 0;
      for (let i = 0; i < wanted.length; i++) if (samples[start + i] === 0 && wanted[i] !== 0) missing++;
      const told = (result.legs[leg]?.unwrittenMs ?? 0) * 8;
      expect((result.legs[leg]?.gapMs?.write_failed ?? 0) * 8).toBe(told);
      expect(told).toBeGreaterThan(4096);
      // A write that failed may have filled the last page of the disk before; and a sample may be silence of its own.
      expect(missing).toBeLessThanOrEqual(told);
      expect(missing).toBeGreaterThan(told - 2048 - told / 50);
      const newest = wanted.length - 4096;
      expect(mismatches(samples, wanted.subarray(newest), start + newest)).toBe(0);
    }
  });
});

describe('a disk that does not answer', () => {
  it.concurrent('for 4.5 s loses nothing of its calls, is told, and calls of another worker never notice', async ({
    expect,
    onTestFinished: own,
  }) => {
    const disk = new FreezableDisk();
    own(() => disk.remove());
    const elsewhere = temporaryDirectory();
    own(elsewhere.remove);
    const { media, metrics } = await plane(own, { workers: 2 });
    const slow = await recorded(own, media, join(disk.path, 'call'));
    const well = await recorded(own, media, elsewhere.path);
    const speech = [noise(56_000, 71), noise(56_000, 72)];
    let lastMs = performance.now();
    let longest = 0;
    const beat = setInterval(() => {
      longest = Math.max(longest, performance.now() - lastMs);
      lastMs = performance.now();
    }, 10);
    own(() => clearInterval(beat));
    const grown: number[] = [];
    await talk([slow, well], speech, (i) => {
      if (i === 60) disk.freeze();
      if (i % 60 === 0) grown.push(readWav(join(well.path, 'leg-1.wav')).samples.length);
      if (i === 285) disk.thaw();
    });
    const results = await Promise.all([slow.call.finish(), well.call.finish()]);
    for (const { legs } of results) {
      expect(legs.map(({ packets, lost }) => [packets, lost])).toEqual([
        [350, 0],
        [350, 0],
      ]);
    }
    expectWhole(expect, slow, speech);
    expectWhole(expect, well, speech);
    // The other worker wrote all the while, and this thread was never held.
    expect(grown).toEqual([...grown].sort((a, b) => a - b));
    expect(grown.at(-1)).toBeGreaterThan(56_000 - 3 * 8000);
    expect(longest).toBeLessThan(1000);
    expect((await metrics.diskSlow.get()).values[0]?.value).toBeGreaterThanOrEqual(1);
    expect([...slow.heard.failures, ...slow.heard.losses]).toEqual([]);
  });
});
