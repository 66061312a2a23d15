import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SrsError } from '../../core/errors.js';
import { type ModelShape, walkModel } from './model-format.js';

/** A model that comes with sipscribe, as `models/manifest.json` lists it. */
export interface PackagedModel {
  /** What `WHISPER_MODEL` is set to. */
  readonly name: string;
  readonly file: string;
  readonly bytes: number;
  readonly sha256: string;
  /** ISO 639-1 codes of what it understands. */
  readonly languages: readonly string[];
  /** Whether it was trained with words said before in front of it. One that was not is spoilt by them. */
  readonly takesPrompt: boolean;
  /** Whether its encoder hears as well when it is given the utterance instead of a whole window of 30 s. Measured, never assumed. */
  readonly shortContext: boolean;
  readonly description: string;
  readonly limits: string;
}

/** A model file that was walked to its end and found whole. */
export interface ModelFile extends ModelShape {
  readonly path: string;
  /** English-only models have no language tokens. */
  readonly multilingual: boolean;
  /** Set for packaged models. */
  readonly packaged?: PackagedModel;
}

const ENGLISH_ONLY_VOCABULARY = 51_864;
const HOW_TO_GET_ONE =
  'Any whisper.cpp model fits (ggml-base.bin, ggml-small-q5_1.bin, … from huggingface.co/ggerganov/whisper.cpp): ' +
  'put it there, or set WHISPER_MODEL to its path. `micro-telephony` comes with sipscribe and needs no download';

/** The `models/` folder of this package; found upwards from here, because `src/` and `dist/src/` lie at different depths. */
export function packagedModelsDir(): string | undefined {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    const models = join(folder, 'models');
    if (existsSync(join(models, 'manifest.json'))) return models;
    if (folder === dirname(folder)) return undefined;
  }
}

function isPackagedModel(value: unknown): value is PackagedModel {
  return typeof value === 'object' && value !== null && 'name' in value && 'file' in value && 'languages' in value;
}

/** The models that come with sipscribe. Empty when the package was installed without them. */
export function packagedModels(): readonly PackagedModel[] {
  const folder = packagedModelsDir();
  if (folder === undefined) return [];
  const manifest: unknown = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8'));
  const models = typeof manifest === 'object' && manifest !== null && 'models' in manifest ? manifest.models : [];
  return Array.isArray(models) ? models.filter(isPackagedModel) : [];
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).flatMap((file) => /^ggml-(.+)\.bin$/.exec(file)?.[1] ?? []);
  } catch {
    return [];
  }
}

/**
 * The path of a model: a path stays one, a name is `ggml-<name>.bin` in `modelsDir`, then among the packaged models.
 * Throws `SRS_STT_MODEL` that lists where it looked, what lies there and how to get a model.
 */
export function findModel(model: string, modelsDir?: string): string {
  if (model.trim() === '') throw new SrsError('SRS_STT_MODEL', 'WHISPER_MODEL is empty; give a name or a path');
  if (isAbsolute(model) || /[\\/]/.test(model) || model.endsWith('.bin')) {
    const inFolder = modelsDir === undefined ? undefined : join(modelsDir, model);
    const path = [resolve(model), inFolder].find((candidate) => candidate !== undefined && existsSync(candidate));
    if (path !== undefined) return path;
    throw new SrsError('SRS_STT_MODEL', `the model file ${resolve(model)} does not exist. ${HOW_TO_GET_ONE}`);
  }
  const packaged = packagedModelsDir();
  const folders = [modelsDir, packaged].filter((folder) => folder !== undefined);
  const file = `ggml-${model}.bin`;
  const found = folders.map((folder) => join(folder, file)).find((path) => existsSync(path));
  if (found !== undefined) return found;
  const there = [...new Set(folders.flatMap(namesIn))];
  throw new SrsError(
    'SRS_STT_MODEL',
    `the whisper model "${model}" is not here: looked for ${file} in ${folders.join(' and ')}, ` +
      `where ${there.length === 0 ? 'no model lies' : `these lie: ${there.join(', ')}`}. ${HOW_TO_GET_ONE}`,
  );
}

/** Proves that a file is a whole model. Throws `SRS_STT_MODEL` with the reason: the addon would crash on most of these. */
export async function inspectModel(path: string): Promise<ModelFile> {
  const file = await open(path, 'r').catch((error: unknown) => {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'error';
    const reason = code === 'ENOENT' ? 'does not exist' : `cannot be opened (${code})`;
    throw new SrsError('SRS_STT_MODEL', `the model file ${path} ${reason}`, { cause: error });
  });
  try {
    if (!(await file.stat()).isFile()) throw new SrsError('SRS_STT_MODEL', `${path} is not a file`);
    const shape = await walkModel(file, path);
    const folder = packagedModelsDir();
    const packaged = packagedModels().find((entry) => folder !== undefined && join(folder, entry.file) === path);
    return {
      ...shape,
      path,
      multilingual: shape.vocabulary > ENGLISH_ONLY_VOCABULARY,
      ...(packaged ? { packaged } : {}),
    };
  } finally {
    await file.close();
  }
}
