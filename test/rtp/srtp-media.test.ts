import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodePcmu } from '../../src/audio/g711.js';
import { type LegKeys, SRTP_SUITES, type SrtpMasterKey, type SrtpSuiteName } from '../../src/core/srtp-suite.js';
import type { Warning } from '../../src/core/warning.js';
import type { MediaCall, MediaCallResult } from '../../src/rtp/media-plane.js';
import type { MediaThreads } from '../../src/rtp/media-pool.js';
import { SrtpSender } from '../../src/rtp/srtp-sender.js';
import { eventually } from '../helpers/eventually.js';
import { find, mismatches, PCMU, readWav, startPlane, temporaryDirectory } from './media-fixture.js';
import { noise, paced, pieces, RtpSender } from './rtp-sender.js';

const SUITES = Object.keys(SRTP_SUITES) as SrtpSuiteName[];

function freshKey(suite: SrtpSuiteName): SrtpMasterKey {
  const { keyBytes, saltBytes } = SRTP_SUITES[suite];
  return { key: randomBytes(keyBytes), salt: randomBytes(saltBytes) };
}

const keysOf = (suite: SrtpSuiteName, ...theirs: SrtpMasterKey[]): LegKeys => ({
  suite,
  theirs,
  ours: freshKey(suite),
});
const decoded = (payload: Uint8Array): Int16Array => Int16Array.from(payload, (byte) => decodePcmu[byte] ?? 0);

interface Room {
  readonly call: MediaCall;
  readonly path: string;
  readonly warnings: readonly Warning[];
  samples(leg: number): Int16Array;
  finish(): Promise<MediaCallResult['legs']>;
}

let plane: MediaThreads;
const directories: ReturnType<typeof temporaryDirectory>[] = [];

beforeAll(async () => {
  plane = startPlane({ tailMs: 50 }).plane;
  await plane.start();
});

afterAll(async () => {
  await plane.stop();
  for (const directory of directories) directory.remove();
});

async function room(): Promise<Room> {
  const directory = temporaryDirectory();
  directories.push(directory);
  const warnings: Warning[] = [];
  const complain = (message: string): void => expect.unreachable(message);
  const call = await plane.openCall(
    { sessionId: 's', directory: directory.path, utterances: false },
    {
      utterance: () => {},
      writeFailed: complain,
      lost: complain,
      warning: (warning) => warnings.push(warning),
    },
  );
  return {
    call,
    path: directory.path,
    warnings,
    samples: (leg) => readWav(join(directory.path, `leg-${leg}.wav`)).samples,
    finish: async () => (await call.finish()).legs,
  };
}

/** Whether `payload` stands in the leg's file sample by sample, and how much of the file it is. */
function expectRecorded(samples: Int16Array, payload: Uint8Array): void {
  const wanted = decoded(payload);
  const at = find(samples, wanted);
  expect(at).toBeGreaterThanOrEqual(0);
  expect(mismatches(samples, wanted, at)).toBe(0);
}

describe('SRTP that ffmpeg sends', () => {
  /** All that ffmpeg has, with its other names for them. */
  const BY_FFMPEG: readonly (readonly [name: string, suite: SrtpSuiteName])[] = [
    ['AES_CM_128_HMAC_SHA1_80', 'AES_CM_128_HMAC_SHA1_80'],
    ['SRTP_AES128_CM_HMAC_SHA1_80', 'AES_CM_128_HMAC_SHA1_80'],
    ['AES_CM_128_HMAC_SHA1_32', 'AES_CM_128_HMAC_SHA1_32'],
    ['SRTP_AES128_CM_HMAC_SHA1_32', 'AES_CM_128_HMAC_SHA1_32'],
  ];

  it('is recorded bit-exactly in each suite that it has, over a rollover', async () => {
    const made = await room();
    const payloads = BY_FFMPEG.map((_, at) => noise(16_000, at + 1));
    const senders = BY_FFMPEG.map(async ([name, suite], at) => {
      const key = freshKey(suite);
      const { port } = await made.call.openLeg({
        leg: at + 1,
        formats: [PCMU],
        active: true,
        remote: { address: '127.0.0.1', port: 9 },
        keys: keysOf(suite, key),
      });
      const input = join(made.path, `${at}.ul`);
      writeFileSync(input, payloads[at] ?? new Uint8Array(0));
      const params = Buffer.concat([key.key, key.salt]).toString('base64');
      const child = spawn(
        'ffmpeg',
        [
          ...['-v', 'error', '-re', '-f', 'mulaw', '-ar', '8000', '-ac', '1', '-i', input, '-c:a', 'copy', '-f', 'rtp'],
          ...['-seq', '65516', '-srtp_out_suite', name, '-srtp_out_params', params],
          `srtp://127.0.0.1:${port}?pkt_size=200`,
        ],
        { stdio: ['ignore', 'ignore', 'inherit'] },
      );
      const [code] = (await once(child, 'exit')) as [number];
      expect(code).toBe(0);
    });
    await Promise.all(senders);
    const legs = await made.finish();
    expect(legs).toHaveLength(BY_FFMPEG.length);
    for (const [at, leg] of legs.entries()) {
      expect(leg.srtp).toBe(BY_FFMPEG[at]?.[1]);
      expect(leg).toMatchObject({ lost: 0, sources: 1, dropped: { unauthenticated: 0, replayed: 0, malformed: 0 } });
      // Its sender reports are authentic too; under one name it gives them a short tag, which RFC 4568 section 6.2.2 does not.
      const short = BY_FFMPEG[at]?.[0] === 'AES_CM_128_HMAC_SHA1_32';
      expect(leg.rtcp?.[short ? 'dropped' : 'received']).toBeGreaterThan(0);
      expect(leg.rtcp?.[short ? 'received' : 'dropped']).toBe(0);
      // More than 20 packets: the numbering turns over on the way.
      expect(leg.packets).toBeGreaterThan(60);
      expectRecorded(made.samples(at + 1), payloads[at] ?? new Uint8Array(0));
    }
    expect(made.warnings).toEqual([]);
  });
});

describe('a protected leg', () => {
  it('is recorded bit-exactly in every suite, with an MKI and without', async () => {
    const made = await room();
    const payloads = SUITES.map((_, at) => noise(8_000, at + 11));
    await Promise.all(
      SUITES.map(async (suite, at) => {
        const key = { ...freshKey(suite), ...(at % 2 === 0 ? { mki: Uint8Array.of(0, 0, 0, at) } : {}) };
        const { port } = await made.call.openLeg({
          leg: at + 1,
          formats: [PCMU],
          active: true,
          keys: keysOf(suite, key),
        });
        const [rtp, srtp] = [new RtpSender(port), new SrtpSender(suite, key)];
        const packets = pieces(payloads[at] ?? new Uint8Array(0));
        await paced(packets.length, 20, (i) => rtp.sendRaw(srtp.seal(rtp.next(packets[i] ?? new Uint8Array(0)))));
        await rtp.close();
      }),
    );
    const legs = await made.finish();
    for (const [at, suite] of SUITES.entries()) {
      expect(legs[at]).toMatchObject({ srtp: suite, lost: 0, dropped: { unauthenticated: 0, replayed: 0 } });
      expectRecorded(made.samples(at + 1), payloads[at] ?? new Uint8Array(0));
    }
  });

  it('drops what is not authentic or comes twice, before anybody could become its source, and counts it', async () => {
    const made = await room();
    const suite = 'AES_CM_128_HMAC_SHA1_80';
    const key = freshKey(suite);
    const { port } = await made.call.openLeg({ leg: 1, formats: [PCMU], active: true, keys: keysOf(suite, key) });
    const payload = noise(8_000, 99);
    const [stranger, rtp, srtp] = [
      new RtpSender(port, { ssrc: 0xbad }),
      new RtpSender(port),
      new SrtpSender(suite, key),
    ];
    // The stranger comes first and goes on: in the clear, with a key of its own, and with what it has overheard.
    const foreign = new SrtpSender(suite, freshKey(suite));
    for (let at = 0; at < 5; at++) await stranger.send(noise(160, at));
    let overheard: Uint8Array = new Uint8Array(0);
    const packets = pieces(payload);
    await paced(packets.length, 20, async (at) => {
      const sealed = srtp.seal(rtp.next(packets[at] ?? new Uint8Array(0)));
      await rtp.sendRaw(sealed);
      if (at % 10 === 5) await stranger.sendRaw(overheard);
      if (at % 10 === 6) await stranger.sendRaw(foreign.seal(stranger.next(noise(160, at))));
      overheard = sealed;
    });
    const [leg] = await made.finish();
    expect(leg).toMatchObject({
      packets: 65,
      lost: 0,
      sources: 1,
      dropped: { unauthenticated: 10, replayed: 5, stranger: 0, duplicate: 0 },
    });
    expectRecorded(made.samples(1), payload);
    await Promise.all([stranger.close(), rtp.close()]);
  });

  it('tells when nearly nothing is authentic, and writes none of it', async () => {
    const made = await room();
    const suite = 'AEAD_AES_128_GCM';
    const { port } = await made.call.openLeg({
      leg: 1,
      formats: [PCMU],
      active: true,
      keys: keysOf(suite, freshKey(suite)),
    });
    const [rtp, srtp] = [new RtpSender(port), new SrtpSender(suite, freshKey(suite))];
    await paced(120, 5, (at) => rtp.sendRaw(srtp.seal(rtp.next(noise(160, at)))));
    await eventually('the suspicion', () => made.warnings.length > 0);
    const [leg] = await made.finish();
    expect(made.warnings).toEqual([{ code: 'srtp_unauthenticated', detail: 'leg 1' }]);
    expect(leg).toMatchObject({ packets: 120, sources: 0, dropped: { unauthenticated: 120 } });
    expect(made.samples(1).every((sample) => sample === 0)).toBe(true);
    await rtp.close();
  });

  it('goes on when keys and suites change, or it becomes plain, while packets of the keys before are on their way', async () => {
    const made = await room();
    const formats = [PCMU];
    const payload = noise(16_000, 5);
    const packets = pieces(payload);
    const before = { suite: 'AES_CM_128_HMAC_SHA1_80', key: freshKey('AES_CM_128_HMAC_SHA1_80') } as const;
    const after = { suite: 'AEAD_AES_256_GCM', key: freshKey('AEAD_AES_256_GCM') } as const;
    const { port } = await made.call.openLeg({ leg: 1, formats, active: true, keys: keysOf(before.suite, before.key) });
    const rtp = new RtpSender(port);
    const [first, second] = [new SrtpSender(before.suite, before.key), new SrtpSender(after.suite, after.key)];
    await paced(packets.length, 20, async (at) => {
      if (at === 30) await made.call.updateLeg(1, { keys: keysOf(after.suite, after.key) });
      if (at === 60) await made.call.updateLeg(1, { keys: null });
      const packet = rtp.next(packets[at] ?? new Uint8Array(0));
      await rtp.sendRaw(at < 35 ? first.seal(packet) : at < 65 ? second.seal(packet) : packet);
    });
    const [leg] = await made.finish();
    expect(leg).toMatchObject({ lost: 0, dropped: { unauthenticated: 0, replayed: 0, malformed: 0 } });
    expectRecorded(made.samples(1), payload);
    await rtp.close();
  });
});
