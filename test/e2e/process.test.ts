import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { EventWatcher, type WatchedEvent } from '../../src/client/event-watcher.js';
import { type CallReport, placeRecordingCall } from '../../src/client/recording-client.js';
import { eventually } from '../helpers/eventually.js';
import { scriptedModel } from '../helpers/scripted-model.js';
import { ServerProcess } from '../helpers/server-process.js';
import { demoVoice, ffprobe } from '../helpers/voices.js';

const KEY = 'open-sesame-4711';
const ANNA = { name: 'Annabella Quist', aor: 'sip:+15550177@example.com' };
const TOM = { name: 'Thaddeus Wren', aor: 'sip:agent-seven@example.com' };
const SAID = 'confidential porcupine';

/** Every key of every object in it, at any depth. */
/** Names of fields at any depth. The names inside `attributes` are the SRC's own. */
function keysOf(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  if (Array.isArray(value)) return [...new Set(value.flatMap(keysOf))];
  const fields = Object.entries(value);
  return [...new Set(fields.flatMap(([key, field]) => (key === 'attributes' ? [key] : [key, ...keysOf(field)])))];
}

describe('the server as a process', () => {
  let server: ServerProcess | undefined;

  afterEach(async () => {
    await server?.dispose();
    server = undefined;
  });

  async function start(env: Record<string, string> = {}): Promise<ServerProcess> {
    server = await ServerProcess.ready({ WHISPER_MODEL: scriptedModel(SAID), ...env });
    return server;
  }

  /** Places a call and waits until its audio flows. */
  async function call(ms: number): Promise<{ report: Promise<CallReport> }> {
    const { sipPort } = server as ServerProcess;
    let answered = false;
    const report = placeRecordingCall({
      target: { host: '127.0.0.1', port: sipPort, transport: 'udp' },
      legs: [
        { label: '1', participant: ANNA, audio: demoVoice('caller', 0, ms) },
        { label: '2', participant: TOM, audio: demoVoice('agent', 0, ms) },
      ],
      onEvent: (event) => {
        if (event.type === 'answered') answered = true;
      },
    });
    report.catch(() => {});
    await eventually('the answer', () => answered);
    await server?.logged('first packet');
    return { report };
  }

  it('drains after SIGTERM: no new call, the running one goes on to its own BYE and its words, then exit code 0', async () => {
    const started = await start({ API_KEYS: KEY, LOG_LEVEL: 'debug', SHUTDOWN_GRACE: '30s' });
    expect((await started.get('/health/live')).status).toBe(200);
    expect((await started.get('/health/ready')).status).toBe(200);
    expect((await started.get('/metrics')).status).toBe(401);
    expect((await started.get('/metrics', KEY)).body).toContain('siprec_active_calls 0');
    const url = `ws://127.0.0.1:${started.httpPort}/ws/transcriptions`;
    await expect(EventWatcher.connect({ url })).rejects.toThrow('401');
    const watcher = await EventWatcher.connect({ url, apiKey: KEY });
    const events: WatchedEvent[] = [];
    const watching = (async () => {
      for await (const event of watcher) events.push(event);
    })();

    const { report } = await call(6_000);
    started.kill('SIGTERM');
    await started.logged('stopping: no new calls, running calls may finish');
    for (const method of ['OPTIONS', 'INVITE'] as const) {
      const answer = await started.request(method);
      expect(answer).toMatch(/^SIP\/2\.0 503 /);
      expect(answer).toMatch(/^Retry-After: \d+\r$/m);
    }
    expect((await started.get('/health/live')).status).toBe(200);
    expect(await started.get('/health/ready')).toMatchObject({
      status: 503,
      body: expect.stringContaining('draining'),
    });

    expect((await report).outcome).toBe('completed');
    expect(await started.exited).toBe(0);
    await watching;
    expect(events.filter((event) => event.type === 'transcript.final').map((event) => event.transcription)).toContain(
      SAID,
    );
    expect(events.at(-1)).toMatchObject({ type: 'call.ended', reason: 'bye' });
    const reference = readFileSync('docs/reference/events.md', 'utf8');
    const undocumented = keysOf(events).filter((key) => !new RegExp(`[\`"]${key}[\`"]`).test(reference));
    expect(undocumented).toEqual([]);
    const [folder = ''] = started.recordings();
    const record = JSON.parse(readFileSync(join(folder, 'call.json'), 'utf8'));
    expect(record).toMatchObject({ state: 'ended', reason: 'bye' });
    expect(record.transcripts.length).toBeGreaterThan(0);

    // Everything that was printed at debug level in a whole call with words.
    expect(started.lines().some((line) => line.msg === 'utterance cut')).toBe(true);
    for (const secret of [KEY, ANNA.name, TOM.name, 'Annabella', '15550177', 'agent-seven', 'porcupine']) {
      expect(started.output).not.toContain(secret);
    }
  }, 90_000);

  it('ends a call with BYE when the grace is over, publishes its words and exits with 0', async () => {
    const started = await start({ SHUTDOWN_GRACE: '1s' });
    const { report } = await call(20_000);
    const stoppedAt = Date.now();
    started.kill('SIGINT');
    const { outcome, endedAt } = await report;
    expect(outcome).toBe('ended_by_peer');
    expect(endedAt - stoppedAt).toBeGreaterThanOrEqual(900);
    expect(await started.exited).toBe(0);
    const [folder = ''] = started.recordings();
    const record = JSON.parse(readFileSync(join(folder, 'call.json'), 'utf8'));
    expect(record).toMatchObject({ state: 'ended', reason: 'shutdown' });
    expect(record.transcripts.length).toBeGreaterThan(0);
  }, 60_000);

  it('exits at once after a second signal, with files that can be played and no password in its log', async () => {
    const started = await start({
      SHUTDOWN_GRACE: '1h',
      LOG_LEVEL: 'debug',
      AMQP_URL: 'amqp://scribe:amqp-sesame@127.0.0.1:1/',
    });
    await started.logged('AMQP broker is away');
    await call(20_000);
    const [folder = ''] = started.recordings();
    await eventually('a second of audio on disk', () => ffprobe(join(folder, 'leg-1.wav')).seconds >= 1);
    started.kill('SIGTERM');
    await started.logged('stopping: no new calls, running calls may finish');
    const signalledAt = performance.now();
    started.kill('SIGTERM');
    expect(await started.exited).toBe(1);
    expect(performance.now() - signalledAt).toBeLessThan(5_000);
    for (const leg of ['leg-1.wav', 'leg-2.wav']) expect(ffprobe(join(folder, leg)).seconds).toBeGreaterThanOrEqual(1);
    expect(JSON.parse(readFileSync(join(folder, 'call.json'), 'utf8')).state).toBe('recording');
    expect(started.output).not.toContain('amqp-sesame');
  }, 60_000);

  it('exits with 70 on an error that nobody caught, with files that can be played', async () => {
    const bomb = 'process.on("SIGUSR2", () => { throw new Error("boom"); })';
    const started = await start({ NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(bomb)}` });
    await call(20_000);
    const [folder = ''] = started.recordings();
    await eventually('a second of audio on disk', () => ffprobe(join(folder, 'leg-2.wav')).seconds >= 1);
    started.kill('SIGUSR2');
    expect(await started.exited).toBe(70);
    expect(started.output).toContain('uncaught error, stopping');
    expect(ffprobe(join(folder, 'leg-2.wav')).seconds).toBeGreaterThanOrEqual(1);
  }, 60_000);

  it('goes on recording when whoever read its log is gone', async () => {
    const started = await start();
    started.closeOutput();
    const report = await placeRecordingCall({
      target: { host: '127.0.0.1', port: started.sipPort, transport: 'udp' },
      legs: [
        { label: '1', participant: ANNA, audio: demoVoice('caller', 0, 2_000) },
        { label: '2', participant: TOM, audio: demoVoice('agent', 0, 2_000) },
      ],
    });
    expect(report.outcome).toBe('completed');
    expect((await started.get('/health/ready')).status).toBe(200);
    started.kill('SIGTERM');
    expect(await started.exited).toBe(0);
    const [folder = ''] = started.recordings();
    expect(JSON.parse(readFileSync(join(folder, 'call.json'), 'utf8')).state).toBe('ended');
  }, 60_000);

  it('stops within seconds and with 0 when the signal comes while it still starts', async () => {
    server = new ServerProcess({
      WHISPER_BINARY_PATH: resolve('test/fixtures/whisper-cli/help-hangs.sh'),
      WHISPER_MODEL: 'small',
    });
    await server.logged('HTTP listens');
    const signalledAt = performance.now();
    server.kill('SIGTERM');
    expect(await server.exited).toBe(0);
    // The program would be asked for ten seconds.
    expect(performance.now() - signalledAt).toBeLessThan(6_000);
    expect(server.output).not.toContain('"level":60');
  }, 30_000);

  it.each([
    [
      'a model that is not there',
      { WHISPER_MODEL: 'enormous' },
      1,
      /^sipscribe: the whisper model "enormous" is not here.*$/m,
    ],
    [
      'a data directory that cannot be made',
      { WHISPER_MODEL: 'micro-telephony', DATA_DIR: '/dev/null/data' },
      1,
      /^sipscribe: DATA_DIR \/dev\/null\/data cannot be made or written \(ENOTDIR\)$/m,
    ],
    [
      'a folder for temporary files that cannot be made',
      { WHISPER_MODEL: 'micro-telephony', TMPDIR: '/dev/null/tmp' },
      1,
      /^sipscribe: TMPDIR \/dev\/null\/tmp cannot be made or written \(ENOTDIR\)$/m,
    ],
    [
      'three mistakes in the configuration',
      { WHISPER_MODLE: 'x', WHISPER_TIMEOUT: 'soon', HTTP_HOST: '0.0.0.0' },
      2,
      /3 problems:[\s\S]*WHISPER_MODLE[\s\S]*WHISPER_TIMEOUT[\s\S]*HTTP_HOST/,
    ],
  ])(
    'does not start with %s, and says why without a stack',
    async (_, env, code, message) => {
      server = new ServerProcess(env);
      expect(await server.exited).toBe(code);
      expect(server.output).toMatch(message);
      expect(server.output).not.toMatch(/^\s+at /m);
      expect(server.output).not.toContain('fault of sipscribe itself');
    },
    30_000,
  );
});
