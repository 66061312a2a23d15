import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { SrsError } from '../../core/errors.js';
import { type CliFormat, outputStem } from './cli-arguments.js';
import { type Heard, readOutput, readStdout } from './cli-output.js';

/** An utterance of half a minute gives some kilobytes; a file of this size is not its transcript. */
const MAX_RESULT_BYTES = 32 * 1024 * 1024;

interface Candidate {
  readonly path: string;
  readonly format: CliFormat;
}

/** Where the programs and the wrappers around them leave their results, the likeliest first. */
async function candidates(directory: string, wav: string, format: CliFormat): Promise<Candidate[]> {
  const stem = outputStem(wav);
  const here = (name: string, as: CliFormat): Candidate => ({ path: join(directory, name), format: as });
  const names = await readdir(directory).catch((): string[] => []);
  const jsonFiles = names.filter((name) => name.endsWith('.json'));
  const texts: CliFormat[] = ['txt', 'srt', 'vtt', 'tsv'];
  return [
    here(`${stem}.${format}`, format),
    here(`${stem}.json`, 'json'),
    here(`${stem}.wav.json`, 'json'),
    here('output.json', 'json'),
    ...(jsonFiles.length === 1 ? jsonFiles.map((name) => here(name, 'json')) : []),
    ...texts.map((as) => here(`${stem}.${as}`, as)),
    // whisper.cpp without -of writes beside the audio.
    { path: `${wav}.json`, format: 'json' as const },
  ];
}

async function readSmall(path: string): Promise<string | undefined> {
  const found = await stat(path).catch(() => undefined);
  if (!found?.isFile()) return undefined;
  if (found.size > MAX_RESULT_BYTES) {
    throw new SrsError('SRS_STT_NO_OUTPUT', `the output has ${found.size} bytes; ${MAX_RESULT_BYTES} are possible`);
  }
  return readFile(path, 'utf8');
}

/**
 * The result of a run, from the first place where one can be read; undefined when nothing was written and nothing was printed.
 * Throws what the first unreadable file was: `SRS_STT_NO_OUTPUT`, or `SRS_STT_ENGINE` for an error body.
 */
export async function findResult(
  directory: string,
  wav: string,
  format: CliFormat,
  stdout: string,
): Promise<Heard | undefined> {
  let failure: unknown;
  const tried = new Set<string>();
  for (const { path, format: as } of await candidates(directory, wav, format)) {
    if (tried.has(path)) continue;
    tried.add(path);
    try {
      const text = await readSmall(path);
      if (text !== undefined) return readOutput(text, as);
    } catch (error) {
      // An error body is the answer; a file that cannot be read may stand beside one that can.
      if (error instanceof SrsError && error.code === 'SRS_STT_ENGINE') throw error;
      failure ??= error;
    }
  }
  const printed = readStdout(stdout);
  if (printed || failure === undefined) return printed;
  throw failure;
}
