import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { loadConfig } from '../../config/load.js';
import { silentLogger } from '../../src/core/logger.js';
import { Speech } from '../../src/speech.js';
import { newFolder, newMetrics, program } from './whisper-options.js';

let folder: Awaited<ReturnType<typeof newFolder>>;
let speech: Speech;

beforeEach(async () => {
  folder = await newFolder();
  const config = loadConfig({
    env: {
      WHISPER_BINARY_PATH: program('writes.sh'),
      WHISPER_MODEL: 'small',
      STT_MAX_ATTEMPTS: '1',
      TMPDIR: folder.path,
      DATA_DIR: folder.path,
    },
  });
  speech = new Speech(config, newMetrics(), silentLogger);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await speech.close();
  await folder.remove();
});

const submit = (id: string) =>
  speech.submit({ id, callId: 'c', samples: new Int16Array(1600).fill(100), sampleRate: 8000 });

it('is down before the start, degraded when one utterance after another fails, and ok with the next result', async () => {
  expect(speech.health()).toMatchObject({ state: 'down', essential: false });
  await speech.start(new AbortController().signal);
  vi.stubEnv('RESULT_NAME', 'STEM.json');
  vi.stubEnv('RESULT_BODY', join(folder.path, 'not-there'));
  for (const id of ['1', '2']) expect((await submit(id)).ok).toBe(false);
  expect(speech.health().state).toBe('ok');
  expect((await submit('3')).ok).toBe(false);
  expect(speech.health()).toMatchObject({ state: 'degraded', detail: expect.stringMatching(/last 3 .*SRS_STT_/) });
  const body = join(folder.path, 'body.json');
  await writeFile(body, '{"text":"again"}');
  vi.stubEnv('RESULT_BODY', body);
  expect((await submit('4')).ok).toBe(true);
  expect(speech.health()).toEqual({ state: 'ok', essential: false, waiting: 0 });
}, 30_000);
