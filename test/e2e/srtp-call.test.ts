import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CallReport, placeRecordingCall } from '../../src/client/recording-client.js';
import type { SrtpSuiteName } from '../../src/core/srtp-suite.js';
import { findSent } from '../helpers/recording-check.js';
import { startTestServer, type TestServer } from '../helpers/test-server.js';
import { tone } from '../helpers/voices.js';

const SOUND = [tone(440, 4200), tone(1000, 4200)];

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ WHISPER_ENABLED: 'false', SIP_REQUIRE_SRTP: 'true' });
});
afterAll(() => server.stop());

const place = (srtp: SrtpSuiteName | undefined, more: { rtcpMux?: boolean } = {}): Promise<CallReport> =>
  placeRecordingCall({
    target: { host: '127.0.0.1', port: server.sip.udp, transport: 'udp' },
    legs: SOUND.map((audio, n) => ({
      label: String(n),
      participant: { name: `P${n}`, aor: `sip:p${n}@example.com` },
      audio,
    })),
    rtcpMux: more.rtcpMux === true,
    ...(srtp === undefined ? {} : { srtp }),
  });

describe('a server that requires SRTP', () => {
  it('records calls of the test SRC sample by sample and exchanges protected reports, on one port and on two', async () => {
    const suites = ['AES_256_CM_HMAC_SHA1_80', 'AEAD_AES_128_GCM'] as const;
    const calls = await Promise.all(suites.map((suite, at) => place(suite, { rtcpMux: at === 1 })));
    for (const [at, call] of calls.entries()) {
      const ended = await server.ended(call.callId);
      for (const [n, audio] of SOUND.entries()) {
        expect(findSent(join(server.folder(ended), `leg-${n + 1}.wav`), audio)).toMatchObject({
          silentElsewhere: true,
        });
        // Ours was opened by the server, and the server's by us.
        const statistics = server.record(ended).legs[n]?.statistics;
        expect(statistics).toMatchObject({ srtp: suites[at], lost: 0, rtcp: { dropped: 0, names: 1 } });
        expect(statistics?.rtcp?.received).toBeGreaterThan(0);
        expect(call.legs[n]?.reports).toMatchObject({ lost: 0 });
        expect(call.legs[n]?.reports?.received).toBeGreaterThan(0);
      }
    }
    expect(await server.metric('siprec_rtcp_dropped_datagrams_total', { reason: 'unauthenticated' })).toBe(0);
  });

  it('takes no call in the clear', async () => {
    await expect(place(undefined)).rejects.toMatchObject({ code: 'SRS_SIP_REJECTED', facts: { status: 488 } });
  });
});
