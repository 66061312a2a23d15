import { spawn } from 'node:child_process';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NativeWhisperEngine } from '../../src/stt/whisper/native-engine.js';
import { eventually } from '../helpers/eventually.js';
import { metricValue, NativeBench, never, OPTIONS } from '../helpers/native-whisper.js';
import { processAlive } from '../helpers/process-alive.js';
import { scriptedModel } from '../helpers/scripted-model.js';

const TEXT = 'thank you for calling thank us later';
/** Two seconds are said per window, so five minutes take 150 passes of the encoder: seconds of work on any machine. */
const LONG_MS = 300_000;
/** A job reaches the pipe of a child that stands ready within one turn of the event loop. */
const handedOver = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('the native whisper engine', () => {
  const bench = new NativeBench();
  let engine: NativeWhisperEngine;

  beforeAll(async () => {
    ({ engine } = bench.engine({ model: scriptedModel(TEXT) }));
    await engine.start(never);
  });
  afterAll(() => bench.close());

  it('is available where the addon is built for this machine', async () => {
    expect(await NativeWhisperEngine.available()).toEqual({ ok: true });
  });

  it('gives the words of the model with times inside the audio', async () => {
    const result = await engine.transcribe(bench.wav(2_500), never);
    expect(result.text).toBe(TEXT);
    expect(result.language).toBe('en');
    expect(result.words.map(({ word }) => word)).toEqual(TEXT.split(' '));
    expect(result.segments).toEqual([{ text: TEXT, startMs: 0, endMs: result.words.at(-1)?.endMs }]);
    for (const { startMs, endMs } of result.words) {
      expect(startMs).toBeGreaterThanOrEqual(0);
      expect(endMs).toBeGreaterThanOrEqual(startMs);
      expect(endMs).toBeLessThanOrEqual(2_500);
    }
  });

  it('hears audio of 0.3 s, and keeps times within it', async () => {
    const result = await engine.transcribe(bench.wav(300), never);
    expect(result.text).toBe(TEXT);
    expect(result.segments[0]?.endMs).toBeLessThanOrEqual(300);
  });

  it('takes a WAV without a single sample', async () => {
    expect((await engine.transcribe(bench.wav(0), never)).text).toBe(TEXT);
  });

  it('resamples a WAV of 8 kHz', async () => {
    const result = await engine.transcribe(bench.wav(2_000, 8_000), never);
    expect(result.text).toBe(TEXT);
    expect(result.segments[0]?.endMs).toBeGreaterThan(1_000);
    expect(result.segments[0]?.endMs).toBeLessThanOrEqual(2_000);
  });

  it('rejects a file that is no WAV, which another try would not mend', async () => {
    const request = { audio: { path: scriptedModel(TEXT), sampleRate: 16_000, channels: 1, durationMs: 1 } };
    const failure = engine.transcribe(request, never);
    await expect(failure).rejects.toMatchObject({ code: 'SRS_WAV_MALFORMED', retryable: false });
    expect((await engine.transcribe(bench.wav(1_000), never)).text).toBe(TEXT);
  });

  it('goes on after its child was killed in the middle of a job', async () => {
    const { engine: victim, metrics } = bench.engine({ model: scriptedModel(TEXT) });
    await victim.start(never);
    const job = victim.transcribe(bench.wav(LONG_MS), never);
    job.catch(() => {});
    const [pid] = victim.pids;
    if (pid === undefined) throw new Error('the engine has no child');
    await handedOver();
    process.kill(pid, 'SIGKILL');
    await expect(job).rejects.toMatchObject({ code: 'SRS_STT_ENGINE', retryable: true });
    expect((await victim.transcribe(bench.wav(1_000), never)).text).toBe(TEXT);
    expect(victim.pids).not.toContain(pid);
    expect(await metricValue(metrics, 'siprec_whisper_child_restarts_total')).toBe(1);
    await victim.close();
  });

  it('kills the child of a job that is aborted, and takes the next job', async () => {
    const [pid] = engine.pids;
    if (pid === undefined) throw new Error('the engine has no child');
    const abort = new AbortController();
    const job = engine.transcribe(bench.wav(LONG_MS), abort.signal);
    job.catch(() => {});
    await handedOver();
    abort.abort();
    await expect(job).rejects.toMatchObject({ code: 'SRS_STT_CANCELLED', retryable: false });
    await eventually('the child is gone', () => !processAlive(pid));
    expect((await engine.transcribe(bench.wav(1_000), never)).text).toBe(TEXT);
  });

  it('kills a job at its time limit and counts it', async () => {
    const model = scriptedModel(TEXT);
    const { engine: slow, metrics } = bench.engine({ model, timeoutMs: 100 });
    await slow.start(never);
    const [pid] = slow.pids;
    if (pid === undefined) throw new Error('the engine has no child');
    const job = slow.transcribe(bench.wav(LONG_MS), never);
    await expect(job).rejects.toMatchObject({ code: 'SRS_STT_TIMEOUT', retryable: true });
    expect(processAlive(pid)).toBe(false);
    expect(await metricValue(metrics, `siprec_whisper_timeouts_total{model="${model}"}`)).toBe(1);
    expect(await metricValue(metrics, 'siprec_whisper_child_restarts_total')).toBe(1);
    await slow.close();
  });

  it('runs two jobs in two children, lets a third wait, and leaves none behind', async () => {
    const { engine: wide } = bench.engine({ model: scriptedModel(TEXT), maxConcurrent: 2 });
    await wide.start(never);
    expect(wide.slots).toBe(2);
    expect(wide.pids).toHaveLength(1);
    const results = await Promise.all([1, 2, 3].map(() => wide.transcribe(bench.wav(1_500), never)));
    expect(results.map(({ text }) => text)).toEqual([TEXT, TEXT, TEXT]);
    const pids = [...wide.pids];
    expect(new Set(pids).size).toBe(2);
    await wide.close();
    expect(wide.pids).toEqual([]);
    expect(pids.filter(processAlive)).toEqual([]);
  });

  it('lets a job that waits for a place be aborted without touching the one that runs', async () => {
    const first = engine.transcribe(bench.wav(1_500), never);
    const abort = new AbortController();
    const second = engine.transcribe(bench.wav(1_500), abort.signal);
    const pids = [...engine.pids];
    abort.abort();
    await expect(second).rejects.toMatchObject({ code: 'SRS_STT_CANCELLED' });
    expect((await first).text).toBe(TEXT);
    expect(engine.pids).toEqual(pids);
  });

  it('gives the memory of an idle second child back', async () => {
    const { engine: wide } = bench.engine({ model: scriptedModel(TEXT), maxConcurrent: 2 }, { idleLimitMs: 50 });
    await wide.start(never);
    await Promise.all([wide.transcribe(bench.wav(1_500), never), wide.transcribe(bench.wav(1_500), never)]);
    await eventually('one child is left', () => wide.pids.length === 1);
    expect((await wide.transcribe(bench.wav(1_500), never)).text).toBe(TEXT);
    await wide.close();
  });

  it('cancels what runs and what waits when it is closed', async () => {
    const { engine: closing } = bench.engine({ model: scriptedModel(TEXT) });
    await closing.start(never);
    const jobs = [LONG_MS, 1_000].map((ms) => closing.transcribe(bench.wav(ms), never));
    const outcomes = Promise.allSettled(jobs);
    await handedOver();
    await Promise.all([closing.close(), closing.close()]);
    for (const outcome of await outcomes) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'SRS_STT_CANCELLED' } });
    }
    await expect(closing.transcribe(bench.wav(1_000), never)).rejects.toMatchObject({ code: 'SRS_STT_UNAVAILABLE' });
    expect(closing.pids).toEqual([]);
  });

  it('leaves no child when the server itself is killed', async () => {
    const modules = ['stt/whisper/native-engine.js', 'core/logger.js', 'core/metrics.js'];
    const [engineUrl, loggerUrl, metricsUrl] = modules.map((path) => pathToFileURL(`dist/src/${path}`).href);
    const wide = { ...OPTIONS, model: scriptedModel(TEXT), maxConcurrent: 2 };
    const long = bench.wav(LONG_MS);
    const script = `
      const { NativeWhisperEngine } = await import('${engineUrl}');
      const { silentLogger } = await import('${loggerUrl}');
      const { Metrics } = await import('${metricsUrl}');
      const metrics = new Metrics({ vendors: [], models: [] });
      const engine = new NativeWhisperEngine(${JSON.stringify(wide)}, { logger: silentLogger, metrics });
      const { signal } = new AbortController();
      await engine.start(signal);
      for (let i = 0; i < 2; i++) engine.transcribe(${JSON.stringify(long)}, signal);
      setInterval(() => { if (engine.pids.length === 2) console.log(engine.pids.join(' ')); }, 20);`;
    const server = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    server.stdout.on('data', (bytes: Buffer) => {
      said += bytes.toString();
    });
    const pids = await eventually('two children', () => /^(\d+) (\d+)\n/.exec(said)?.slice(1).map(Number), 30_000);
    expect(pids.filter(processAlive)).toHaveLength(2);
    server.kill('SIGKILL');
    await eventually('both children are gone', () => pids.every((pid) => !processAlive(pid)));
  });
});
