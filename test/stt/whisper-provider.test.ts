import { symlink, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { encodeWav } from '../../src/audio/wav-file.js';
import { SrsError } from '../../src/core/errors.js';
import type { Logger } from '../../src/core/logger.js';
import type { SttResult, TranscribeRequest } from '../../src/stt/provider.js';
import { createVendor, VENDOR_NAMES } from '../../src/stt/vendors.js';
import type { WhisperEngineFactories } from '../../src/stt/whisper/choose-engine.js';
import { WhisperCliEngine } from '../../src/stt/whisper/cli-engine.js';
import type { WhisperEngine, WhisperOptions } from '../../src/stt/whisper/engine.js';
import { WhisperProvider, whisperSlots } from '../../src/stt/whisper/whisper-provider.js';
import { cliOptions, newFolder, newMetrics, program, series } from './whisper-options.js';

/** An engine in this process, as the native one looks from outside. */
class InProcessEngine implements WhisperEngine {
  readonly kind = 'native';
  readonly slots = 2;
  closed = 0;

  constructor(readonly work: (request: TranscribeRequest) => Promise<SttResult>) {}

  async start(): Promise<void> {}
  transcribe(request: TranscribeRequest): Promise<SttResult> {
    return this.work(request);
  }
  async close(): Promise<void> {
    this.closed += 1;
  }
}

const heard: SttResult = { text: 'my pin is 4711', segments: [], words: [], model: 'base' };
const never = new AbortController().signal;

let folder: Awaited<ReturnType<typeof newFolder>>;
let metrics: ReturnType<typeof newMetrics>;
let lines: string[];
let logger: Logger;
let request: TranscribeRequest;

beforeEach(async () => {
  folder = await newFolder();
  metrics = newMetrics();
  lines = [];
  logger = pino({ level: 'trace' }, { write: (line: string) => lines.push(line) });
  const path = join(folder.path, 'utterance-1.wav');
  await writeFile(path, encodeWav(new Int16Array(1600), 16_000, 1));
  request = { audio: { path, sampleRate: 16_000, channels: 1, durationMs: 100 } };
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await folder.remove();
});

function factories(more: Partial<WhisperEngineFactories> = {}): WhisperEngineFactories {
  return {
    cli: (options) => new WhisperCliEngine(options, { logger, metrics, tempRoot: folder.path }),
    native: () => new InProcessEngine(async () => heard),
    nativeAvailable: async () => ({ ok: true }),
    ...more,
  };
}

function provider(options: WhisperOptions, more: Partial<WhisperEngineFactories> = {}): WhisperProvider {
  return new WhisperProvider(options, { engines: factories(more), metrics, logger });
}

function withoutBinary(engine: WhisperOptions['engine']): WhisperOptions {
  const { binaryPath: _, ...options } = cliOptions('');
  return { ...options, engine };
}

function logged(message: string): Record<string, unknown> | undefined {
  return lines.map((line): Record<string, unknown> => JSON.parse(line)).find((entry) => entry.msg === message);
}

const runsOf = (status: string): Promise<number> =>
  series(metrics, `siprec_whisper_cli_duration_seconds_count{model="base",status="${status}"}`);

describe('WhisperProvider', () => {
  it('says what it runs, how many at once, and that a transcription ended, but never what was said', async () => {
    const body = join(folder.path, 'body');
    await writeFile(body, '{"text":" my pin is 4711"}');
    vi.stubEnv('RESULT_NAME', 'STEM.json');
    vi.stubEnv('RESULT_BODY', body);
    const binary = program('writes.sh');
    const whisper = provider(cliOptions(binary, { maxConcurrent: 3 }));
    await Promise.all([whisper.start(never), whisper.start(never)]);
    expect(logged('whisper provider initialized')).toMatchObject({
      binary,
      model: 'base',
      outputFormat: 'json',
      engine: 'cli',
    });
    expect(logged('Whisper rate limiting enabled')).toMatchObject({ max_concurrent: 3 });
    expect((await whisper.transcribe(request, never)).text).toBe('my pin is 4711');
    expect(logged('Whisper transcription completed')).toMatchObject({ model: 'base', audioMs: 100, empty: false });
    expect(lines.join('')).not.toContain('4711');
    expect(lines.filter((line) => line.includes('whisper provider initialized'))).toHaveLength(1);
    expect(await runsOf('success')).toBe(1);
    await whisper.close();
    await whisper.close();
  });

  it.each([
    ['SRS_STT_TIMEOUT', 'timeout'],
    ['SRS_STT_ENGINE', 'error'],
  ] as const)('measures a run that ends with %s as %s, whichever engine ran it', async (code, status) => {
    const engine = new InProcessEngine(async () => {
      throw new SrsError(code, 'as told');
    });
    const whisper = provider(withoutBinary('native'), { native: () => engine });
    await whisper.start(never);
    await expect(whisper.transcribe(request, never)).rejects.toMatchObject({ code });
    expect([await runsOf('success'), await runsOf(status)]).toEqual([0, 1]);
    await whisper.close();
    expect(engine.closed).toBeGreaterThan(0);
  });

  it('counts the timeout of a real program in both metrics', async () => {
    vi.stubEnv('PID_FILE', join(folder.path, 'pids'));
    const whisper = provider(cliOptions(program('hangs.sh'), { timeoutMs: 300 }));
    await whisper.start(never);
    await expect(whisper.transcribe(request, never)).rejects.toMatchObject({ code: 'SRS_STT_TIMEOUT' });
    expect(await runsOf('timeout')).toBe(1);
    expect(await series(metrics, 'siprec_whisper_timeouts_total{model="base"}')).toBe(1);
    await whisper.close();
  });

  it('measures no run that was cancelled', async () => {
    const engine = new InProcessEngine(async () => {
      throw new SrsError('SRS_STT_CANCELLED', 'closing');
    });
    const whisper = provider(withoutBinary('native'), { native: () => engine });
    await whisper.start(never);
    await expect(whisper.transcribe(request, never)).rejects.toMatchObject({ code: 'SRS_STT_CANCELLED' });
    expect([await runsOf('success'), await runsOf('error'), await runsOf('timeout')]).toEqual([0, 0, 0]);
  });

  it('gives as many slots as the operator allows and the engine has', async () => {
    expect(whisperSlots(-1)).toBe(availableParallelism());
    expect(whisperSlots(0)).toBe(Number.POSITIVE_INFINITY);
    expect(whisperSlots(5)).toBe(5);
    const many = provider({ ...withoutBinary('native'), maxConcurrent: 5 });
    expect(many.slots).toBe(5);
    await many.start(never);
    expect(many.slots).toBe(2);
    const unlimited = provider(cliOptions(program('silent.sh'), { maxConcurrent: 0 }));
    await unlimited.start(never);
    expect(unlimited.slots).toBe(Number.POSITIVE_INFINITY);
    expect(lines.filter((line) => line.includes('rate limiting'))).toHaveLength(1);
    await unlimited.close();
  });

  it('refuses work before its start', async () => {
    const whisper = provider(withoutBinary('native'));
    await expect(whisper.transcribe(request, never)).rejects.toMatchObject({ code: 'SRS_STT_UNAVAILABLE' });
    await whisper.close();
  });

  it('does not start when the program is not there, and leaves nothing behind', async () => {
    const whisper = provider(cliOptions('/nonexistent/whisper'));
    await expect(whisper.start(never)).rejects.toMatchObject({ code: 'SRS_STT_UNAVAILABLE' });
    await whisper.close();
    expect(logged('whisper provider initialized')).toBeUndefined();
  });
});

describe('the choice of the engine', () => {
  const addonMissing = async (): Promise<{ ok: boolean; why: string }> => ({ ok: false, why: 'no compiler was found' });

  async function chosen(
    options: WhisperOptions,
    more: Partial<WhisperEngineFactories> = {},
  ): Promise<string | undefined> {
    const whisper = provider(options, more);
    await whisper.start(never);
    await whisper.close();
    return whisper.engineKind;
  }

  it('is the addon without a binary path and the command line with one', async () => {
    expect(await chosen(withoutBinary('auto'))).toBe('native');
    expect(await chosen({ ...cliOptions(program('silent.sh')), engine: 'auto' })).toBe('cli');
    expect(await chosen({ ...cliOptions(program('silent.sh')), engine: 'native' })).toBe('native');
  });

  it('falls back to the whisper on PATH when the addon is missing, and says so once', async () => {
    await symlink(program('silent.sh'), join(folder.path, 'whisper'));
    const more = { nativeAvailable: addonMissing, searchPath: folder.path };
    expect(await chosen(withoutBinary('auto'), more)).toBe('cli');
    const told = lines.filter((line) => line.includes('no compiler was found'));
    expect(told).toHaveLength(1);
    expect(logged('whisper provider initialized')).toMatchObject({ engine: 'cli' });
  });

  it('fails with both reasons when there is neither', async () => {
    const more = { nativeAvailable: addonMissing, searchPath: '/nonexistent' };
    await expect(chosen(withoutBinary('auto'), more)).rejects.toMatchObject({
      code: 'SRS_STT_UNAVAILABLE',
      message: expect.stringMatching(/no compiler was found.*WHISPER_BINARY_PATH/s),
    });
  });

  it('does not fall back when the addon was asked for', async () => {
    const options = { ...cliOptions(program('silent.sh')), engine: 'native' as const };
    await expect(chosen(options, { nativeAvailable: addonMissing })).rejects.toMatchObject({
      code: 'SRS_STT_UNAVAILABLE',
    });
  });
});

describe('vendors', () => {
  it('are a closed table, and an unknown name is told the known ones', () => {
    const parts = { whisper: withoutBinary('auto'), whisperEngines: factories(), metrics, logger };
    for (const name of VENDOR_NAMES) expect(createVendor(name, parts).vendor).toBe(name);
    expect(() => createVendor('wisper', parts)).toThrow(
      expect.objectContaining({ code: 'SRS_STT_VENDOR_UNKNOWN', message: expect.stringContaining('known: whisper') }),
    );
    // A name of the object itself is no vendor.
    expect(() => createVendor('constructor', parts)).toThrow(SrsError);
  });
});
