import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { NativeBench, never } from '../helpers/native-whisper.js';
import { scriptedModel } from '../helpers/scripted-model.js';

describe('the start of the native whisper engine', () => {
  const bench = new NativeBench();
  afterAll(() => bench.close());

  async function startWith(model: string, modelsDir?: string): Promise<unknown> {
    const { engine } = bench.engine({ model, ...(modelsDir === undefined ? {} : { modelsDir }) });
    const outcome = await engine.start(never).catch((error: unknown) => error);
    expect(engine.pids).toEqual([]);
    return outcome;
  }

  it('refuses a model that does not exist and says where it looked and how to get one', async () => {
    const error = await startWith('nosuch', bench.folder);
    expect(error).toMatchObject({ code: 'SRS_STT_MODEL' });
    expect(String(error)).toContain(`ggml-nosuch.bin in ${bench.folder}`);
    expect(String(error)).toContain('micro-telephony');
  });

  it('refuses a model that was cut short before the addon can see it', async () => {
    const whole = readFileSync(scriptedModel('hello'));
    const path = join(bench.folder, 'ggml-short.bin');
    writeFileSync(path, whole.subarray(0, whole.length - 1_000));
    expect(await startWith(path)).toMatchObject({
      code: 'SRS_STT_MODEL',
      message: expect.stringContaining('1000 bytes'),
    });
  });

  it('refuses garbage', async () => {
    const path = join(bench.folder, 'ggml-garbage.bin');
    writeFileSync(path, Buffer.alloc(100_000, 7));
    expect(await startWith(path)).toMatchObject({ code: 'SRS_STT_MODEL', message: expect.stringContaining('magic') });
  });

  it('survives a model that the walk finds whole and the addon dies on', async () => {
    // A file of the right form whose sixth parameter, the number of heads, does not divide the width.
    const bytes = readFileSync(scriptedModel('hello'));
    bytes.writeInt32LE(7, 16);
    bytes.writeInt32LE(7, 32);
    const path = join(bench.folder, 'ggml-heads.bin');
    writeFileSync(path, bytes);
    expect(await startWith(path)).toMatchObject({ code: 'SRS_STT_UNAVAILABLE' });
  });

  it('finds a model by its name in the models folder', async () => {
    copyFileSync(scriptedModel('found by name'), join(bench.folder, 'ggml-mine.bin'));
    const { engine } = bench.engine({ model: 'mine', modelsDir: bench.folder });
    await engine.start(never);
    const result = await engine.transcribe(bench.wav(1_000), never);
    expect(result).toMatchObject({ text: 'found by name', model: 'mine' });
    await engine.close();
  });

  it('stops starting when it is aborted', async () => {
    const { engine } = bench.engine({ model: scriptedModel('hello') });
    const abort = new AbortController();
    const starting = engine.start(abort.signal);
    abort.abort();
    await expect(starting).rejects.toMatchObject({ code: 'SRS_STT_CANCELLED' });
    await engine.close();
    expect(engine.pids).toEqual([]);
  });
});
