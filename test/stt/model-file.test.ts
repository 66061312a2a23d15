import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { findModel, inspectModel, packagedModels, packagedModelsDir } from '../../src/stt/whisper/model-file.js';
import { scriptedModel } from '../helpers/scripted-model.js';

describe('a whisper model file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sipscribe-models-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const whole = readFileSync(scriptedModel('hello there'));

  function written(name: string, bytes: Uint8Array | string): string {
    const path = join(folder, name);
    writeFileSync(path, bytes);
    return path;
  }

  /** The rule that a broken file breaks, from the message. */
  async function refusal(bytes: Uint8Array | string): Promise<string> {
    const path = written('ggml-broken.bin', bytes);
    const error = await inspectModel(path).then(
      () => 'it was accepted',
      (reason: unknown) => reason,
    );
    expect(error).toMatchObject({ code: 'SRS_STT_MODEL', retryable: false });
    return String(error);
  }

  it('is walked to its last byte', async () => {
    expect(await inspectModel(scriptedModel('hello there'))).toMatchObject({
      vocabulary: 51_865,
      multilingual: true,
      audioLayers: 1,
      textLayers: 1,
      tensors: 50,
      bytes: whole.length,
    });
  });

  it('is refused wherever it is cut', async () => {
    const cuts = [0, 1, 47, 48, 55, 40_000, 65_000, 68_000, 200_000, whole.length / 2, whole.length - 1];
    for (const cut of cuts) expect(await refusal(whole.subarray(0, Math.floor(cut)))).not.toContain('accepted');
  });

  it('is refused when it is cut between two tensors, where only their number tells', async () => {
    // The last tensor is the token table: three dimensions fields, two sizes, its name and 16-bit numbers.
    const name = 'decoder.token_embedding.weight';
    const last = 12 + 8 + name.length + 51_865 * 64 * 2;
    expect(await refusal(whole.subarray(0, whole.length - last))).toContain('49 tensors and needs 50');
  });

  it('is refused with bytes behind its end', async () => {
    expect(await refusal(Buffer.concat([whole, Buffer.alloc(3)]))).toContain('cut short');
  });

  it('is refused when it has no weights, as the test files of whisper.cpp', async () => {
    let at = 48 + 8 + 4 * 80 * 201;
    const words = whole.readInt32LE(at);
    at += 4;
    for (let i = 0; i < words; i += 1) at += 4 + whole.readInt32LE(at);
    expect(await refusal(whole.subarray(0, at))).toContain('no weights at all');
  });

  it('is refused with numbers that cannot be', async () => {
    for (const [offset, value] of [
      [4, 5],
      [12, -1],
      [20, 1_000_000],
      [24, 0],
      [40, 81],
    ] as const) {
      const bytes = Buffer.from(whole);
      bytes.writeInt32LE(value, offset);
      expect(await refusal(bytes)).toContain(String(value));
    }
  });

  it('is told from the things that people take for one', async () => {
    expect(await refusal(`GGUF${'x'.repeat(100)}`)).toContain('GGUF');
    expect(await refusal(`PK\u0003\u0004${'x'.repeat(100)}`)).toContain('PyTorch');
    expect(await refusal('<!DOCTYPE html><html><body>Not found, sorry for that</body></html>')).toContain('web page');
    expect(await refusal('version https://git-lfs.github.com/spec/v1\noid sha256:0000\nsize 1\n')).toContain('git-lfs');
    expect(await refusal('')).toContain('0 bytes');
  });

  it('is refused when it is not there or is a folder', async () => {
    await expect(inspectModel(join(folder, 'nothing.bin'))).rejects.toMatchObject({
      code: 'SRS_STT_MODEL',
      message: expect.stringContaining('does not exist'),
    });
    const place = join(folder, 'a-folder.bin');
    mkdirSync(place);
    await expect(inspectModel(place)).rejects.toMatchObject({ code: 'SRS_STT_MODEL' });
  });
});

describe('the search for a model', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sipscribe-models-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('prefers the models folder to the packaged models', () => {
    const packaged = findModel('micro-telephony', folder);
    expect(packaged).toBe(join(packagedModelsDir() ?? '', 'ggml-micro-telephony.bin'));
    const own = join(folder, 'ggml-micro-telephony.bin');
    writeFileSync(own, 'x');
    expect(findModel('micro-telephony', folder)).toBe(own);
  });

  it('takes a path as it is', () => {
    const path = join(folder, 'my-model.bin');
    writeFileSync(path, 'x');
    expect(findModel(path)).toBe(path);
    expect(findModel('my-model.bin', folder)).toBe(path);
    expect(() => findModel(join(folder, 'none.bin'))).toThrow('none.bin does not exist');
  });

  it('lists what lies in the folders when the name is not there', () => {
    writeFileSync(join(folder, 'ggml-small.en.bin'), 'x');
    expect(() => findModel('small', folder)).toThrow(/ggml-small\.bin in .*these lie: .*small\.en.*micro-telephony/s);
    expect(() => findModel(' ', folder)).toThrow('WHISPER_MODEL is empty');
  });

  it('has packaged models whose files are what the manifest says', async () => {
    const models = packagedModels();
    expect(models.map(({ name }) => name)).toContain('micro-telephony');
    for (const model of models) {
      const path = findModel(model.name);
      const bytes = readFileSync(path);
      expect(bytes.length).toBe(model.bytes);
      expect(createHash('sha256').update(bytes).digest('hex')).toBe(model.sha256);
      expect((await inspectModel(path)).packaged?.name).toBe(model.name);
    }
  });
});
