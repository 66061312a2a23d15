import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { placeRecordingCall } from '../../src/client/recording-client.js';
import { findSent } from '../helpers/recording-check.js';
import { startTestServer, type TestServer } from '../helpers/test-server.js';
import { tone } from '../helpers/voices.js';

const servers: TestServer[] = [];
beforeAll(async () => {
  for (const host of ['::1', '::']) {
    servers.push(await startTestServer({ SIP_HOST: host, WHISPER_ENABLED: 'false' }));
  }
});
afterAll(() => Promise.all(servers.map((server) => server.stop())));

it.each([
  ['::1', 'udp', '::1'],
  ['::1', 'tcp', '::1'],
  ['::', 'udp', '::1'],
  ['::', 'udp', '127.0.0.1'],
] as const)(
  'a server on %s records a call by %s with SIP and RTP on %s sample by sample',
  async (host, transport, reached) => {
    const server = servers[host === '::' ? 1 : 0];
    if (server === undefined) throw new Error('no server');
    const sound = [tone(440, 600), tone(1000, 600)];
    const call = await placeRecordingCall({
      target: { host: reached, port: server.sip[transport], transport },
      legs: sound.map((audio, n) => ({
        label: String(n),
        participant: { name: `P${n}`, aor: `sip:p${n}@example.com` },
        audio,
      })),
    });
    expect(call.legs.map((leg) => leg.remote?.address)).toEqual([reached, reached]);
    const ended = await server.ended(call.callId);
    for (const [n, audio] of sound.entries()) {
      expect(findSent(join(server.folder(ended), `leg-${n + 1}.wav`), audio).offset).toBeGreaterThanOrEqual(0);
    }
  },
  30_000,
);
