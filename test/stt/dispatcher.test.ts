import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { readWav } from '../../src/audio/wav-reader.js';
import { HandClock } from '../../src/core/clock.js';
import { SrsError } from '../../src/core/errors.js';
import { silentLogger } from '../../src/core/logger.js';
import { SttDispatcher, type SttDispatcherOptions, type SttJob } from '../../src/stt/dispatcher.js';
import type { SttProvider, SttResult, TranscribeRequest } from '../../src/stt/provider.js';
import { TempAudio } from '../../src/stt/temp-audio.js';
import { WhisperCliEngine } from '../../src/stt/whisper/cli-engine.js';
import { WhisperProvider } from '../../src/stt/whisper/whisper-provider.js';

import { eventually } from '../helpers/eventually.js';
import { cliOptions, everything, newFolder, newMetrics, pidsIn, program, runs, series } from './whisper-options.js';

type Work = (request: TranscribeRequest, signal: AbortSignal) => Promise<string>;

/** A provider in this process. It tells the first sample of each utterance, by which tests know them. */
class InProcessProvider implements SttProvider {
  readonly model = 'in-process';
  readonly capabilities = { streaming: false, wordTimes: false, sampleRate: 8000, channels: 1 };
  readonly order: number[] = [];
  running = 0;
  mostRunning = 0;

  constructor(
    readonly slots: number,
    readonly work: Work = async () => '',
    readonly vendor = 'whisper',
  ) {}

  async start(): Promise<void> {}
  async close(): Promise<void> {}

  async transcribe(request: TranscribeRequest, signal: AbortSignal): Promise<SttResult> {
    this.running += 1;
    this.mostRunning = Math.max(this.mostRunning, this.running);
    try {
      this.order.push(readWav(readFileSync(request.audio.path)).samples[0] ?? -1);
      return { text: await this.work(request, signal), segments: [], words: [], model: this.model };
    } finally {
      this.running -= 1;
    }
  }
}

/** Work that waits until the test lets it go. */
function gate(): { work: Work; waiting: ((text: string | SrsError) => void)[] } {
  const waiting: ((text: string | SrsError) => void)[] = [];
  const work: Work = (_, signal) =>
    new Promise((resolve, reject) => {
      signal.addEventListener('abort', () => reject(new Error('stopped')));
      waiting.push((outcome) => (outcome instanceof SrsError ? reject(outcome) : resolve(outcome)));
    });
  return { work, waiting };
}

let folder: Awaited<ReturnType<typeof newFolder>>;
let metrics: ReturnType<typeof newMetrics>;
let tempAudio: TempAudio;
let dispatcher: SttDispatcher;

beforeEach(async () => {
  folder = await newFolder();
  metrics = newMetrics();
  tempAudio = new TempAudio({ root: folder.path, metrics, logger: silentLogger });
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await dispatcher.close();
  await tempAudio.close();
  expect(await everything(folder.path)).toEqual([]);
  await folder.remove();
});

function dispatch(providers: SttProvider[], more: Partial<SttDispatcherOptions> = {}): SttDispatcher {
  const byVendor = new Map(providers.map((provider) => [provider.vendor, provider]));
  const base = { defaultVendor: 'whisper', tempAudio, metrics, logger: silentLogger, backoffMs: 5 };
  dispatcher = new SttDispatcher({ providers: byVendor, ...base, ...more });
  return dispatcher;
}

function job(number: number, more: Partial<SttJob> = {}): SttJob {
  const samples = new Int16Array(800).fill(number);
  return { id: `u-${number}`, callId: 'call', samples, sampleRate: 8000, ...more };
}

const gauge = (name: string): Promise<number> => series(metrics, `${name}{vendor="whisper"}`);
const requests = (status: string): Promise<number> =>
  series(metrics, `siprec_stt_requests_total{vendor="whisper",status="${status}"}`);
const tempBytes = (): Promise<number> => series(metrics, 'siprec_whisper_temp_file_bytes');
const engineFault = (): SrsError => new SrsError('SRS_STT_ENGINE', 'it broke');

describe('SttDispatcher', () => {
  it('gives 200 utterances to 3 slots, in order, never more at once, and leaves nothing behind', async () => {
    const provider = new InProcessProvider(3, async ({ audio }) => {
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 4));
      return audio.path;
    });
    const stt = dispatch([provider]);
    const outcomes = await Promise.all(Array.from({ length: 200 }, (_, i) => stt.submit(job(i))));
    expect(outcomes.every((outcome) => outcome.ok)).toBe(true);
    expect(provider.order).toEqual(Array.from({ length: 200 }, (_, i) => i));
    expect(provider.mostRunning).toBe(3);
    expect(await tempBytes()).toBe(0);
    expect(tempAudio.bytes).toBe(0);
    expect(await requests('success')).toBe(200);
    expect(await gauge('siprec_stt_audio_seconds_total')).toBeCloseTo(20);
    expect(await gauge('siprec_stt_latency_seconds_count')).toBe(200);
    expect(await gauge('siprec_stt_running')).toBe(0);
    expect(await gauge('siprec_stt_queue_depth')).toBe(0);
  });

  // With more slots than one, the first once started last: it was the only one that heard of its slot too late.
  it.each([1, 3])('keeps the order when a long utterance is followed by short ones, with %i slots', async (slots) => {
    const provider = new InProcessProvider(slots);
    const stt = dispatch([provider]);
    const long = job(1, { samples: new Int16Array(44_100 * 10).fill(1), sampleRate: 44_100 });
    await Promise.all([stt.submit(long), stt.submit(job(2)), stt.submit(job(3))]);
    expect(provider.order).toEqual([1, 2, 3]);
  });

  it('tells how many wait, since when, and how many run', async () => {
    const { work, waiting } = gate();
    const clock = new HandClock(1000);
    const stt = dispatch([new InProcessProvider(1, work)], { clock });
    const outcomes = [1, 2, 3].map((n) => stt.submit(job(n)));
    await eventually('the first to run', () => waiting.length === 1);
    expect(await gauge('siprec_stt_running')).toBe(1);
    expect(await gauge('siprec_stt_queue_depth')).toBe(2);
    clock.advance(7000);
    await eventually('the age to be written', async () => (await gauge('siprec_stt_queue_oldest_seconds')) === 7);
    expect(await tempBytes()).toBe(3 * (44 + 1600));
    waiting[0]?.('one');
    expect(await outcomes[0]).toMatchObject({ ok: true, queuedMs: 0, ranMs: 7000, result: { text: 'one' } });
    await eventually('the second to run', () => waiting.length === 2);
    expect(await tempBytes()).toBe(2 * (44 + 1600));
    waiting[1]?.('');
    // Empty text is a result.
    expect(await outcomes[1]).toMatchObject({
      ok: true,
      queuedMs: 7000,
      ranMs: 0,
      result: { text: '' },
      model: 'in-process',
    });
    await eventually('the third to run', () => waiting.length === 3);
    waiting[2]?.('three');
    await outcomes[2];
    expect(await gauge('siprec_stt_queue_oldest_seconds')).toBe(0);
  });

  it('tries again what may succeed later, before everything that was submitted after it', async () => {
    let failures = 2;
    const provider: InProcessProvider = new InProcessProvider(1, async () => {
      await new Promise((resolve) => setTimeout(resolve, 2));
      if (provider.order.at(-1) === 1 && failures > 0) {
        failures -= 1;
        throw engineFault();
      }
      return 'ok';
    });
    const stt = dispatch([provider]);
    const outcomes = await Promise.all(Array.from({ length: 30 }, (_, i) => stt.submit(job(i + 1))));
    expect(outcomes.every((outcome) => outcome.ok)).toBe(true);
    const tries = provider.order.flatMap((number, at) => (number === 1 ? [at] : []));
    expect(tries).toHaveLength(3);
    // While it rested others ran, and then it did not go to the end of the queue.
    expect(tries[1]).toBeGreaterThan(1);
    expect(tries[2]).toBeLessThan(31);
    expect(await requests('error')).toBe(2);
    expect(await gauge('siprec_stt_errors_total')).toBe(2);
  });

  it('gives up after the retries, gives the slot back and goes on', async () => {
    const provider: InProcessProvider = new InProcessProvider(1, async () => {
      if (provider.order.at(-1) === 1) throw new SrsError('SRS_STT_TIMEOUT', 'too long');
      return 'ok';
    });
    const stt = dispatch([provider], { retries: 2 });
    const [first, second] = await Promise.all([stt.submit(job(1)), stt.submit(job(2))]);
    expect(first).toMatchObject({ ok: false, vendor: 'whisper', error: { code: 'SRS_STT_TIMEOUT' } });
    expect(second).toMatchObject({ ok: true });
    expect(provider.order.filter((number) => number === 1)).toHaveLength(3);
    expect(await requests('timeout')).toBe(3);
    expect(await tempBytes()).toBe(0);
    expect(await gauge('siprec_stt_running')).toBe(0);
  });

  it.each([
    ['an error that no retry can help', new SrsError('SRS_STT_MODEL', 'no model'), 'SRS_STT_MODEL'],
    ['an error that nobody foresaw', new TypeError('x is not a function'), 'SRS_INTERNAL'],
  ])('does not repeat %s', async (_, thrown, code) => {
    const provider = new InProcessProvider(1, async () => {
      throw thrown;
    });
    expect(await dispatch([provider]).submit(job(1))).toMatchObject({ ok: false, error: { code } });
    expect(provider.order).toEqual([1]);
    expect(await tempBytes()).toBe(0);
  });

  it('keeps vendors apart, each with its own slots', async () => {
    const { work, waiting } = gate();
    const other = new InProcessProvider(1, async () => 'other', 'other');
    const stt = dispatch([new InProcessProvider(1, work), other]);
    const held = stt.submit(job(1));
    expect(await stt.submit(job(2, { vendor: 'other' }))).toMatchObject({ ok: true, vendor: 'other' });
    await eventually('the first to run', () => waiting.length === 1);
    waiting[0]?.('now');
    expect(await held).toMatchObject({ ok: true, vendor: 'whisper' });
    const unknown = await stt.submit(job(3, { vendor: 'nobody' }));
    expect(unknown).toMatchObject({ ok: false, vendor: 'nobody', error: { code: 'SRS_STT_VENDOR_UNKNOWN' } });
    expect(unknown.ok || unknown.error.message).toMatch(/running: whisper, other/);
  });

  it('says so when the queue is full, and when the disk refuses', async () => {
    const { work, waiting } = gate();
    const stt = dispatch([new InProcessProvider(1, work)], { maxQueued: 2 });
    const first = stt.submit(job(0));
    await eventually('the first to run', () => waiting.length === 1);
    const more = [1, 2, 3].map((n) => stt.submit(job(n)));
    expect(await more[2]).toMatchObject({ ok: false, error: { code: 'SRS_STT_SPOOL' } });
    await tempAudio.close();
    await dispatcher.close();
    expect(await first).toMatchObject({ ok: false, error: { code: 'SRS_STT_CANCELLED' } });
  });

  it('a failed write costs its own utterance and no other', async () => {
    const provider = new InProcessProvider(1);
    const stt = dispatch([provider]);
    const outcomes = await Promise.all([stt.submit(job(1, { sampleRate: 0 })), stt.submit(job(2))]);
    expect(outcomes).toMatchObject([{ ok: false }, { ok: true }]);
    expect(await gauge('siprec_stt_queue_depth')).toBe(0);
  });

  it('ends what runs, waits and rests when it is closed, and takes nothing more', async () => {
    const { work, waiting } = gate();
    const stt = dispatch([new InProcessProvider(2, work)], { backoffMs: 60_000 });
    const outcomes = [1, 2, 3, 4].map((n) => stt.submit(job(n)));
    await eventually('two to run', () => waiting.length === 2);
    waiting[0]?.(engineFault());
    await eventually('the third to take the slot', () => waiting.length === 3);
    await Promise.all([stt.close(), stt.close()]);
    for (const outcome of await Promise.all(outcomes)) {
      expect(outcome).toMatchObject({ ok: false, error: { code: 'SRS_STT_CANCELLED' } });
    }
    expect(await stt.submit(job(5))).toMatchObject({ ok: false, error: { code: 'SRS_STT_CANCELLED' } });
    expect(await requests('cancelled')).toBe(2);
    expect(await tempBytes()).toBe(0);
    expect(await gauge('siprec_stt_queue_depth')).toBe(0);
  });

  it('leaves no process when it is closed during a run of a real program', async () => {
    const pidFile = join(folder.path, 'pids');
    vi.stubEnv('PID_FILE', pidFile);
    const parts = { logger: silentLogger, metrics, tempRoot: folder.path };
    const provider = new WhisperProvider(cliOptions(program('hangs.sh'), { maxConcurrent: 1 }), {
      engines: {
        cli: (options) => new WhisperCliEngine(options, parts),
        native: () => expect.unreachable(),
        nativeAvailable: async () => ({ ok: false }),
      },
      logger: silentLogger,
      metrics,
    });
    await provider.start(new AbortController().signal);
    const stt = dispatch([provider]);
    const outcomes = [stt.submit(job(1)), stt.submit(job(2))];
    const pids = await eventually('the program to run', () => pidsIn(pidFile));
    await stt.close();
    expect(pids.map(runs)).toEqual([false, false]);
    expect(await Promise.all(outcomes)).toMatchObject([{ ok: false }, { ok: false }]);
    await provider.close();
    await rm(pidFile);
  });
});
