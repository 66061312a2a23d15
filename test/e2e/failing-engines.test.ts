import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { placeRecordingCall } from '../../src/client/recording-client.js';
import { eventually } from '../helpers/eventually.js';
import { findSent } from '../helpers/recording-check.js';
import { startTestServer, type TestServer } from '../helpers/test-server.js';
import { demoVoice } from '../helpers/voices.js';

const UNTIL_MS = 3_000;
const voice = demoVoice('agent', 0, UNTIL_MS);

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // A zombie waits for its parent and does nothing.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

describe('a whisper program that fails costs words, never the recording', () => {
  let server: TestServer | undefined;
  const folder = mkdtempSync(join(tmpdir(), 'sipscribe-failing-'));

  afterEach(async () => {
    await server?.stop();
    server = undefined;
    delete process.env.PID_FILE;
  });

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  async function callWith(script: string, env: Record<string, string> = {}) {
    const started = await startTestServer({
      WHISPER_BINARY_PATH: resolve('test/fixtures/whisper-cli', script),
      WHISPER_MODEL: 'small',
      STT_MAX_ATTEMPTS: '1',
      ...env,
    });
    server = started;
    const call = await placeRecordingCall({
      target: { host: started.sip.host, port: started.sip.udp, transport: 'udp' },
      legs: [
        { label: '1', participant: { name: 'A', aor: 'sip:a@example.com' }, audio: voice },
        { label: '2', participant: { name: 'B', aor: 'sip:b@example.com' }, audio: new Int16Array(voice.length) },
      ],
    });
    const ended = await started.ended(call.callId, 30_000);
    expect(findSent(join(started.folder(ended), 'leg-1.wav'), voice).offset).toBeGreaterThanOrEqual(0);
    return { server: started, failures: started.record(ended).failures.map((failure) => failure.code) };
  }

  it('kills a program that hangs, with the grandchild that it left, and counts the timeout', async () => {
    process.env.PID_FILE = join(folder, 'pids');
    const { server, failures } = await callWith('hangs.sh', { WHISPER_TIMEOUT: '1s' });
    expect(failures).toEqual(['SRS_STT_TIMEOUT']);
    expect(await server.metric('siprec_whisper_timeouts_total', { model: 'small' })).toBe(1);
    expect(
      await server.metric('siprec_whisper_cli_duration_seconds_count', { model: 'small', status: 'timeout' }),
    ).toBe(1);
    expect(await server.metric('siprec_whisper_temp_file_bytes')).toBe(0);
    const pids = readFileSync(process.env.PID_FILE, 'utf8').trim().split(' ').map(Number);
    expect(pids).toHaveLength(2);
    await eventually('no process of the program', () => pids.every((pid) => !alive(pid)), 5_000);
  }, 60_000);

  it('takes a program that ends with 0 and writes nothing for a failure', async () => {
    const { server, failures } = await callWith('silent.sh');
    expect(failures).toEqual(['SRS_STT_NO_OUTPUT']);
    expect(await server.metric('siprec_whisper_cli_duration_seconds_count', { model: 'small', status: 'error' })).toBe(
      1,
    );
    expect(await server.metric('siprec_whisper_timeouts_total', { model: 'small' })).toBe(0);
    expect(await server.metric('siprec_whisper_temp_file_bytes')).toBe(0);
    expect(readdirSync(server.tempDir, { recursive: true }).filter((name) => String(name).endsWith('.wav'))).toEqual(
      [],
    );
  }, 60_000);
});
