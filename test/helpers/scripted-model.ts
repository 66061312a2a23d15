import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeScriptedModel } from '../../tools/scripted-model/scripted-model.mjs';

const written = new Map<string, string>();
let folder: string | undefined;

/** The path of a whisper model that says `text` whatever it hears. Written once per process and text, removed when the process ends. */
export function scriptedModel(text: string, seconds = 2): string {
  const key = `${seconds} ${text}`;
  const known = written.get(key);
  if (known !== undefined) return known;
  if (folder === undefined) {
    const made = mkdtempSync(join(tmpdir(), 'sipscribe-scripted-'));
    process.on('exit', () => rmSync(made, { recursive: true, force: true }));
    folder = made;
  }
  const path = join(folder, `ggml-scripted-${written.size}.bin`);
  writeScriptedModel(path, { text, seconds });
  written.set(key, path);
  return path;
}
