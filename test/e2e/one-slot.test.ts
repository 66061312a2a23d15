import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { placeRecordingCall } from '../../src/client/recording-client.js';
import { eventually } from '../helpers/eventually.js';
import { findSent } from '../helpers/recording-check.js';
import { startTestServer, type TestServer } from '../helpers/test-server.js';
import { demoVoice } from '../helpers/voices.js';

const CALLS = 5;
const UNTIL_MS = 6_000;

describe('one transcription slot and five overlapping calls', () => {
  let server: TestServer;
  const voices = { caller: demoVoice('caller', 0, UNTIL_MS), agent: demoVoice('agent', 0, UNTIL_MS) };
  /** A speech service that needs a second for each utterance and numbers its answers; the wrapper script posts to it with curl. */
  let running = 0;
  let mostAtOnce = 0;
  let served = 0;
  const service = createServer((request, response) => {
    running += 1;
    mostAtOnce = Math.max(mostAtOnce, running);
    request.resume().on('end', () => {
      setTimeout(() => {
        running -= 1;
        served += 1;
        response.end(JSON.stringify({ text: ` answer ${served}`, segments: [], language: 'en' }));
      }, 1_000);
    });
  });

  beforeAll(async () => {
    await new Promise<void>((listening) => service.listen(0, '127.0.0.1', listening));
    process.env.WHISPER_TEST_URL = `http://127.0.0.1:${(service.address() as AddressInfo).port}`;
    server = await startTestServer({
      WHISPER_BINARY_PATH: resolve('test/fixtures/whisper-cli/http-wrapper.sh'),
      WHISPER_MODEL: 'small',
      WHISPER_MAX_CONCURRENT: '1',
    });
  });

  afterAll(async () => {
    await server?.stop();
    service.close();
    delete process.env.WHISPER_TEST_URL;
  });

  it('loses no audio, shows the queue in metrics, and publishes each call in the order in which it was spoken', async () => {
    let deepest = 0;
    let oldest = 0;
    const placed = Promise.all(
      Array.from({ length: CALLS }, (_, n) =>
        placeRecordingCall({
          target: { host: server.sip.host, port: server.sip.udp, transport: 'udp' },
          legs: [
            {
              label: 'a',
              participant: { name: `Caller ${n}`, aor: `sip:caller${n}@example.com` },
              audio: voices.caller,
            },
            { label: 'b', participant: { name: `Agent ${n}`, aor: `sip:agent${n}@example.com` }, audio: voices.agent },
          ],
        }),
      ),
    );
    await eventually(
      'a queue in the metrics',
      async () => {
        deepest = Math.max(deepest, await server.metric('siprec_stt_queue_depth', { vendor: 'whisper' }));
        oldest = Math.max(oldest, await server.metric('siprec_stt_queue_oldest_seconds', { vendor: 'whisper' }));
        return deepest >= 2 && oldest > 0.5;
      },
      30_000,
    );
    const calls = await placed;
    for (const call of calls) {
      const ended = await server.ended(call.callId, 60_000);
      const record = server.record(ended);
      expect(record.legs.map((leg) => [leg.statistics?.packets, leg.statistics?.lost])).toEqual([
        [300, 0],
        [300, 0],
      ]);
      expect(findSent(join(server.folder(ended), 'leg-1.wav'), voices.caller).offset).toBeGreaterThanOrEqual(0);
      expect(findSent(join(server.folder(ended), 'leg-2.wav'), voices.agent).offset).toBeGreaterThanOrEqual(0);
      const finals = server.events.filter((e) => e.type === 'transcript.final' && e.callId === call.callId);
      expect(finals.length).toBeGreaterThanOrEqual(2);
      // First in, first out: the later an utterance ended, the higher the number that the service gave it.
      const numbers = finals.map((e) => (e.type === 'transcript.final' ? Number(e.text.replace('answer ', '')) : 0));
      expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
      const ends = finals.map((e) => (e.type === 'transcript.final' ? e.endMs : 0));
      expect(ends[0]).toBeLessThan(ends.at(-1) ?? 0);
    }
    expect(mostAtOnce).toBe(1);
    expect(await server.metric('siprec_stt_queue_depth', { vendor: 'whisper' })).toBe(0);
    expect(await server.metric('siprec_whisper_temp_file_bytes')).toBe(0);
    expect(
      await server.metric('siprec_whisper_cli_duration_seconds_count', { model: 'small', status: 'success' }),
    ).toBe(served);
  }, 120_000);
});
