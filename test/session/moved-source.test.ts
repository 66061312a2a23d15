import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { decodeG711 } from '../../src/audio/g711.js';
import { find, mismatches, readWav } from '../rtp/media-fixture.js';
import { RtcpPeer } from '../rtp/rtcp-peer.js';
import { noise, paced, pieces } from '../rtp/rtp-sender.js';
import { offer, type Studio, stream, studio } from './session-fixture.js';

let room: Studio;
const peers: RtcpPeer[] = [];
afterEach(async () => {
  await room.stop();
  await Promise.all(peers.splice(0).map((peer) => peer.close()));
});

async function peer(ssrc: number): Promise<RtcpPeer> {
  const made = await RtcpPeer.open();
  made.ssrc = ssrc;
  peers.push(made);
  return made;
}

it('an SRC that moves by a re-INVITE is heard at once from where it says, while its old address and a stranger go on', async () => {
  room = await studio();
  const [before, after, stranger] = [await peer(1), await peer(2), await peer(3)];
  const from = ({ rtp }: RtcpPeer) => stream(0, { address: '127.0.0.1', port: rtp.address().port });
  const { session, answer } = await room.recorder.open(offer([from(before)]));
  const port = answer.streams[0]?.port ?? 0;
  const speech = [noise(4000, 71), noise(8000, 72)] as const;
  const [first, second] = speech.map((part) => pieces(part));
  await paced(25, 20, (i) => before.send(port, first?.[i] ?? new Uint8Array()));
  await session.apply(offer([from(after)]));
  await paced(50, 20, async (i) => {
    await stranger.send(port, noise(160, 100 + i));
    await after.send(port, second?.[i] ?? new Uint8Array());
    await before.send(port, noise(160, 200 + i));
  });
  await session.end('bye');
  await room.recorder.settled();
  const samples = readWav(join(room.folder(session.id), 'leg-1.wav')).samples;
  for (const part of speech) {
    const wanted = decodeG711('PCMU', part);
    const at = find(samples, wanted);
    expect(at).toBeGreaterThanOrEqual(0);
    expect(mismatches(samples, wanted, at)).toBe(0);
  }
  const { warnings, legs } = room.record(session.id);
  expect(warnings).toEqual([{ code: 'rtp_stranger', detail: 'leg 1' }]);
  expect(legs[0]?.statistics?.dropped.stranger).toBeGreaterThan(90);
});
