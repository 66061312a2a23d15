import { afterEach, expect, it } from 'vitest';
import type { OfferedCrypto, SrtpMasterKey } from '../../src/core/srtp-suite.js';
import { SrtpSender } from '../../src/rtp/srtp-sender.js';
import { eventually } from '../helpers/eventually.js';
import { noise, paced, RtpSender } from '../rtp/rtp-sender.js';
import { offer, type Studio, stream, studio } from './session-fixture.js';

const SUITE = 'AES_CM_128_HMAC_SHA1_80';
let room: Studio | undefined;
afterEach(() => room?.stop());

const keyOf = (seed: number): SrtpMasterKey => ({ key: noise(16, seed).slice(), salt: noise(14, seed).slice() });
const offered = (key: SrtpMasterKey) => {
  const crypto: readonly OfferedCrypto[] = [{ tag: '1', suite: SUITE, suiteText: SUITE, keys: [key] }];
  return offer([stream(0, { profile: 'RTP/SAVP', crypto })]);
};

it('keys that came while the media worker was dead are taken when the SRC offers them again', async () => {
  const here = await studio({ media: { workers: 1 } });
  room = here;
  const { session, answer } = await here.recorder.open(offered(keyOf(1)));
  await here.plane.workers[0]?.kill();
  await expect(session.apply(offered(keyOf(2)))).rejects.toMatchObject({ code: 'SRS_MEDIA_WORKER' });
  await eventually('the worker that goes on', () => here.types().includes('recording.warning'));
  await session.apply(offered(keyOf(2)));
  const [rtp, srtp] = [new RtpSender(answer.streams[0]?.port ?? 0), new SrtpSender(SUITE, keyOf(2))];
  await paced(25, 20, () => rtp.sendRaw(srtp.seal(rtp.next(noise(160, 3)))));
  await rtp.close();
  await session.end('bye');
  await eventually('the end', () => here.types().includes('call.ended'));
  expect(here.record(session.id).legs[0]?.statistics).toMatchObject({ packets: 25, dropped: { unauthenticated: 0 } });
});
