import { join } from 'node:path';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { decodeG711 } from '../../src/audio/g711.js';
import type { MediaCall } from '../../src/rtp/media-plane.js';
import type { MediaThreads } from '../../src/rtp/media-pool.js';
import { find, Heard, mismatches, PCMU, readWav, startPlane, temporaryDirectory } from './media-fixture.js';
import { noise, paced, pieces, RtpSender, rtpPacket } from './rtp-sender.js';

let plane: MediaThreads;

beforeAll(async () => {
  ({ plane } = startPlane());
  await plane.start();
});

afterAll(() => plane.stop());

/** A call of one leg whose senders and files are gone when `body` ends. */
async function withLeg(
  body: (leg: {
    call: MediaCall;
    heard: Heard;
    sender: (ssrc: number) => RtpSender;
    wav: () => Int16Array;
  }) => Promise<void>,
): Promise<void> {
  const directory = temporaryDirectory();
  const heard = new Heard();
  const call = await plane.openCall({ sessionId: 's', directory: directory.path, utterances: true }, heard);
  const { port } = await call.openLeg({ leg: 1, formats: [PCMU], active: true });
  const senders: RtpSender[] = [];
  try {
    await body({
      call,
      heard,
      sender: (ssrc) => {
        const sender = new RtpSender(port, { ssrc });
        senders.push(sender);
        return sender;
      },
      wav: () => readWav(join(directory.path, 'leg-1.wav')).samples,
    });
  } finally {
    await call.finish();
    await Promise.all(senders.map((sender) => sender.close()));
    directory.remove();
  }
}

describe.concurrent('a leg that is attacked', () => {
  it('by 10,000 packets a second takes nothing from its neighbour, and its file does not outgrow the clock', ({
    expect,
  }) =>
    withLeg((attacked) =>
      withLeg(async (neighbour) => {
        const [flood, steady] = [attacked.sender(1), neighbour.sender(2)];
        const speech = noise(24_000, 61);
        const list = pieces(speech);
        const payload = noise(160, 62);
        const began = performance.now();
        await paced(list.length, 20, async (i) => {
          await steady.send(list[i] ?? new Uint8Array());
          for (let n = 0; n < 200; n++) void flood.send(payload);
        });
        const elapsed = performance.now() - began;
        const [bad, good] = [await attacked.call.finish(), await neighbour.call.finish()];
        expect(good.legs[0]).toMatchObject({ packets: 150, lost: 0 });
        expect(mismatches(neighbour.wav(), decodeG711('PCMU', speech), 0)).toBe(0);
        expect(bad.legs[0]?.dropped.early).toBeGreaterThan(1000);
        // The wall clock of the call, a sixteenth of it, and 5 s; the finish itself takes some more on a busy machine.
        expect(bad.durationMs).toBeLessThan((elapsed + 2000) * (17 / 16) + 5000);
        expect([...attacked.heard.failures, ...neighbour.heard.failures]).toEqual([]);
      }),
    ));

  it('by a stranger that sends first hears the real sender a second after the stranger is silent', ({ expect }) =>
    withLeg(async ({ call, sender, wav }) => {
      const [stranger, real] = [sender(3), sender(4)];
      const speech = noise(32_000, 63);
      const list = pieces(speech);
      await paced(list.length, 20, async (i) => {
        if (i < 25) await stranger.send(noise(160, 100 + i));
        await real.send(list[i] ?? new Uint8Array());
      });
      const result = await call.finish();
      const { stranger: dropped } = result.legs[0]?.dropped ?? { stranger: 0 };
      expect(dropped).toBeGreaterThanOrEqual(25);
      // Half a second of the stranger, a second of doubt, and a tick or two of a busy machine.
      expect(dropped).toBeLessThan(25 + 50 + 50);
      const heard = decodeG711('PCMU', speech.subarray(dropped * 160));
      const samples = wav();
      const start = find(samples, heard);
      // The stranger's half second stays; a sender that was held up itself follows it at once.
      expect(start).toBeGreaterThanOrEqual(4000);
      expect(mismatches(samples, heard, start)).toBe(0);
    }));

  it('by jumping timestamps, endless padding and payloads of 1 byte to 60 kB records on, within the clock', ({
    expect,
  }) =>
    withLeg(async ({ call, heard, sender, wav }) => {
      const evil = sender(5);
      const began = performance.now();
      await paced(100, 20, async (i) => {
        for (let n = 0; n < 10; n++) {
          const sequence = i * 10 + n;
          const timestamp = [i * 160, i * 160 + 2 ** 31, sequence * 15_999, -i * 8000][n % 4] ?? 0;
          const payload = noise([0, 1, 160, 1400, 60_000, 7999][n % 6] ?? 0, sequence);
          const packet = rtpPacket({ sequence, timestamp, ssrc: 5 + (n % 3) }, payload);
          if (n === 7) packet[0] = 0xbf;
          await evil.sendRaw(packet);
        }
      });
      const speech = noise(8000, 64);
      const list = pieces(speech);
      evil.ssrc = 77;
      await paced(50, 20, (i) => evil.send(list[i] ?? new Uint8Array()));
      const elapsed = performance.now() - began;
      const result = await call.finish();
      // Datagrams of 60 kB fill a socket's buffer: the kernel drops some of what comes after them.
      expect(result.legs[0]?.packets).toBeGreaterThan(500);
      expect(result.durationMs).toBeLessThan((elapsed + 2000) * (17 / 16) + 5000);
      expect(wav().length).toBe(result.durationMs * 8);
      expect(heard.failures).toEqual([]);
    }));
});
