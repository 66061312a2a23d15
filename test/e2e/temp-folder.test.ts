import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { placeRecordingCall } from '../../src/client/recording-client.js';
import { findSent } from '../helpers/recording-check.js';
import { startTestServer, type TestServer } from '../helpers/test-server.js';
import { demoVoice } from '../helpers/voices.js';
import { program } from '../stt/whisper-options.js';

const voice = demoVoice('agent', 0, 2_500);

describe.each([
  ['the native engine', {}],
  ['a whisper program', { WHISPER_BINARY_PATH: program('writes.sh'), WHISPER_MODEL: 'small' }],
])('a folder for temporary files that goes away under %s', (_, env) => {
  let server: TestServer;

  beforeAll(async () => {
    const body = join(mkdtempSync(join(tmpdir(), 'sipscribe-body-')), 'body.json');
    writeFileSync(body, '{"text":"from the program"}');
    vi.stubEnv('RESULT_NAME', 'STEM.json');
    vi.stubEnv('RESULT_BODY', body);
    server = await startTestServer(env);
  });
  afterAll(async () => {
    vi.unstubAllEnvs();
    await server?.stop();
  });

  async function outcome(): Promise<{ words: number; failures: readonly string[]; found: number }> {
    const { callId } = await placeRecordingCall({
      target: { host: server.sip.host, port: server.sip.udp, transport: 'udp' },
      legs: [
        { label: '1', participant: { name: 'A', aor: 'sip:a@example.com' }, audio: voice },
        { label: '2', participant: { name: 'B', aor: 'sip:b@example.com' }, audio: new Int16Array(voice.length) },
      ],
    });
    const ended = await server.ended(callId, 30_000);
    const { transcripts, failures } = server.record(ended);
    const found = findSent(join(server.folder(ended), 'leg-1.wav'), voice).offset;
    return { words: transcripts.length, failures: failures.map(({ code }) => code), found };
  }

  it('costs no words when it only was cleaned away', async () => {
    rmSync(server.tempDir, { recursive: true, force: true });
    expect(await outcome()).toMatchObject({ words: 1, failures: [] });
  }, 60_000);

  it('costs words and no audio while it cannot be made again, and the words come back when it can', async () => {
    rmSync(server.tempDir, { recursive: true, force: true });
    writeFileSync(server.tempDir, 'in the way');
    const without = await outcome();
    expect(without).toMatchObject({ words: 0, failures: ['SRS_STT_SPOOL'] });
    expect(without.found).toBeGreaterThanOrEqual(0);
    expect(await server.metric('siprec_whisper_temp_file_bytes')).toBe(0);
    rmSync(server.tempDir);
    expect(await outcome()).toMatchObject({ words: 1, failures: [] });
    expect(await server.metric('siprec_whisper_temp_file_bytes')).toBe(0);
  }, 60_000);
});
