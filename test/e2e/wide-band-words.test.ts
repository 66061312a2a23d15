import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { resample } from '../../src/audio/resampler.js';
import { readWav } from '../../src/audio/wav-reader.js';
import type { CallCodecName } from '../../src/client/call-codec.js';
import { placeRecordingCall } from '../../src/client/recording-client.js';
import { scoreDemo } from '../../src/commands/demo-score.js';
import { readDemoScript } from '../../src/commands/demo-script.js';
import { startTestServer, type TestServer } from '../helpers/test-server.js';
import { demoVoice } from '../helpers/voices.js';

/** As long as the first three turns of the demo: both people say something. */
const UNTIL_MS = 10_200;
const TURNS = 3;

describe('calls of other codecs than G.711', () => {
  let server: TestServer;

  beforeAll(async () => {
    server = await startTestServer({ WHISPER_MODEL: 'micro-telephony' });
  }, 30_000);

  afterAll(() => server?.stop());

  it('are recorded at 16 kHz, whole, with the words of each speaker: G.722, Opus and L16 side by side', async () => {
    const whole = await readDemoScript('demo');
    const script = { ...whole, turns: whole.turns.slice(0, TURNS) };
    const codecs: [CallCodecName, ...CallCodecName[]][] = [['G722', 'PCMA', 'PCMU'], ['OPUS', 'G722'], ['L16']];
    const voices = [demoVoice('caller', 0, UNTIL_MS), demoVoice('agent', 0, UNTIL_MS)];
    const reports = await Promise.all(
      codecs.map((codec) =>
        placeRecordingCall({
          target: { host: server.sip.host, port: server.sip.udp, transport: 'udp' },
          codec,
          legs: script.speakers.map(({ label, name, aor, role }, n) => ({
            label,
            participant: { name, aor, role },
            audio: voices[n] ?? new Int16Array(0),
          })),
        }),
      ),
    );
    for (const [n, { callId, codec }] of reports.entries()) {
      const ended = await server.ended(callId, 60_000);
      const heard = server.events.flatMap((e) =>
        e.type === 'transcript.final' && e.callId === callId
          ? [{ name: e.leg.speaker?.name ?? '', text: e.text, delayMs: 0 }]
          : [],
      );
      expect({ codec, ...scoreDemo(script, heard) }).toMatchObject({ codec: codecs[n]?.[0], words: 14, passed: true });

      const record = server.record(ended);
      expect(record.assurance).toMatchObject({ complete: true, problems: [], lostPackets: 0 });
      for (const leg of record.legs) {
        expect(leg.statistics).toMatchObject({ codecs: [codec], sampleRate: 16_000, lost: 0, dropped: {} });
        const { sampleRate, samples } = readWav(readFileSync(join(server.folder(ended), `leg-${leg.leg}.wav`)));
        expect(sampleRate).toBe(16_000);
        expect(samples.length).toBeGreaterThanOrEqual(UNTIL_MS * 16);
      }
    }
    // L16 is what was said, bit for bit.
    const [, , plain] = reports;
    const folder = server.folder(await server.ended(plain?.callId ?? ''));
    for (const [n, voice] of voices.entries()) {
      const { samples } = readWav(readFileSync(join(folder, `leg-${n + 1}.wav`)));
      const said = resample(voice, 8000, 16_000);
      const begin = samples.findIndex((sample) => sample !== 0) - said.findIndex((sample) => sample !== 0);
      expect(Buffer.from(samples.slice(begin, begin + said.length).buffer)).toEqual(Buffer.from(said.buffer));
    }
  }, 90_000);
});
