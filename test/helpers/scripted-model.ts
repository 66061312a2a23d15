import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { writeScriptedModel } from '../../tools/scripted-model/scripted-model.mjs';

const written = new Map<string, string>();
let folder: string | undefined;

// Not at the end of the process, which the test runner may simply kill.
afterAll(() => {
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  folder = undefined;
  written.clear();
});

/** The path of a whisper model that says `text` whatever it hears. Written once per test file and text, removed at the file's end. */
export function scriptedModel(text: string, seconds = 2): string {
  const key = `${seconds} ${text}`;
  const known = written.get(key);
  if (known !== undefined) return known;
  if (folder === undefined) {
    folder = mkdtempSync(join(tmpdir(), 'sipscribe-scripted-'));
  }
  const path = join(folder, `ggml-scripted-${written.size}.bin`);
  writeScriptedModel(path, { text, seconds });
  written.set(key, path);
  return path;
}
