import { afterAll, beforeAll, describe, it } from 'vitest';
import { placeRecordingCall } from '../../src/client/recording-client.js';
import { startTestServer, type TestServer } from '../helpers/test-server.js';
import { tone } from '../helpers/voices.js';

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer({ WHISPER_ENABLED: 'false' });
}, 60_000);

afterAll(() => server.stop());

describe.concurrent('a call with RTCP', () => {
  for (const rtcpMux of [true, false]) {
    const port = rtcpMux ? 'the port of RTP' : 'a port of its own';
    it(`on ${port}: both sides hear of each other, and the record has the figures`, async ({ expect }) => {
      const callId = `rtcp-${rtcpMux}@test`;
      const report = await placeRecordingCall({
        target: { host: '127.0.0.1', port: server.sip.udp, transport: 'udp' },
        callId,
        rtcpMux,
        legs: ['1', '2'].map((label, n) => ({
          label,
          participant: { name: `P${label}`, aor: `sip:p${label}@example.com` },
          audio: tone(300 + 100 * n, 5000),
        })),
      });
      for (const leg of report.legs) {
        expect(leg.reports?.received).toBeGreaterThan(0);
        expect(leg.reports).toMatchObject({ lost: 0 });
      }
      const ended = await server.ended(callId);
      const { startedAt, legs } = server.record(ended);
      for (const [n, { statistics }] of legs.entries()) {
        const sent = report.legs[n]?.packets ?? 0;
        expect(statistics).toMatchObject({ packets: sent, lost: 0, lossRatio: 0, rtcp: { dropped: 0, names: 1 } });
        // The first report, the answer to a question, and the farewell.
        expect(statistics?.rtcp?.received).toBeGreaterThanOrEqual(3);
        expect(statistics?.toldBySender?.last).toEqual({ packets: sent, received: sent });
        expect(statistics?.rttMs).toBeGreaterThanOrEqual(0);
        // On loopback the answer waits for nothing but our tick.
        expect(statistics?.rttMs).toBeLessThan(1000);
        expect(statistics?.jitterMs).toBeLessThan(60);
        expect(statistics?.firstSampleAt).toBe(Math.round(startedAt + (statistics?.firstPacketMs ?? -1)));
        expect(JSON.stringify(statistics)).not.toContain('cname');
      }
      expect(await server.metric('siprec_leg_loss_ratio_count')).toBeGreaterThanOrEqual(2);
      expect(await server.metric('siprec_leg_jitter_seconds_count')).toBeGreaterThanOrEqual(2);
      expect(await server.metric('siprec_rtcp_packets_received_total', { type: 'sr' })).toBeGreaterThan(0);
    });
  }
});
