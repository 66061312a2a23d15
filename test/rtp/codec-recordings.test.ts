import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findFfmpeg } from '../../src/audio/ffmpeg-program.js';
import { OpusEngine } from '../../src/audio/opus.js';
import type { MediaFormat } from '../../src/core/model.js';
import type { MediaThreads } from '../../src/rtp/media-pool.js';
import { expectSame, rtpByFfmpeg, type SentPacket, samplesByFfmpeg } from '../helpers/ffmpeg-rtp.js';
import { Heard, PCMU, readWav, startPlane, temporaryDirectory, type WavOnDisk } from './media-fixture.js';
import { noise, RtpSender, rtpPacket } from './rtp-sender.js';

const format = (
  payloadType: number,
  encoding: string,
  clockRate: number,
  parameters = '',
  channels = 1,
): MediaFormat => ({
  payloadType,
  encoding,
  clockRate,
  channels,
  ...(parameters === '' ? {} : { parameters }),
});
const G722 = format(9, 'G722', 8000);
const G729 = format(18, 'G729', 8000);
const SPEECH = ['-t', '1.6', '-ss', '3', '-i', join('demo', 'caller.wav')];
const SWEEP = ['-f', 'lavfi', '-i', "aevalsrc='0.4*sin(2*PI*(200+450*t)*t)+0.1*sin(2*PI*6100*t)':s=48000:d=1.6"];

const folder = temporaryDirectory();
let plane: MediaThreads;

beforeAll(async () => {
  ({ plane } = startPlane({ findFfmpeg: () => findFfmpeg(), tailMs: 400 }));
  await plane.start();
});
afterAll(async () => {
  await plane.stop();
  folder.remove();
});

interface Recorded {
  readonly wav: WavOnDisk;
  readonly call: WavOnDisk;
  readonly codecs: readonly string[] | undefined;
  readonly sampleRate: number | undefined;
  readonly heard: Heard;
}

let calls = 0;

/** Records a call of one leg to which the packets of ffmpeg are sent at their pace. */
async function record(
  formats: readonly MediaFormat[],
  sent: readonly SentPacket[],
  utterances = false,
): Promise<Recorded> {
  calls += 1;
  const directory = join(folder.path, `call-${calls}`);
  const heard = new Heard();
  const call = await plane.openCall({ sessionId: `codec-${calls}`, directory, utterances }, heard);
  const { port } = await call.openLeg({ leg: 1, formats, active: true });
  const sender = new RtpSender(port);
  const clock = formats[0]?.clockRate ?? 8000;
  const start = performance.now();
  for (const { payloadType, sequence, timestamp, payload } of sent) {
    const due = start + (((timestamp - (sent[0]?.timestamp ?? 0)) | 0) * 1000) / clock;
    const wait = due - performance.now();
    if (wait > 1) await new Promise((resolve) => setTimeout(resolve, wait));
    await sender.sendRaw(rtpPacket({ payloadType, sequence, timestamp, ssrc: 77 }, payload));
  }
  await sender.close();
  const { legs } = await call.finish();
  expect(Object.entries(legs[0]?.dropped ?? {}).filter(([, count]) => count > 0)).toEqual([]);
  expect([legs[0]?.lost, legs[0]?.packets]).toEqual([0, sent.length]);
  return {
    wav: readWav(join(directory, 'leg-1.wav')),
    call: readWav(join(directory, 'call.wav')),
    codecs: legs[0]?.codecs,
    sampleRate: legs[0]?.sampleRate,
    heard,
  };
}

const bytesOf = (packets: readonly SentPacket[]): Buffer => Buffer.concat(packets.map(({ payload }) => payload));

/** The first sample of a recording at which audio begins; before it there is silence. */
function begin(samples: Int16Array, wanted: Int16Array): number {
  const first = wanted.findIndex((sample) => sample !== 0);
  const heard = samples.findIndex((sample) => sample !== 0);
  return heard - first;
}

function expectRecorded({ samples }: WavOnDisk, wanted: Int16Array): void {
  const at = begin(samples, wanted);
  expect(at).toBeGreaterThanOrEqual(0);
  expectSame(samples.subarray(at, at + wanted.length), wanted);
}

type Name = 'PCMU' | 'G722' | 'L16/8000' | 'L16/16000' | 'OPUS' | 'G729' | 'AMR' | 'AMR-WB';

interface Case {
  readonly formats: readonly MediaFormat[];
  readonly sent: readonly SentPacket[];
  /** What ffmpeg makes of what it sent. */
  readonly wanted: Int16Array;
}

const FRAMES = noise(80 * 20, 729);

/** Everything that blocks this thread is done before the first packet is sent: a sender that stalls is another test. */
async function prepare(): Promise<Map<Name, Case>> {
  const cases = new Map<Name, Case>();
  const encoded = async (
    name: Name,
    input: readonly string[],
    encoding: string,
    decoding: readonly string[],
    formats: (type: number) => MediaFormat[],
  ) => {
    const sent = await rtpByFfmpeg(input, ['-c:a', ...encoding.split(' '), '-ac', '1']);
    cases.set(name, {
      formats: formats(sent[0]?.payloadType ?? 0),
      sent,
      wanted: samplesByFfmpeg([...decoding, '-i', '-'], bytesOf(sent)),
    });
  };
  await encoded('PCMU', SPEECH, 'pcm_mulaw -ar 8000', ['-f', 'mulaw', '-ar', '8000', '-ac', '1'], () => [PCMU]);
  await encoded('G722', SWEEP, 'g722 -ar 16000', ['-f', 'g722'], () => [G722, PCMU]);
  for (const rate of [8000, 16_000] as const) {
    const decoding = ['-f', 's16be', '-ar', String(rate), '-ac', '1'];
    await encoded(`L16/${rate}`, SWEEP, `pcm_s16be -ar ${rate}`, decoding, (type) => [format(type, 'L16', rate)]);
  }
  const sent = await rtpByFfmpeg(SPEECH, ['-c:a', 'libopus', '-b:a', '32k', '-ar', '48000', '-ac', '1']);
  const decoder = (await OpusEngine.load()).decoder();
  const opus = sent.flatMap(({ payload }) => [...(decoder?.decode(payload, 0, payload.length) ?? [])]);
  cases.set('OPUS', {
    formats: [format(sent[0]?.payloadType ?? 0, 'OPUS', 48_000, '', 2)],
    sent,
    wanted: Int16Array.from(opus),
  });
  const g729 = Array.from({ length: 80 }, (_, i) => ({
    payloadType: 18,
    sequence: (65_500 + i) & 0xffff,
    timestamp: (0xffff_f000 + i * 160) >>> 0,
    payload: FRAMES.slice(i * 20, i * 20 + 20),
  }));
  cases.set('G729', { formats: [G729], sent: g729, wanted: samplesByFfmpeg(['-f', 'g729', '-i', '-'], FRAMES) });
  for (const [name, rate, size, type, magic] of [
    ['AMR', 8000, 31, 7, '#!AMR\n'],
    ['AMR-WB', 16_000, 60, 8, '#!AMR-WB\n'],
  ] as const) {
    const frames = Array.from({ length: 110 }, (_, i) => Uint8Array.of((type << 3) | 4, ...noise(size, 9 + i)));
    const path = join(folder.path, `${name}.amr`);
    writeFileSync(path, Buffer.concat([Buffer.from(magic), ...frames]));
    const packets = await rtpByFfmpeg(['-f', 'amr', '-i', path], ['-c', 'copy']);
    const formats = [format(packets[0]?.payloadType ?? 0, name, rate, 'octet-align=1')];
    cases.set(name, { formats, sent: packets, wanted: samplesByFfmpeg(['-f', 'amr', '-i', path]) });
  }
  return cases;
}

describe('a leg of', () => {
  const recordings = new Map<Name, Recorded & Case>();
  beforeAll(async () => {
    const cases = await prepare();
    const made = async ([name, one]: [Name, Case]) =>
      recordings.set(name, { ...one, ...(await record(one.formats, one.sent, name === 'OPUS')) });
    await Promise.all([...cases].map(made));
  }, 60_000);

  function recording(name: Name): Recorded & Case {
    const found = recordings.get(name);
    if (!found) throw new Error(`${name} was not recorded`);
    return found;
  }

  it.each([
    ['PCMU', 8000],
    ['G722', 16_000],
    ['L16/8000', 8000],
    ['L16/16000', 16_000],
    ['OPUS', 16_000],
    ['G729', 8000],
  ] as const)('%s is recorded at %i Hz, sample by sample as ffmpeg decodes it', (name, rate) => {
    const { wav, call, wanted, codecs, sampleRate } = recording(name);
    expect([wav.sampleRate, call.sampleRate, sampleRate]).toEqual([rate, rate, rate]);
    expect(codecs).toEqual([name.replace(/\/.*/, '')]);
    expectRecorded(wav, wanted);
    expectSame(
      call.samples.filter((_, i) => i % 2 === 0),
      wav.samples,
    );
  });

  it.each([
    ['AMR', 8000],
    ['AMR-WB', 16_000],
  ] as const)('%s is recorded through ffmpeg at %i Hz, from packets that ffmpeg made', (name, rate) => {
    const { wav, wanted } = recording(name);
    expect(wav.sampleRate).toBe(rate);
    // ffmpeg never sends its last packet when that is not full.
    const heard = Math.min(wanted.length, wav.samples.length - begin(wav.samples, wanted));
    expect(heard).toBeGreaterThan(rate / 2);
    expectRecorded(wav, wanted.subarray(0, heard));
  });

  it('wide-band audio has its utterances cut at 16 kHz, where they were spoken', () => {
    const { heard, wav } = recording('OPUS');
    expect(heard.utterances.length).toBeGreaterThan(0);
    for (const { samples, startMs, endMs, sampleRate } of heard.utterances) {
      expect([sampleRate, samples.length]).toEqual([16_000, (endMs - startMs) * 16]);
      expectSame(samples, wav.samples.subarray(startMs * 16, endMs * 16));
    }
  });
});
