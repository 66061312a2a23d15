import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { decodeG711 } from '../../src/audio/g711.js';
import { SrtpSender } from '../../src/rtp/srtp-sender.js';
import { find, Heard, mismatches, PCMU, readWav, startPlane, temporaryDirectory } from './media-fixture.js';
import { post, RtcpPeer } from './rtcp-peer.js';
import { noise, paced, pieces, rtpPacket } from './rtp-sender.js';

it('a protected sender that moves and takes another SSRC is heard at once: that its packets are authentic says enough', async () => {
  const { plane } = startPlane();
  const directory = temporaryDirectory();
  const peers = [await RtcpPeer.open(), await RtcpPeer.open(), await RtcpPeer.open()] as const;
  try {
    const suite = 'AES_CM_128_HMAC_SHA1_80';
    const key = () => ({ key: randomBytes(16), salt: randomBytes(14) });
    const [theirs, guessed] = [key(), key()];
    const call = await plane.openCall({ sessionId: 's', directory: directory.path, utterances: false }, new Heard());
    const keys = { suite, theirs: [theirs], ours: key() } as const;
    const { port } = await call.openLeg({ leg: 1, formats: [PCMU], active: true, keys });
    const [good, bad] = [new SrtpSender(suite, theirs), new SrtpSender(suite, guessed)];
    const speech = [noise(4000, 81), noise(4000, 82)] as const;
    for (const [index, part] of speech.entries()) {
      const list = pieces(part);
      await paced(list.length, 20, async (i) => {
        const numbers = { ssrc: 100 + index, sequence: 7000 * index + i, timestamp: 160 * i };
        await post(peers[2].rtp, bad.seal(rtpPacket({ ...numbers, ssrc: 9 }, noise(160, i))), port);
        await post(peers[index === 0 ? 0 : 1].rtp, good.seal(rtpPacket(numbers, list[i] ?? new Uint8Array())), port);
      });
    }
    const [leg] = (await call.finish()).legs;
    expect(leg).toMatchObject({ lost: 0, sources: 2, dropped: { stranger: 0, unauthenticated: 50 } });
    const { samples } = readWav(join(directory.path, 'leg-1.wav'));
    for (const part of speech) {
      const wanted = decodeG711('PCMU', part);
      const at = find(samples, wanted);
      expect(at).toBeGreaterThanOrEqual(0);
      expect(mismatches(samples, wanted, at)).toBe(0);
    }
  } finally {
    await plane.stop();
    await Promise.all(peers.map((peer) => peer.close()));
    directory.remove();
  }
});
