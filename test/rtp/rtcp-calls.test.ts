import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { decodeG711 } from '../../src/audio/g711.js';
import type { LegRemote, MediaCall } from '../../src/rtp/media-plane.js';
import type { MediaThreads } from '../../src/rtp/media-pool.js';
import type { RtcpPacket } from '../../src/rtp/rtcp-packet.js';
import { dissectRtcp } from '../helpers/dissect.js';
import { eventually } from '../helpers/eventually.js';
import { mutate, seeded } from '../helpers/mutation.js';
import { portRange } from '../helpers/port-range.js';
import { find, Heard, mismatches, PCMU, readWav, startPlane, temporaryDirectory } from './media-fixture.js';
import { post, RtcpPeer } from './rtcp-peer.js';
import { noise, paced, pieces } from './rtp-sender.js';

let plane: MediaThreads;

beforeAll(async () => {
  ({ plane } = startPlane());
  await plane.start();
});

afterAll(() => plane.stop());

interface TestLeg {
  readonly call: MediaCall;
  readonly heard: Heard;
  readonly peer: RtcpPeer;
  readonly port: number;
  /** Another peer, closed with the rest. */
  readonly another: () => Promise<RtcpPeer>;
  readonly wav: (leg?: number) => Int16Array;
}

async function withLeg(
  body: (leg: TestLeg) => Promise<void>,
  remote: (peer: RtcpPeer) => LegRemote | undefined = (peer) => peer.remote,
  rtpPort = 0,
  on = plane,
): Promise<void> {
  const directory = temporaryDirectory();
  const heard = new Heard();
  const peers = [await RtcpPeer.open(rtpPort)];
  const call = await on.openCall({ sessionId: 's', directory: directory.path, utterances: false }, heard);
  const [peer] = peers as [RtcpPeer];
  const told = remote(peer);
  const { port } = await call.openLeg({ leg: 1, formats: [PCMU], active: true, ...(told ? { remote: told } : {}) });
  const another = async (): Promise<RtcpPeer> => {
    const more = await RtcpPeer.open();
    peers.push(more);
    return more;
  };
  const wav = (leg = 1): Int16Array => readWav(join(directory.path, `leg-${leg}.wav`)).samples;
  try {
    await body({ call, heard, peer, port, another, wav });
  } finally {
    await call.finish();
    await Promise.all(peers.map((one) => one.close()));
    directory.remove();
  }
}

const speak = async (peer: RtcpPeer, port: number, speech: Uint8Array): Promise<void> => {
  const list = pieces(speech);
  await paced(list.length, 20, (i) => peer.send(port, list[i] ?? new Uint8Array()));
};

/** Samples of the file that are not those of the speech, from where it begins: a busy machine may begin late. */
const wrong = (samples: Int16Array, speech: Uint8Array): number =>
  mismatches(samples, pcm(speech), find(samples, pcm(speech)));

const pcm = (speech: Uint8Array): Int16Array => decodeG711('PCMU', speech);

const kinds = (packets: readonly RtcpPacket[]): string[] => packets.map(({ kind }) => kind);

describe.concurrent('RTCP of a leg', () => {
  it('tells the sender what came, from the port next to RTP, and says goodbye; tshark finds nothing wrong with it', ({
    expect,
  }) =>
    withLeg(async ({ call, peer, port }) => {
      const began = Date.now();
      // A second of audio, a fifth of it lost, before the first report can be due.
      for (let n = 0; n < 50; n++) await peer.send(port, noise(160, n), n % 5 === 4 && n < 45);
      await peer.report(port + 1);
      await eventually('a report', () => peer.heard.length > 0);
      const result = await call.finish();
      await eventually('a goodbye', () => peer.reports.some((report) => kinds(report).includes('bye')));
      expect(peer.heard.every(({ by }) => by === 'rtcp')).toBe(true);
      const [first, name] = peer.reports[0] ?? [];
      if (first?.kind !== 'rr' || name?.kind !== 'sdes') throw new Error('no report');
      // 65,520 to 65,568: the last one is over the wrap.
      expect(first.blocks).toMatchObject([
        { ssrc: peer.ssrc, fractionLost: Math.floor((9 / 50) * 256), cumulativeLost: 9, highest: 65_520 + 49 },
      ]);
      expect(first.blocks[0]?.lastSr).toBeGreaterThan(0);
      expect(name.chunks[0]?.cname).toMatch(/^[\w-]{16,}$/);
      const datagrams = peer.heard.map(({ bytes }) => bytes);
      for (const [types, complaint, length] of dissectRtcp(datagrams, [
        'rtcp.pt',
        '_ws.expert.message',
        'rtcp.length_check',
      ])) {
        expect(types).toMatch(/^201,202(,203)?$/);
        expect([complaint, length]).toEqual(['', '1']);
      }
      const leg = result.legs[0];
      expect(leg).toMatchObject({ packets: 41, lost: 9, lossRatio: 0.18 });
      expect(leg?.toldBySender).toEqual({ first: { packets: 50, received: 41 }, last: { packets: 50, received: 41 } });
      expect(leg?.rtcp).toEqual({ received: 1, dropped: 0, sent: peer.heard.length, names: 1 });
      expect(leg?.firstSampleAt).toBeGreaterThan(began - 1000);
      expect(leg?.firstSampleAt).toBeLessThanOrEqual(Date.now());
    }));

  it('shares the port of RTP when that was answered, and is not counted as RTP', ({ expect }) =>
    withLeg(
      async ({ call, peer, port }) => {
        for (let n = 0; n < 10; n++) await peer.send(port, noise(160, n));
        await peer.report(port, { mux: true });
        await eventually('a report', () => peer.heard.length > 0);
        expect(peer.heard[0]?.by).toBe('rtp');
        const result = await call.finish();
        expect(result.legs[0]).toMatchObject({ packets: 10, rtcp: { received: 1 }, lost: 0 });
        expect(result.legs[0]?.dropped.malformed).toBe(0);
      },
      (peer) => ({ address: '127.0.0.1', port: peer.rtp.address().port, rtcp: { mux: true } }),
    ));

  it('goes to a sender by IPv4 from sockets for both families, where its SDP says', async ({ expect }) => {
    const both = startPlane({ bindAddress: '::' }).plane;
    try {
      await withLeg(
        async ({ call, peer, port }) => {
          for (let n = 0; n < 5; n++) await peer.send(port, noise(160, n));
          await eventually('a report', () => peer.heard.length > 0);
          expect(peer.heard[0]?.by).toBe('rtcp');
          await peer.report(port + 1);
          await eventually('another report', () => peer.heard.length > 1);
          expect((await call.finish()).legs[0]).toMatchObject({ packets: 5, rtcp: { received: 1, dropped: 0 } });
        },
        (peer) => peer.remote,
        0,
        both,
      );
    } finally {
      await both.stop();
    }
  });

  it('sends from an odd port and has RTCP on one that is not the next', async ({ expect }) => {
    const odd = portRange(2) + 1;
    await withLeg(
      async ({ call, peer, port }) => {
        for (let n = 0; n < 5; n++) await peer.send(port, noise(160, n));
        await peer.report(port + 1);
        await eventually('a report', () => peer.heard.length > 0);
        expect([peer.rtp.address().port, peer.heard[0]?.by]).toEqual([odd, 'rtcp']);
        expect((await call.finish()).legs[0]).toMatchObject({ packets: 5, rtcp: { received: 1, dropped: 0 } });
      },
      (peer) => peer.remote,
      odd,
    );
  });

  it('is read and answered without rtcp-mux and without a word of the SDP too, where it came from', ({ expect }) =>
    withLeg(
      async ({ peer, port }) => {
        await peer.send(port, noise(160, 1));
        await peer.report(port, { mux: true });
        await eventually('a report', () => peer.heard.length > 0);
        expect(peer.heard[0]?.by).toBe('rtp');
      },
      () => undefined,
    ));

  it('ends nothing with a BYE, and lets another sender be heard at once, as a new SIP dialog would not', async ({
    expect,
  }) => {
    // Of its own, so that nobody else's farewells are counted.
    const own = startPlane();
    const read = (count: number): Promise<unknown> =>
      eventually('goodbyes are read', async () => {
        const value = /siprec_rtcp_packets_received_total\{type="bye"\} (\d+)/.exec(await own.metrics.render());
        return Number(value?.[1]) >= count;
      });
    const body = async ({ call, peer, port, another, wav }: TestLeg): Promise<void> => {
      const [a, b, c] = [noise(4000, 31), noise(8000, 32), noise(4000, 33)];
      await speak(peer, port, a);
      await peer.report(port + 1, { bye: true });
      const next = await another();
      next.ssrc = 7;
      // A goodbye comes by another socket than what follows: the loop must have read it.
      await read(1);
      await speak(next, port, b);
      await next.report(port + 1, { bye: true });
      await read(2);
      await speak(peer, port, c);
      const result = await call.finish();
      expect(result.legs[0]).toMatchObject({ sources: 2, lost: 0 });
      expect(result.legs[0]?.dropped.stranger).toBe(0);
      const samples = wav();
      for (const speech of [a, b, c]) {
        const at = find(samples, pcm(speech));
        expect(at).toBeGreaterThanOrEqual(0);
        expect(mismatches(samples, pcm(speech), at)).toBe(0);
      }
    };
    await withLeg(body, (peer) => peer.remote, 0, own.plane).finally(() => own.plane.stop());
  });
});

describe.concurrent('RTCP from outside', () => {
  it('of ffmpeg is understood: it says how many packets it sent, and all of them came', async ({ expect }) => {
    const ports = portRange(2);
    await withLeg(
      async ({ call, port, wav }) => {
        const sine = ['-re', '-f', 'lavfi', '-i', 'sine=frequency=440:sample_rate=8000:duration=3', '-ac', '1'];
        const url = `rtp://127.0.0.1:${port}?localrtpport=${ports}&localrtcpport=${ports + 1}`;
        const ffmpeg = spawn(
          'ffmpeg',
          ['-loglevel', 'error', ...sine, '-c:a', 'pcm_mulaw', '-f', 'rtp', '-rtpflags', 'send_bye', url],
          {
            stdio: ['ignore', 'ignore', 'inherit'],
          },
        );
        const [code] = await once(ffmpeg, 'exit');
        expect(code).toBe(0);
        const [leg] = (await call.finish()).legs;
        expect(leg).toMatchObject({ lost: 0, lossRatio: 0, sources: 1 });
        expect(leg?.rtcp?.received).toBeGreaterThan(0);
        expect(leg?.rtcp?.dropped).toBe(0);
        const { packets = 0, received = 0 } = leg?.toldBySender?.last ?? {};
        expect(packets).toBeGreaterThan(0);
        // What came in the same tick as the report is with it.
        expect(received).toBeGreaterThanOrEqual(packets);
        expect(received).toBeLessThanOrEqual(packets + 10);
        expect(wav().length).toBeGreaterThan(2.9 * 8000);
      },
      () => ({ address: '127.0.0.1', port: ports }),
    );
  });

  it('that is 20,000 mutated datagrams takes nothing from the audio, and nobody is answered more for it', ({
    expect,
  }) =>
    withLeg(async ({ call, peer, port, another, wav }) => {
      const speech = noise(16_000, 51);
      const list = pieces(speech);
      const random = seeded(7);
      const stranger = await another();
      const good = Buffer.from('80c900010000000781ca000300000007010278790000000080cb0001deadbeef', 'hex');
      await paced(list.length, 20, async (i) => {
        await peer.send(port, list[i] ?? new Uint8Array());
        for (let n = 0; n < 100; n++) {
          void post(peer.rtcp, mutate(good, random), port + 1);
          void post(stranger.rtcp, good, port + 1);
        }
      });
      await eventually('a report', () => peer.heard.length > 0);
      const [leg] = (await call.finish()).legs;
      expect(leg).toMatchObject({ packets: 100, lost: 0 });
      expect(wrong(wav(), speech)).toBe(0);
      expect(leg?.rtcp?.dropped).toBeGreaterThan(500);
      expect(leg?.rtcp?.sent).toBeLessThanOrEqual(4);
      expect(stranger.heard).toEqual([]);
    }));
});

describe.concurrent('the source of a leg', () => {
  it('may move to another address in mid-sentence, as behind a NAT, and no sample is lost', ({ expect }) =>
    withLeg(
      async ({ call, heard, peer, port, another, wav }) => {
        const speech = noise(16_000, 41);
        await speak(peer, port, speech.subarray(0, 8000));
        const moved = await another();
        Object.assign(moved, { ssrc: peer.ssrc, sequence: peer.sequence, timestamp: peer.timestamp });
        await speak(moved, port, speech.subarray(8000));
        const [leg] = (await call.finish()).legs;
        expect(leg).toMatchObject({ packets: 100, lost: 0, sources: 1 });
        expect(leg?.dropped.stranger).toBe(0);
        expect(wrong(wav(), speech)).toBe(0);
        expect(heard.warnings).toEqual([]);
      },
      () => undefined,
    ));

  it('is not taken over by whoever knows its SSRC but not its numbers, and such packets are told of once', ({
    expect,
  }) =>
    withLeg(async ({ call, heard, peer, port, another, wav }) => {
      const speech = noise(16_000, 42);
      const list = pieces(speech);
      const thief = await another();
      Object.assign(thief, { ssrc: peer.ssrc, sequence: 30_000, timestamp: 1_000_000 });
      await paced(list.length, 20, async (i) => {
        await peer.send(port, list[i] ?? new Uint8Array());
        await thief.send(port, noise(160, i));
      });
      const [leg] = (await call.finish()).legs;
      expect(leg?.dropped.stranger).toBe(100);
      expect(wrong(wav(), speech)).toBe(0);
      expect(heard.warnings).toEqual([{ code: 'rtp_stranger', detail: 'leg 1' }]);
    }));

  it('is the one that the SDP announces as soon as it sends, although somebody else was first', ({ expect }) =>
    withLeg(async ({ call, peer, port, another, wav }) => {
      const stranger = await another();
      stranger.ssrc = 666;
      const speech = noise(8000, 43);
      for (let n = 0; n < 5; n++) await stranger.send(port, noise(160, n));
      const list = pieces(speech);
      await paced(list.length, 20, async (i) => {
        await peer.send(port, list[i] ?? new Uint8Array());
        await stranger.send(port, noise(160, 100 + i));
      });
      const [leg] = (await call.finish()).legs;
      expect(leg?.dropped.stranger).toBe(50);
      const samples = wav();
      expect(wrong(samples, speech)).toBe(0);
    }));

  it('is one of three that speak at once on one port: the newest is heard, and nobody flaps', ({ expect }) =>
    withLeg(async ({ call, peer, port, wav }) => {
      const voices = [1, 2, 3].map((ssrc) => ({ ssrc, sequence: ssrc * 1000, timestamp: ssrc * 1e6 }));
      const speech = noise(9600, 44);
      // All at once: whoever is silent for two ticks, because this process is busy, makes room for the others.
      for (const [i, piece] of pieces(speech).entries()) {
        for (const voice of voices) {
          Object.assign(peer, voice);
          await peer.send(port, voice.ssrc === 3 ? piece : noise(160, i * 3 + voice.ssrc));
          Object.assign(voice, { sequence: peer.sequence, timestamp: peer.timestamp });
        }
      }
      const [leg] = (await call.finish()).legs;
      expect(leg?.sources).toBe(3);
      expect(leg?.dropped.stranger).toBe(2 * 59);
      expect(wrong(wav(), speech)).toBe(0);
    }));

  it('is its own on each port, also when two legs have the same SSRC from the same address', ({ expect }) =>
    withLeg(async ({ call, peer, port, wav }) => {
      const second = await call.openLeg({ leg: 2, formats: [PCMU], active: true, remote: peer.remote });
      const speeches = [noise(8000, 45), noise(8000, 46)] as const;
      const [one, two] = [pieces(speeches[0]), pieces(speeches[1])];
      const other = { sequence: 5, timestamp: 77 };
      await paced(one.length, 20, async (i) => {
        await peer.send(port, one[i] ?? new Uint8Array());
        const own = { sequence: peer.sequence, timestamp: peer.timestamp };
        Object.assign(peer, other);
        await peer.send(second.port, two[i] ?? new Uint8Array());
        Object.assign(other, { sequence: peer.sequence, timestamp: peer.timestamp });
        Object.assign(peer, own);
      });
      const { legs } = await call.finish();
      for (const [index, speech] of speeches.entries()) {
        expect(legs[index]).toMatchObject({ lost: 0, sources: 1, packets: 50 });
        const samples = wav(index + 1);
        expect(wrong(samples, speech)).toBe(0);
      }
    }));

  it('names whoever it mixes, and the record knows them', ({ expect }) =>
    withLeg(async ({ call, peer, port }) => {
      for (let n = 0; n < 20; n++) await peer.send(port, noise(160, n), false, n < 10 ? [111, 222] : [222, 333]);
      const [leg] = (await call.finish()).legs;
      expect(leg?.contributors).toEqual([111, 222, 333]);
    }));

  it('is heard before anybody could know the port and after the end was asked for', ({ expect }) =>
    withLeg(async ({ call, peer, port, wav }) => {
      const speech = noise(8000, 47);
      const list = pieces(speech);
      await paced(40, 20, (i) => peer.send(port, list[i] ?? new Uint8Array()));
      const finished = call.finish();
      for (const piece of list.slice(40)) await peer.send(port, piece);
      const [leg] = (await finished).legs;
      expect(leg).toMatchObject({ packets: 50, lost: 0 });
      expect(wrong(wav(), speech)).toBe(0);
    }));
});
