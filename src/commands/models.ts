import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../../config/config.js';
import { maskUrl } from '../../config/masking.js';
import { EXIT, type Invocation, UsageError } from './invocation.js';
import { type CatalogModel, listModels, modelFileName } from './model-catalog.js';
import { downloadModel } from './model-download.js';

/** `sipscribe models`: what is there, and `models download NAME`. */
export async function run(invocation: Invocation): Promise<number> {
  const [action = 'list', name] = invocation.positionals;
  const config = invocation.loadConfig();
  if (action === 'list') {
    if (name !== undefined) throw new UsageError(`models list: unexpected argument "${name}"`);
    return list(invocation, config);
  }
  if (action !== 'download') throw new UsageError(`models: unknown action "${action}"; list or download NAME`);
  if (name === undefined || !/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/.test(name)) {
    throw new UsageError('models download: a model name such as small or large-v3-turbo-q5_0 is needed');
  }
  return download(invocation, config, name);
}

async function list(invocation: Invocation, config: Config): Promise<number> {
  const { terminal } = invocation;
  const models = await listModels(config.modelsDir);
  const inUse = ({ name, path }: CatalogModel): boolean => [name, path].includes(config.whisper.model);
  if (invocation.json) {
    terminal.printJson(models.map((model) => ({ ...model, inUse: inUse(model) })));
    return EXIT.ok;
  }
  const width = Math.max(4, ...models.map(({ name }) => name.length));
  for (const model of models) {
    const mark = inUse(model) ? '*' : ' ';
    const about = model.description === undefined ? model.path : `${model.path}  ${model.description}`;
    terminal.print(
      `${mark} ${model.name.padEnd(width)}  ${size(model.bytes).padStart(9)}  ${model.source.padEnd(10)}  ${about}`,
    );
  }
  terminal.note(`models directory: ${config.modelsDir}`);
  if (!models.some(inUse)) {
    terminal.note(
      `WHISPER_MODEL is "${config.whisper.model}", which is not among them; "sipscribe models download NAME" gets one`,
    );
  }
  return EXIT.ok;
}

async function download(invocation: Invocation, config: Config, name: string): Promise<number> {
  const { terminal } = invocation;
  const path = join(config.modelsDir, modelFileName(name));
  const sha256 = invocation.option('sha256');
  if (sha256 !== undefined && !/^[0-9a-f]{64}$/i.test(sha256)) throw new UsageError('--sha256: expected 64 hex digits');
  if (existsSync(path) && !invocation.flagged('force')) {
    terminal.note(`${path} is there already; --force downloads it again`);
    if (invocation.json) terminal.printJson({ name, path, downloaded: false });
    else terminal.print(path);
    return EXIT.ok;
  }
  const url = `${baseUrl(config)}/${modelFileName(name)}`;
  terminal.note(`downloading ${maskUrl(url)}`);
  const { bytes, verified } = await downloadModel({
    url,
    path,
    ...(sha256 === undefined ? {} : { sha256 }),
    onProgress: (done, total) =>
      terminal.progress(
        total === undefined ? size(done) : `${size(done)} of ${size(total)}, ${Math.floor((done / total) * 100)} %`,
      ),
    signal: invocation.interruptible(),
  });
  if (!verified) terminal.note('no checksum was given and the server has none: the file is not verified');
  terminal.note(`${size(bytes)} in ${path}`);
  if (invocation.json) terminal.printJson({ name, path, bytes, verified, downloaded: true });
  else terminal.print(path);
  return EXIT.ok;
}

function baseUrl(config: Config): string {
  const base = config.modelsUrl;
  if (base === undefined) {
    throw new UsageError(
      'models download: WHISPER_MODELS_URL is not set. Give it the folder that holds the ggml-NAME.bin files, for example of a mirror of ' +
        'your own or of the "ggerganov/whisper.cpp" repository on Hugging Face, which whisper.cpp itself downloads from',
    );
  }
  return base.replace(/\/+$/, '');
}

function size(bytes: number): string {
  if (bytes >= 1e9) return `${(bytes / 1e9).toFixed(2)} GB`;
  if (bytes >= 1e6) return `${(bytes / 1e6).toFixed(1)} MB`;
  return `${Math.ceil(bytes / 1e3)} kB`;
}
