import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { encodeWav } from '../../src/audio/wav-file.js';
import { SrsError } from '../../src/core/errors.js';
import { silentLogger } from '../../src/core/logger.js';
import type { SttResult, TranscribeRequest } from '../../src/stt/provider.js';
import { type CliEngineParts, WhisperCliEngine } from '../../src/stt/whisper/cli-engine.js';
import type { WhisperOptions } from '../../src/stt/whisper/engine.js';
import { RunFailure } from '../../src/stt/whisper/run-failure.js';
import { splitShellWords } from '../../src/stt/whisper/shell-words.js';
import { eventually } from '../helpers/eventually.js';
import { cliOptions, everything, newFolder, newMetrics, pidsIn, program, runs, series } from './whisper-options.js';

let folder: Awaited<ReturnType<typeof newFolder>>;
let metrics: ReturnType<typeof newMetrics>;
let request: TranscribeRequest;
let engine: WhisperCliEngine | undefined;
const never = new AbortController().signal;

beforeEach(async () => {
  folder = await newFolder();
  metrics = newMetrics();
  const path = join(folder.path, 'utterance-1.wav');
  await writeFile(path, encodeWav(new Int16Array(1600), 16_000, 1));
  request = { audio: { path, sampleRate: 16_000, channels: 1, durationMs: 100 } };
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await engine?.close();
  engine = undefined;
  // Whatever a test did, only its own files may be left below TMPDIR.
  expect((await everything(folder.path)).filter((name) => name.startsWith('sipscribe-'))).toEqual([]);
  await folder.remove();
});

async function started(
  name: string,
  more: Partial<WhisperOptions> = {},
  parts: Partial<CliEngineParts> = {},
): Promise<WhisperCliEngine> {
  const base = { logger: silentLogger, metrics, tempRoot: folder.path, killGraceMs: 300 };
  engine = new WhisperCliEngine(cliOptions(program(name), more), { ...base, ...parts });
  await engine.start(never);
  return engine;
}

/** Where the engine keeps its runs; empty between them. */
async function runFolders(): Promise<string[]> {
  return (await everything(folder.path)).filter((name) => /^sipscribe-[^/]+\/./.test(name));
}

async function failure(promise: Promise<unknown>): Promise<SrsError> {
  const error = await promise.catch((thrown: unknown) => thrown);
  if (!(error instanceof SrsError)) throw new Error('it did not fail with an SrsError');
  return error;
}

/** What the program leaves behind, and what the engine makes of it. */
async function written(
  name: string,
  body: string,
  more: Partial<WhisperOptions> = {},
  exitCode = '0',
): Promise<SttResult> {
  const bodyFile = join(folder.path, 'body');
  await writeFile(bodyFile, body);
  vi.stubEnv('RESULT_NAME', name);
  vi.stubEnv('RESULT_BODY', bodyFile);
  vi.stubEnv('EXIT_CODE', exitCode);
  const running = await started('writes.sh', more);
  try {
    return await running.transcribe(request, never);
  } finally {
    expect(await runFolders()).toEqual([]);
  }
}

describe('a wrapper script that posts to an HTTP service', () => {
  it('gets the WAV as its first argument, and its answer is the result', async () => {
    const bodies: Buffer[] = [];
    const server = createServer(async (incoming: IncomingMessage, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of incoming) chunks.push(Buffer.from(chunk));
      bodies.push(Buffer.concat(chunks));
      response.end(
        '{"text":" heard over HTTP","segments":[{"start":0,"end":0.1,"text":" heard over HTTP"}],"language":"en"}',
      );
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    vi.stubEnv('WHISPER_TEST_URL', `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    try {
      const result = await (await started('http-wrapper.sh')).transcribe(request, never);
      expect(result).toEqual({
        text: 'heard over HTTP',
        segments: [{ startMs: 0, endMs: 100, text: 'heard over HTTP' }],
        words: [],
        language: 'en',
        model: 'base',
      });
      const audio = await readFile(request.audio.path);
      expect(bodies.some((body) => body.includes(audio))).toBe(true);
    } finally {
      server.close();
    }
  });

  it('fails with the reason in the cause when the service is not there', async () => {
    vi.stubEnv('WHISPER_TEST_URL', 'http://127.0.0.1:1');
    const error = await failure((await started('http-wrapper.sh')).transcribe(request, never));
    expect(error).toMatchObject({ code: 'SRS_STT_NO_OUTPUT', retryable: true });
    expect(error.cause).toBeInstanceOf(RunFailure);
    expect(error.cause instanceof RunFailure && error.cause.stderrTail).toMatch(/curl: \(7\)/);
    // The tail may hold words spoken: nothing that prints an error may find it.
    expect(JSON.stringify(error) + String(error.stack) + String((error.cause as Error).stack)).not.toMatch(/curl/);
  });
});

describe('the limit of a run', () => {
  it.each(['hangs.sh', 'hangs-stubborn.sh'])('ends %s with all its processes, and counts it', async (name) => {
    const pidFile = join(folder.path, 'pids');
    vi.stubEnv('PID_FILE', pidFile);
    const running = await started(name, { timeoutMs: 1_500 });
    const startedAt = performance.now();
    const error = await failure(running.transcribe(request, never));
    expect(performance.now() - startedAt).toBeLessThan(8_000);
    expect(error).toMatchObject({ code: 'SRS_STT_TIMEOUT', retryable: true });
    expect(await series(metrics, 'siprec_whisper_timeouts_total{model="base"}')).toBe(1);
    const pids = await eventually('the pids', () => pidsIn(pidFile));
    expect(pids.map(runs)).toEqual([false, false]);
    expect(await runFolders()).toEqual([]);
  });

  it.each(['abort', 'close'])('is not needed to end a run: %s does it', async (how) => {
    const pidFile = join(folder.path, 'pids');
    vi.stubEnv('PID_FILE', pidFile);
    const running = await started('hangs.sh');
    const abort = new AbortController();
    const outcome = failure(running.transcribe(request, abort.signal));
    const pids = await eventually('the pids', () => pidsIn(pidFile));
    if (how === 'abort') abort.abort();
    else await running.close();
    expect(await outcome).toMatchObject({ code: 'SRS_STT_CANCELLED' });
    expect(pids.map(runs)).toEqual([false, false]);
    expect(await series(metrics, 'siprec_whisper_timeouts_total{model="base"}')).toBe(0);
  });
});

describe('the end of a run', () => {
  it.each([
    ['0', 'SRS_STT_NO_OUTPUT'],
    ['1', 'SRS_STT_ENGINE'],
  ])('is a failure without a result: exit code %s gives %s', async (exitCode, code) => {
    vi.stubEnv('EXIT_CODE', exitCode);
    const error = await failure((await started('silent.sh')).transcribe(request, never));
    expect(error).toMatchObject({ code, retryable: true, facts: { end: `code ${exitCode}` } });
    expect(error.cause instanceof RunFailure && error.cause.stderrTail).toMatch(/CUDA out of memory/);
  });

  it('is a success with a result, whatever the exit code says', async () => {
    expect((await written('STEM.json', '{"text":" fine"}', {}, '1')).text).toBe('fine');
  });

  it('is the error that a wrapper wrote', async () => {
    const error = await failure(written('STEM.json', '{"error":{"message":"model is loading"}}'));
    expect(error).toMatchObject({ code: 'SRS_STT_ENGINE', message: expect.stringContaining('model is loading') });
  });

  it('is a failure when the result cannot be read', async () => {
    expect(await failure(written('STEM.json', '{"text":"cut sho'))).toMatchObject({ code: 'SRS_STT_NO_OUTPUT' });
  });

  it('is a result when nothing was said', async () => {
    expect(await written('STEM.json', '{"text":"","segments":[]}')).toEqual({
      text: '',
      segments: [],
      words: [],
      model: 'base',
    });
  });
});

describe('results are found', () => {
  const openai = '{"text":" hello","segments":[{"start":0,"end":1,"text":" hello","words":null}],"language":"en"}';
  const srt = '1\n00:00:00,000 --> 00:00:01,000\nhello\n';

  it.each<[string, string, WhisperOptions['outputFormat']]>([
    ['STEM.json', openai, 'json'],
    ['STEM.json', openai, 'verbose_json'],
    ['STEM.json', openai, 'srt'],
    ['STEM.wav.json', '{"transcription":[{"offsets":{"from":0,"to":1000},"text":" hello"}]}', 'json'],
    ['output.json', '{"chunks":[{"timestamp":[0,1],"text":" hello"}],"text":" hello"}', 'json'],
    ['some-other-name.json', openai, 'json'],
    ['STEM.srt', srt, 'srt'],
    ['STEM.srt', srt, 'json'],
    ['STEM.vtt', 'WEBVTT\n\n00:00.000 --> 00:01.000\nhello\n', 'vtt'],
    ['STEM.tsv', 'start\tend\ttext\n0\t1000\thello\n', 'tsv'],
    ['stdout', openai, 'json'],
    ['stdout', '[00:00.000 --> 00:01.000]  hello\n', 'txt'],
  ])('as %s holding %j when %s was asked for', async (name, body, outputFormat) => {
    const result = await written(name, body, { outputFormat });
    expect(result.text).toBe('hello');
    expect(result.segments).toEqual([{ startMs: 0, endMs: 1000, text: 'hello' }]);
  });

  it('as plain text, which has no times', async () => {
    expect(await written('STEM.txt', 'hello\n', { outputFormat: 'txt' })).toMatchObject({
      text: 'hello',
      segments: [],
    });
  });

  it('beside the audio, and are taken away from there', async () => {
    vi.stubEnv('PATH', process.env.PATH);
    expect((await written(`../../${basename(request.audio.path)}.json`, openai)).text).toBe('hello');
    expect(await everything(folder.path)).not.toContain('utterance-1.wav.json');
  });
});

describe('the program', () => {
  it('is called with the exact argument list in a private folder of its own', async () => {
    const argumentsFile = join(folder.path, 'arguments');
    vi.stubEnv('ARGUMENTS_FILE', argumentsFile);
    const extraArgs = splitShellWords(`--initial_prompt 'Acme "Corp", $HOME' --beam_size 5`);
    const running = await started('records.sh', { extraArgs, modelsDir: 'models', task: 'translate' });
    await running.transcribe({ ...request, language: 'en-US' }, never);
    const cwd = (await readFile(`${argumentsFile}.cwd`, 'utf8')).trim();
    expect((await readFile(argumentsFile, 'utf8')).split('\n').slice(0, -1)).toEqual([
      request.audio.path,
      ...['--model', 'base', '--output_dir', cwd, '--output_format', 'json', '--task', 'translate', '--language', 'en'],
      ...['--model_dir', join(process.cwd(), 'models'), '--initial_prompt', 'Acme "Corp", $HOME', '--beam_size', '5'],
    ]);
    expect(cwd.startsWith(folder.path)).toBe(true);
    expect((await readFile(`${argumentsFile}.mode`, 'utf8')).trim()).toBe('700');
    expect(await runFolders()).toEqual([]);
  });

  it('may be a whisper.cpp, which is told by its help and gets its own arguments', async () => {
    const argumentsFile = join(folder.path, 'arguments');
    vi.stubEnv('ARGUMENTS_FILE', argumentsFile);
    const model = join(folder.path, 'ggml-tiny.bin');
    await writeFile(model, 'x');
    const running = await started('whispercpp.sh', { model: 'tiny', modelsDir: folder.path });
    expect(await running.transcribe(request, never)).toMatchObject({
      text: 'from whisper.cpp',
      language: 'en',
      model: 'tiny',
    });
    const list = (await readFile(argumentsFile, 'utf8')).split('\n');
    expect(list.slice(0, 7)).toEqual(['-m', model, '-f', request.audio.path, '-l', 'auto', '-oj']);
    const missing = new WhisperCliEngine(cliOptions(program('whispercpp.sh')), {
      logger: silentLogger,
      metrics,
      tempRoot: folder.path,
    });
    expect(await failure(missing.start(never))).toMatchObject({ code: 'SRS_STT_MODEL' });
  });

  it('need not know --help, and may hang on it', async () => {
    const startedAt = performance.now();
    const running = await started('help-hangs.sh', {}, { helpTimeoutMs: 300 });
    expect(performance.now() - startedAt).toBeLessThan(8_000);
    expect((await running.transcribe(request, never)).text).toBe('after all');
  });

  it('is looked for on PATH when only its name is told', async () => {
    const parts = { searchPath: `/nonexistent::${join(program('.'))}` };
    const options = cliOptions('silent.sh');
    engine = new WhisperCliEngine(options, { logger: silentLogger, metrics, tempRoot: folder.path, ...parts });
    await engine.start(never);
  });

  it.each([
    ['whisper-that-nobody-has', /is not on PATH/],
    ['/nonexistent/whisper', /is not a file that can be executed/],
    [program('README.md'), /is not a file that can be executed/],
    [program('.'), /is not a file that can be executed/],
  ])('is asked for when it is not there: %s', async (binary, message) => {
    const absent = new WhisperCliEngine(cliOptions(binary), { logger: silentLogger, metrics, tempRoot: folder.path });
    const error = await failure(absent.start(never));
    expect(error).toMatchObject({ code: 'SRS_STT_UNAVAILABLE', message: expect.stringMatching(message) });
    expect(error.message).toContain('WHISPER_BINARY_PATH');
    await absent.close();
  });
});
