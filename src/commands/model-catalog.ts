import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { packagedModels, packagedModelsDir } from '../stt/whisper/model-file.js';

export interface CatalogModel {
  readonly name: string;
  readonly path: string;
  readonly bytes: number;
  /** `packaged` comes with sipscribe, `models-dir` lies in WHISPER_MODELS_DIR. */
  readonly source: 'packaged' | 'models-dir';
  readonly description?: string;
}

/** `ggml-small.bin` for `small`, as whisper.cpp names its models. */
export function modelFileName(name: string): string {
  return `ggml-${name}.bin`;
}

/** Every model of both places by name; the models directory wins, as it does when the engine looks for one. */
export async function listModels(modelsDir: string): Promise<CatalogModel[]> {
  const packagedDir = packagedModelsDir();
  const packaged = packagedDir === undefined ? [] : await modelsIn(packagedDir, 'packaged');
  const descriptions = new Map(packagedModels().map(({ name, description }) => [name, description]));
  const described = packaged.map((model) => {
    const description = descriptions.get(model.name);
    return description === undefined ? model : { ...model, description };
  });
  const byName = new Map(
    [...described, ...(await modelsIn(modelsDir, 'models-dir'))].map((model) => [model.name, model]),
  );
  return [...byName.values()].sort((a, b) => a.name.localeCompare(b.name));
}

async function modelsIn(folder: string, source: CatalogModel['source']): Promise<CatalogModel[]> {
  const files = await readdir(folder).catch((): string[] => []);
  const models: CatalogModel[] = [];
  for (const file of files) {
    const name = /^ggml-(.+)\.bin$/.exec(file)?.[1];
    if (name === undefined) continue;
    const path = join(folder, file);
    models.push({ name, path, bytes: (await stat(path)).size, source });
  }
  return models;
}
