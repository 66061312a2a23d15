import { readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type OnTestFinishedHandler } from 'vitest';
import { decodeG711 } from '../../src/audio/g711.js';
import type { MediaCall, MissingMedia } from '../../src/rtp/media-plane.js';
import type { MediaThreads, MediaThreadsOptions } from '../../src/rtp/media-pool.js';
import { SrtpSender } from '../../src/rtp/srtp-sender.js';
import { eventually } from '../helpers/eventually.js';
import { portRange } from '../helpers/port-range.js';
import { channel, find, Heard, mismatches, PCMU, readWav, startPlane, temporaryDirectory } from './media-fixture.js';
import { noise, paced, pieces, RtpSender, rtpPacket } from './rtp-sender.js';

type Own = (close: OnTestFinishedHandler) => void;

async function plane(own: Own, options: Partial<MediaThreadsOptions> = {}) {
  const portMin = portRange(12);
  const started = startPlane({ portMin, portMax: portMin + 11, ...options });
  own(() => started.plane.stop());
  await started.plane.start();
  return started;
}

interface Recorded {
  readonly call: MediaCall;
  readonly heard: Moved;
  readonly path: string;
  readonly senders: readonly RtpSender[];
}

class Moved extends Heard {
  readonly moves: MissingMedia[] = [];

  moved(missing: MissingMedia): void {
    this.moves.push(missing);
  }
}

async function recorded(own: Own, media: MediaThreads): Promise<Recorded> {
  const directory = temporaryDirectory();
  own(directory.remove);
  const heard = new Moved();
  const call = await media.openCall({ sessionId: 's', directory: directory.path, utterances: false }, heard);
  const senders: RtpSender[] = [];
  for (const leg of [1, 2])
    senders.push(new RtpSender((await call.openLeg({ leg, formats: [PCMU], active: true })).port));
  own(async () => {
    await Promise.all(senders.map((sender) => sender.close()));
  });
  return { call, heard, path: directory.path, senders };
}

/** How late its latest packet was, in ms: a sender that a busy machine holds up is not told from its clock. */
async function talk(calls: readonly Recorded[], speech: readonly Uint8Array[], at: (packet: number) => unknown) {
  const lists = speech.map((leg) => pieces(leg));
  const start = performance.now();
  let late = 0;
  await paced(lists[0]?.length ?? 0, 20, async (i) => {
    await at(i);
    late = Math.max(late, performance.now() - start - i * 20);
    for (const { senders } of calls) {
      for (const [leg, sender] of senders.entries()) await sender.send(lists[leg]?.[i] ?? new Uint8Array());
    }
  });
  return late;
}

/** Where the audio of a leg breaks off, goes on, and how far it lies from its place then; in samples of what was sent. */
function seam(samples: Int16Array, wanted: Int16Array, start: number) {
  let before = 0;
  while (before < wanted.length && samples[start + before] === wanted[before]) before++;
  const tail = wanted.subarray(wanted.length - 8000);
  const at = find(samples.subarray(0), tail);
  const shift = at - (start + wanted.length - 8000);
  let after = wanted.length;
  while (after > before && samples[start + shift + after - 1] === wanted[after - 1]) after--;
  return { before, after, shift, silent: samples.subarray(start + before, start + after + shift) };
}

describe('a call whose media worker dies', () => {
  for (const workers of [2, 1]) {
    const who = workers === 2 ? 'another worker' : 'the worker that replaces it';
    it.concurrent(`goes on in ${who}, on its ports and in its files, and lacks about a second`, async ({
      expect,
      onTestFinished: own,
    }) => {
      const { plane: media, metrics } = await plane(own, { workers });
      const doomed = await recorded(own, media);
      const other = workers === 2 ? await recorded(own, media) : undefined;
      const speech = [noise(48_000, 81), noise(48_000, 82)];
      const dead = media.workers[0];
      const late = await talk(other ? [doomed, other] : [doomed], speech, async (i) => {
        if (i === 110) await dead?.kill();
      });
      expect([doomed.heard.moves.length, doomed.heard.losses, doomed.heard.firstPackets.length]).toEqual([1, [], 2]);
      const result = await doomed.call.finish();
      expect(Math.abs(result.durationMs - 6000)).toBeLessThanOrEqual(20 + late);
      const stereo = readWav(join(doomed.path, 'call.wav')).samples;
      for (const [leg, sent] of speech.entries()) {
        const wanted = decodeG711('PCMU', sent);
        const { samples } = readWav(join(doomed.path, `leg-${leg + 1}.wav`));
        expect(samples.length).toBe(result.durationMs * 8);
        const start = find(samples, wanted);
        expect(start).toBeLessThan(800);
        const { before, after, shift, silent } = seam(samples, wanted, start);
        // 2.2 s had come; the last flush was at most 0.9 s and a tick before, and 100 ms of what came wait for stragglers.
        expect(before).toBeGreaterThan(8000);
        expect(before).toBeLessThanOrEqual(17_600);
        expect(after - before).toBeLessThan(2.5 * 8000);
        expect(Math.abs(shift)).toBeLessThanOrEqual((20 + late) * 8);
        const { fromMs = 0, toMs = 0 } = doomed.heard.moves[0] ?? {};
        expect((start + before) / 8).toBeGreaterThanOrEqual(fromMs);
        expect((start + after) / 8).toBeLessThanOrEqual(toMs + 20 + late);
        // What nobody heard is silence; a packet of the wait may stand at its edge.
        expect(silent.subarray(0, Math.max(0, silent.length - 1600)).every((sample) => sample === 0)).toBe(true);
        expect(mismatches(channel(stereo, leg), samples, 0)).toBe(0);
      }
      if (other) {
        await other.call.finish();
        expect(other.heard.moves).toEqual([]);
        for (const [leg, sent] of speech.entries()) {
          const wanted = decodeG711('PCMU', sent);
          const { samples } = readWav(join(other.path, `leg-${leg + 1}.wav`));
          expect(mismatches(samples, wanted, find(samples, wanted))).toBe(0);
        }
      }
      expect((await metrics.mediaMoved.get()).values[0]?.value).toBe(1);
      expect(media.load).toEqual({ calls: 0, ports: 0 });
      await eventually('its replacement', () => media.workers.filter(({ alive }) => alive).length === workers);
      expect(media.workers.map(({ calls }) => calls)).toEqual(Array.from({ length: workers }, () => 0));
      const open = readdirSync('/proc/self/fd').map((fd) => {
        try {
          return readlinkSync(`/proc/self/fd/${fd}`);
        } catch {
          return '';
        }
      });
      expect(open.filter((path) => path.startsWith(doomed.path))).toEqual([]);
    });
  }

  it.concurrent('stays paused: nothing of the pause is in its files, and what follows the resume is', async ({
    expect,
    onTestFinished: own,
  }) => {
    const { plane: media } = await plane(own);
    const doomed = await recorded(own, media);
    const speech = [noise(48_000, 83), noise(48_000, 84)];
    const dead = media.workers[0];
    let pausedMs = 0;
    let resumedMs = 0;
    const late = await talk([doomed], speech, async (i) => {
      if (i === 50) pausedMs = (await doomed.call.setPaused(true)).atMs;
      if (i === 80) await dead?.kill();
      if (i === 200) resumedMs = (await doomed.call.setPaused(false)).atMs;
    });
    expect(doomed.heard.moves).toHaveLength(1);
    const result = await doomed.call.finish();
    expect(resumedMs - pausedMs).toBeGreaterThan(2500);
    for (const [leg, sent] of speech.entries()) {
      const wanted = decodeG711('PCMU', sent);
      const { samples } = readWav(join(doomed.path, `leg-${leg + 1}.wav`));
      expect(samples.length).toBe(result.durationMs * 8);
      const silent = samples.subarray(Math.ceil((pausedMs + 20 + late) * 8), Math.floor((resumedMs - late) * 8));
      expect(silent.every((sample) => sample === 0)).toBe(true);
      const tail = wanted.subarray(wanted.length - 8000);
      expect(find(samples, tail)).toBeGreaterThan(0);
    }
  });

  it.concurrent('goes on hearing a protected stream, whose numbering had turned over', async ({
    expect,
    onTestFinished: own,
  }) => {
    const { plane: media } = await plane(own);
    const directory = temporaryDirectory();
    own(directory.remove);
    const suite = 'AES_CM_128_HMAC_SHA1_80';
    const [theirs, ours] = [1, 2].map((at) => ({ key: noise(16, at).slice(), salt: noise(14, at).slice() }));
    if (!theirs || !ours) throw new Error('no keys');
    const heard = new Moved();
    const call = await media.openCall({ sessionId: 's', directory: directory.path, utterances: false }, heard);
    const keys = { suite, theirs: [theirs], ours } as const;
    const { port } = await call.openLeg({ leg: 1, formats: [PCMU], active: true, keys });
    const [rtp, srtp] = [new RtpSender(port), new SrtpSender(suite, theirs)];
    own(() => rtp.close());
    const speech = noise(24_000, 85);
    const packets = pieces(speech);
    const dead = media.workers[0];
    await paced(packets.length, 20, async (i) => {
      if (i === 50) await dead?.kill();
      // In the second round from the 36th on, and far in it when the worker has died: no first packet of a stream has such an index.
      const sequence = (65_500 + i + (i < 50 ? 0 : 30_000 + Math.min(10_000, (i - 50) * 1000))) & 0xffff;
      const packet = rtpPacket({ sequence, timestamp: i * 160, ssrc: 77 }, packets[i] ?? new Uint8Array(0));
      await rtp.sendRaw(srtp.seal(packet));
    });
    const { legs } = await call.finish();
    expect(heard.moves).toHaveLength(1);
    expect(legs[0]?.dropped).toMatchObject({ unauthenticated: 0 });
    const wanted = decodeG711('PCMU', speech);
    const { samples } = readWav(join(directory.path, 'leg-1.wav'));
    expect(find(samples, wanted.subarray(wanted.length - 4000))).toBeGreaterThan(0);
  });

  it.concurrent('before anything was heard has a channel for each stream of the first offer all the same', async ({
    expect,
    onTestFinished: own,
  }) => {
    const { plane: media } = await plane(own);
    const directory = temporaryDirectory();
    own(directory.remove);
    const heard = new Moved();
    const legs = [1, 2, 3].map((leg) => ({ leg, formats: [PCMU], active: true }));
    const call = await media.openCall({ sessionId: 's', directory: directory.path, utterances: false, legs }, heard);
    await media.workers[0]?.kill();
    await eventually('the worker that goes on', () => heard.moves.length === 1);
    await call.finish();
    expect(readWav(join(directory.path, 'call.wav')).channels).toBe(3);
  });
});
