import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { placeRecordingCall } from '../../src/client/recording-client.js';
import { findSent } from '../helpers/recording-check.js';
import { startTestServer, type TestServer } from '../helpers/test-server.js';
import { tone } from '../helpers/voices.js';

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer({ SIP_HOST: '0.0.0.0', WHISPER_ENABLED: 'false' });
});

afterAll(() => server?.stop());

it.each(['udp', 'tcp'] as const)(
  'a server on every address names the one that the SRC reached, in its SDP (%s)',
  async (transport) => {
    const sound = [tone(440, 1_000), tone(1000, 1_000)];
    const call = await placeRecordingCall({
      target: { host: '127.0.0.1', port: server.sip[transport], transport },
      legs: sound.map((audio, n) => ({
        label: String(n),
        participant: { name: `P${n}`, aor: `sip:p${n}@example.com` },
        audio,
      })),
    });
    expect(call.legs.map((leg) => leg.remote?.address)).toEqual(['127.0.0.1', '127.0.0.1']);
    const folder = server.folder(await server.ended(call.callId));
    for (const [n, audio] of sound.entries()) {
      expect(findSent(join(folder, `leg-${n + 1}.wav`), audio).offset).toBeGreaterThanOrEqual(0);
    }
  },
  30_000,
);
