import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { decodeG711, encodeG711 } from '../../src/audio/g711.js';
import type { MediaFormat } from '../../src/core/model.js';
import type { MediaCall } from '../../src/rtp/media-plane.js';
import type { MediaThreads } from '../../src/rtp/media-pool.js';
import { eventually } from '../helpers/eventually.js';
import {
  channel,
  DTMF,
  find,
  Heard,
  mismatches,
  PCMU,
  readWav,
  startPlane,
  temporaryDirectory,
} from './media-fixture.js';
import { noise, paced, pieces, RtpSender, rtpPacket } from './rtp-sender.js';

let plane: MediaThreads;
const sentences: Record<'long' | 'short', Uint8Array> = { long: new Uint8Array(), short: new Uint8Array() };

beforeAll(async () => {
  sentences.long = espeak('good morning this is a long enough sentence to be on hold');
  sentences.short = espeak('where is my order');
  ({ plane } = startPlane());
  await plane.start();
});

afterAll(() => plane.stop());

interface TestCall {
  readonly call: MediaCall;
  readonly heard: Heard;
  readonly path: string;
  readonly leg: (leg: number, formats?: readonly MediaFormat[]) => Promise<RtpSender>;
  readonly wav: (leg: number) => Int16Array;
  readonly stereo: (index: number) => Int16Array;
}

/** A call on the shared plane, whose senders and directory are gone when `body` ends. */
async function withCall(body: (call: TestCall) => Promise<void>, utterances = false): Promise<void> {
  const directory = temporaryDirectory();
  const heard = new Heard();
  const senders: RtpSender[] = [];
  const { path } = directory;
  const call = await plane.openCall({ sessionId: 's', directory: path, utterances }, heard);
  try {
    await body({
      call,
      heard,
      path,
      leg: async (leg, formats = [PCMU, DTMF]) => {
        const { port } = await call.openLeg({ leg, formats, active: true });
        const sender = new RtpSender(port);
        senders.push(sender);
        return sender;
      },
      wav: (leg) => readWav(join(path, `leg-${leg}.wav`)).samples,
      stereo: (index) => channel(readWav(join(path, 'call.wav')).samples, index),
    });
  } finally {
    await call.finish();
    await Promise.all(senders.map((sender) => sender.close()));
    directory.remove();
  }
}

const talk = async (sender: RtpSender, speech: Uint8Array, size = 160): Promise<void> => {
  const list = pieces(speech, size);
  await paced(list.length, size / 8, (i) => sender.send(list[i] ?? new Uint8Array()));
};

const pcm = (speech: Uint8Array): Int16Array => decodeG711('PCMU', speech);

const sleep = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

describe.concurrent('a call on the media plane', () => {
  it('follows a new SSRC at once and counts it as a source', ({ expect }) =>
    withCall(async ({ call, leg, wav }) => {
      const sender = await leg(1);
      const [a, b] = [noise(8000, 21), noise(8000, 22)];
      await talk(sender, a);
      sender.ssrc = 1;
      sender.sequence = 5;
      sender.timestamp = 3_000_000_000;
      await talk(sender, b);
      const result = await call.finish();
      expect(result.legs[0]).toMatchObject({ sources: 2, lost: 0, packets: 100 });
      const samples = wav(1);
      expect(mismatches(samples, pcm(a), 0)).toBe(0);
      const second = find(samples, pcm(b));
      expect(second).toBeGreaterThanOrEqual(8000);
      expect(second).toBeLessThan(8000 + 2400);
      expect(mismatches(samples, pcm(b), second)).toBe(0);
    }));

  it('writes silence during a hold, drops what comes, cuts with reason hold, and stays on the clock', ({ expect }) =>
    withCall(async ({ call, heard, leg, wav }) => {
      const sender = await leg(1);
      const speech = sentences.long;
      const first = speech.subarray(0, 12_000);
      const began = performance.now();
      await talk(sender, first);
      // The last packets are still in the socket, and belong to the recording.
      await call.updateLeg(1, { active: false });
      await talk(sender, noise(8000, 23));
      await call.updateLeg(1, { active: true });
      const back = performance.now() - began;
      const after = noise(8000, 24);
      await talk(sender, after);
      const result = await call.finish();
      expect(result.legs[0]?.dropped.inactive).toBe(50);
      expect(result.legs[0]?.lost).toBe(0);
      const samples = wav(1);
      expect(mismatches(samples, pcm(first), 0)).toBe(0);
      const second = find(samples, pcm(after));
      // 300 ms either way: ticks, and a machine that does other things.
      expect(Math.abs(second / 8 - back)).toBeLessThan(300);
      expect(mismatches(samples, pcm(after), second)).toBe(0);
      expect(samples.subarray(12_000, second).every((sample) => sample === 0)).toBe(true);
      expect(heard.utterances[0]).toMatchObject({ leg: 1, number: 1, reason: 'hold', sampleRate: 8000 });
    }, true));

  it('makes a lost packet silence of its length and puts a late one into the files where it belongs', ({ expect }) =>
    withCall(async ({ call, leg, wav, stereo }) => {
      const sender = await leg(1);
      const speech = noise(24_000, 25);
      const list = pieces(speech).map((piece) => sender.next(piece));
      await paced(list.length, 20, async (i) => {
        if (i !== 20 && i !== 30) await sender.sendRaw(list[i] ?? Buffer.alloc(0));
        // 2.6 s behind: the files have been written there.
        if (i === 149) await sender.sendRaw(list[20] ?? Buffer.alloc(0));
        if (i % 10 === 5) await sender.sendRaw(list[i] ?? Buffer.alloc(0));
      });
      const result = await call.finish();
      expect(result.legs[0]).toMatchObject({ lost: 1 });
      expect(result.legs[0]?.dropped).toMatchObject({ duplicate: 15, late: 0 });
      const wanted = pcm(speech);
      wanted.fill(0, 30 * 160, 31 * 160);
      expect(mismatches(wav(1), wanted, 0)).toBe(0);
      expect(mismatches(stereo(0), wanted, 0)).toBe(0);
      expect(stereo(1).every((sample) => sample === 0)).toBe(true);
    }));

  it('loses nothing when the sender stalls for 2 s and then sends what it owes in a burst', ({ expect }) =>
    withCall(async ({ call, leg, wav }) => {
      const [one, two] = [await leg(1), await leg(2)];
      const speech = noise(32_000, 26);
      const list = pieces(speech);
      const steady = noise(32_000, 27);
      const other = pieces(steady);
      await paced(200, 20, async (i) => {
        await two.send(other[i] ?? new Uint8Array());
        if (i < 50 || i > 150) await one.send(list[i] ?? new Uint8Array());
        if (i === 150) for (const piece of list.slice(50, 151)) await one.send(piece);
      });
      const result = await call.finish();
      expect(result.legs.map(({ lost }) => lost)).toEqual([0, 0]);
      for (const [index, sent] of [speech, steady].entries()) {
        const samples = wav(index + 1);
        const start = find(samples, pcm(sent));
        expect(start).toBeLessThanOrEqual(400);
        expect(mismatches(samples, pcm(sent).subarray(0, samples.length - start), start)).toBe(0);
      }
    }));

  it('takes any packet length from 10 to 60 ms, and ignores DTMF and comfort noise without counting them as drops', ({
    expect,
  }) =>
    withCall(async ({ call, leg, wav }) => {
      const sender = await leg(1);
      const parts = [80, 160, 240, 480].map((size, i) => ({ size, speech: noise(size * 10, 30 + i) }));
      for (const { size, speech } of parts) {
        await talk(sender, speech, size);
        for (const payloadType of [101, 13]) {
          const { sequence, timestamp, ssrc } = sender;
          await sender.sendRaw(rtpPacket({ sequence, timestamp, ssrc, payloadType }, new Uint8Array(4)));
          sender.sequence++;
        }
      }
      const result = await call.finish();
      expect(result.legs[0]?.dropped).toEqual({
        malformed: 0,
        unknown_payload: 0,
        late: 0,
        early: 0,
        duplicate: 0,
        stranger: 0,
        inactive: 0,
        paused: 0,
        unauthenticated: 0,
        replayed: 0,
      });
      expect(result.legs[0]).toMatchObject({ packets: 48, lost: 0 });
      let at = 0;
      for (const { speech } of parts) {
        expect(mismatches(wav(1), pcm(speech), at)).toBe(0);
        at += speech.length;
      }
    }));

  it('drops strangers, foreign payload types and 500 broken datagrams, and its audio stays bit-exact', ({ expect }) =>
    withCall(async ({ call, leg, wav, heard }) => {
      const sender = await leg(1);
      const port = sender.port;
      const stranger = new RtpSender(port, { ssrc: 666 });
      const speech = noise(16_000, 28);
      const list = pieces(speech);
      const garbage = noise(30_000, 29);
      await paced(list.length, 20, async (i) => {
        await sender.send(list[i] ?? new Uint8Array());
        await stranger.send(noise(160, i));
        await stranger.sendRaw(rtpPacket({ payloadType: 96, sequence: i, timestamp: i }, new Uint8Array(20)));
        for (let n = 0; n < 5; n++) {
          const from = (i * 5 + n) * 40;
          const bad = Uint8Array.from(garbage.subarray(from, from + ((from * 7) % 60)));
          if (bad.length > 0) bad[0] = (bad[0] ?? 0) & 0x3f;
          await stranger.sendRaw(bad);
        }
      });
      const result = await call.finish();
      await stranger.close();
      expect(result.legs[0]?.dropped).toMatchObject({ stranger: 100, unknown_payload: 100, malformed: 500, late: 0 });
      expect(mismatches(wav(1), pcm(speech), 0)).toBe(0);
      expect(heard.failures).toEqual([]);
    }));

  it('ends with files of silence as long as the call when no packet ever came', ({ expect }) =>
    withCall(async ({ call, leg, wav, path }) => {
      await leg(1);
      await leg(2);
      await sleep(700);
      const result = await call.finish();
      expect(result.durationMs).toBeGreaterThan(690);
      expect(result.durationMs).toBeLessThan(2500);
      expect(result.legs[0]).toMatchObject({ packets: 0, file: 'leg-1.wav' });
      expect(result.legs[0]).not.toHaveProperty('firstPacketMs');
      for (const number of [1, 2]) {
        expect(wav(number).length).toBe(result.durationMs * 8);
        expect(wav(number).every((sample) => sample === 0)).toBe(true);
      }
      const probe = ['-v', 'error', '-show_entries', 'stream=channels', '-of', 'csv=p=0', join(path, 'call.wav')];
      expect(execFileSync('ffprobe', probe).toString().trim()).toBe('2');
    }));

  it('gives a leg that joins later its place on the clock, and one that was removed silence to the end', ({ expect }) =>
    withCall(async ({ call, leg, wav, stereo }) => {
      const one = await leg(1);
      const [a, b] = [noise(32_000, 31), noise(8000, 32)];
      const talking = talk(one, a);
      const began = performance.now();
      await sleep(1500);
      const joined = performance.now() - began;
      const two = await leg(2);
      const third = await leg(3);
      await Promise.all([talk(two, b), talk(third, b)]);
      await call.closeLeg(2);
      await talking;
      const result = await call.finish();
      expect(result.legs.map(({ file }) => file)).toEqual(['leg-1.wav', 'leg-2.wav', 'leg-3.wav']);
      const samples = wav(2);
      const start = find(samples, pcm(b));
      expect(start).toBeGreaterThan((joined - 150) * 8);
      expect(start).toBeLessThan((joined + 1500) * 8);
      expect(samples.subarray(0, start).every((sample) => sample === 0)).toBe(true);
      expect(mismatches(samples, pcm(b), start)).toBe(0);
      expect(samples.subarray(start + 8000).every((sample) => sample === 0)).toBe(true);
      expect(stereo(1)).toEqual(samples);
      expect(stereo(0)).toEqual(wav(1));
      expect(mismatches(wav(1), pcm(a), 0)).toBe(0);
      expect(mismatches(wav(3), pcm(b), find(wav(3), pcm(b)))).toBe(0);
    }));

  it('cuts what a speaker says while the call goes on, with its times on the call clock', ({ expect }) =>
    withCall(async ({ call, heard, leg, wav }) => {
      const sender = await leg(1);
      const sentence = sentences.short;
      const pause = new Uint8Array(12_000).fill(0xff);
      await talk(sender, Buffer.concat([pause, sentence, pause]));
      const cut = await eventually('the utterance', () => heard.utterances[0]);
      expect(cut).toMatchObject({ leg: 1, number: 1, reason: 'silence', sampleRate: 8000 });
      expect(cut.startMs).toBeGreaterThan(1100);
      expect(cut.startMs).toBeLessThan(1700);
      expect(cut.endMs).toBeLessThan(1500 + sentence.length / 8 + 400);
      expect(cut.samples.length).toBe((cut.endMs - cut.startMs) * 8);
      expect(cut.endedAt).toBeLessThanOrEqual(Date.now());
      expect(cut.endedAt).toBeGreaterThan(Date.now() - 10_000);
      await sleep(1);
      await talk(sender, sentence.subarray(0, 6000));
      await call.finish();
      const reasons = heard.utterances.map(({ reason }) => reason);
      // What was being said when the call ended comes too. A sender held up by a busy machine may make a pause of its own before.
      expect(reasons.at(-1)).toBe('end');
      expect(reasons.slice(0, -1).every((reason) => reason === 'silence')).toBe(true);
      expect(wav(1).slice(cut.startMs * 8, cut.endMs * 8)).toEqual(cut.samples);
    }, true));

  it('refuses a leg whose file cannot have its header, and goes on with the others', ({ expect }) =>
    withCall(async ({ call, heard, leg, wav, path }) => {
      symlinkSync('/dev/full', join(path, 'leg-2.wav'));
      const one = await leg(1);
      const two = { leg: 2, formats: [PCMU], active: true };
      await expect(call.openLeg(two)).rejects.toMatchObject({ code: 'SRS_RECORDING_WRITE' });
      const speech = noise(16_000, 33);
      await talk(one, speech);
      await call.finish();
      expect(heard.failures).toEqual([]);
      expect(mismatches(wav(1), pcm(speech), find(wav(1), pcm(speech)))).toBe(0);
    }));

  it('refuses a call whose directory cannot be made, and a leg whose file cannot be made, and holds no port for them', async ({
    expect,
  }) => {
    const missing = { sessionId: 's', directory: '/dev/null/no/folder', utterances: false };
    await expect(plane.openCall(missing, new Heard())).rejects.toMatchObject({ code: 'SRS_RECORDING_WRITE' });
    await withCall(async ({ call, path }) => {
      mkdirSync(join(path, 'leg-1.wav'));
      const leg = { leg: 1, formats: [PCMU], active: true };
      await expect(call.openLeg(leg)).rejects.toMatchObject({ code: 'SRS_RECORDING_WRITE' });
      await expect(call.updateLeg(1, { active: false })).rejects.toMatchObject({ code: 'SRS_MEDIA_WORKER' });
    });
  });
});

/** A sentence as µ-law at 8 kHz. */
function espeak(text: string): Uint8Array {
  const wav = execFileSync('espeak-ng', ['-v', 'en-us', '--stdout', text], { stdio: ['ignore', 'pipe', 'ignore'] });
  const args = ['-v', 'error', '-i', '-', '-ar', '8000', '-ac', '1', '-f', 's16le', '-'];
  const raw = execFileSync('ffmpeg', args, { input: wav });
  return encodeG711('PCMU', new Int16Array(new Uint8Array(raw).buffer));
}
