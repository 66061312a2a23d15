import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { loadConfig } from '../../config/load.js';
import { App } from '../../src/app.js';
import { placeRecordingCall } from '../../src/client/recording-client.js';
import { silentLogger } from '../../src/core/logger.js';
import { eventually } from '../helpers/eventually.js';
import { processAlive } from '../helpers/process-alive.js';
import { startTestServer, type TestServer } from '../helpers/test-server.js';
import { demoVoice } from '../helpers/voices.js';

const voice = demoVoice('agent', 0, 2_000);

describe('the end of a server', () => {
  let server: TestServer | undefined;
  const folders: string[] = [];

  function temporaryFolder(name: string): string {
    const path = mkdtempSync(join(tmpdir(), `sipscribe-${name}-`));
    folders.push(path);
    return path;
  }

  afterEach(async () => {
    await server?.stop();
    server = undefined;
    delete process.env.PID_FILE;
    for (const path of folders.splice(0)) rmSync(path, { recursive: true, force: true });
  });

  it('gives up words that do not come in time: a failure in the record and on the wire, then call.ended', async () => {
    process.env.PID_FILE = join(temporaryFolder('pids'), 'pids');
    const started = await startTestServer({
      WHISPER_BINARY_PATH: resolve('test/fixtures/whisper-cli/hangs.sh'),
      WHISPER_MODEL: 'small',
    });
    server = started;
    const frames: { type: string; error?: string }[] = [];
    const socket = new WebSocket(`${started.http.replace('http', 'ws')}/ws/transcriptions`);
    socket.on('message', (data) => frames.push(JSON.parse(String(data))));
    const closed = new Promise((done) => socket.once('close', done));
    await new Promise((done) => socket.once('open', done));
    const call = await placeRecordingCall({
      target: { host: started.sip.host, port: started.sip.udp, transport: 'udp' },
      legs: [
        { label: '1', participant: { name: 'A', aor: 'sip:a@example.com' }, audio: voice },
        { label: '2', participant: { name: 'B', aor: 'sip:b@example.com' }, audio: new Int16Array(voice.length) },
      ],
    });
    await eventually('an utterance in the hanging program', async () => {
      return (await started.metric('siprec_stt_running', { vendor: 'whisper' })) === 1;
    });
    await started.app.stop(0, 200);
    const ended = await started.ended(call.callId, 1_000);
    expect(started.record(ended)).toMatchObject({ state: 'ended', failures: [{ code: 'SRS_STT_CANCELLED' }] });
    await closed;
    expect(frames.slice(-2)).toMatchObject([
      { type: 'transcript.failed', error: 'SRS_STT_CANCELLED' },
      { type: 'call.ended' },
    ]);
    const pids = readFileSync(process.env.PID_FILE, 'utf8').trim().split(' ').map(Number);
    // An orphan that has ended stays in the table until init reaps it.
    for (const pid of pids) expect(processAlive(pid)).toBe(false);
  }, 60_000);

  it('leaves nothing behind when the start fails half-way, and cannot be started again', async () => {
    const taken = createServer();
    await new Promise<void>((done) => taken.listen(0, '127.0.0.1', done));
    const address = taken.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const root = temporaryFolder('half');
    const app = new App(
      loadConfig({
        env: {
          SIP_HOST: '127.0.0.1',
          UDP_PORTS: '0',
          TCP_PORTS: String(port),
          HTTP_PORT: '0',
          DATA_DIR: join(root, 'data'),
          TMPDIR: join(root, 'tmp'),
          WHISPER_MODEL: 'micro-telephony',
          WHISPER_MAX_CONCURRENT: '1',
          AMQP_URL: 'amqp://127.0.0.1:1',
        },
      }),
      silentLogger,
    );
    const held = (): string[] =>
      process.getActiveResourcesInfo().filter((kind) => /TCP|UDP|Process|Worker|MessagePort|Pipe/.test(kind));
    const before = held();
    await expect(app.start()).rejects.toThrow(String(port));
    await eventually('what was started is gone', () => held().length <= before.length, 5_000).catch(() =>
      expect(held()).toEqual(before),
    );
    await Promise.all([app.stop(0), app.stop(0)]);
    await expect(app.start()).rejects.toThrow(String(port));
    await new Promise((done) => taken.close(done));
  }, 60_000);

  it('does not start after a stop', async () => {
    const root = temporaryFolder('unborn');
    const env = { HTTP_PORT: '0', UDP_PORTS: '0', TCP_PORTS: '0', DATA_DIR: root, WHISPER_MODEL: 'micro-telephony' };
    const app = new App(loadConfig({ env }), silentLogger);
    await app.stop();
    await expect(app.start()).rejects.toMatchObject({ code: 'SRS_SIP_BUSY' });
    expect(() => app.httpAddress).toThrow();
  });
});
