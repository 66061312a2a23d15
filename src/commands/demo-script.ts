import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SrsError } from '../core/errors.js';

/** `script.json` of a demo folder: who speaks, from which file, and what is said when. Times are ms from the start of the files. */
export interface DemoScript {
  readonly title: string;
  readonly speakers: readonly DemoSpeaker[];
  readonly turns: readonly { readonly speaker: number; readonly text: string }[];
}

export interface DemoSpeaker {
  readonly label: string;
  readonly name: string;
  readonly aor: string;
  readonly role: string;
  /** Absolute. */
  readonly file: string;
}

/** Reads a demo folder. Throws `SRS_CONFIG_INVALID` naming the file and the field. */
export async function readDemoScript(directory: string): Promise<DemoScript> {
  const path = join(directory, 'script.json');
  const fail = (what: string, cause?: unknown): SrsError =>
    new SrsError('SRS_CONFIG_INVALID', `${path}: ${what}`, cause === undefined ? {} : { cause });
  let value: unknown;
  try {
    value = JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    throw fail('cannot be read as JSON', error);
  }
  const root = record(value);
  const speakers = list(root.speakers).map((speaker) => {
    const { label, name, aor, role, file } = record(speaker);
    if (!text(label) || !text(name) || !text(aor) || !text(role) || !text(file)) {
      throw fail('every speaker needs label, name, aor, role and file');
    }
    return { label, name, aor, role, file: join(directory, file) };
  });
  const turns = list(root.turns).map((turn) => {
    const { speaker, text: words } = record(turn);
    if (typeof speaker !== 'number' || !speakers[speaker] || !text(words))
      throw fail('every turn needs speaker and text');
    return { speaker, text: words };
  });
  if (speakers.length !== 2 || turns.length === 0) throw fail('a demo has two speakers and at least one turn');
  return { title: text(root.title) ? root.title : 'demo', speakers, turns };
}

/** Everything one speaker says, in order. */
export function wordsOf(script: DemoScript, speaker: number): string {
  return script.turns
    .filter((turn) => turn.speaker === speaker)
    .map((turn) => turn.text)
    .join(' ');
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function text(value: unknown): value is string {
  return typeof value === 'string' && value.length > 0;
}
