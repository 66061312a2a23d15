import type { ProcessResult } from './subprocess.js';

/**
 * The cause of an error of the command line: how the program ended and the end of its stderr. The text is private and reached only by
 * its getter, so that no serializer of errors writes it to a log: programs print what they hear.
 */
export class RunFailure extends Error {
  readonly #stderr: string;

  constructor(ended: ProcessResult) {
    super(`the program ended with ${ended.signal ?? `code ${ended.exitCode ?? 'unknown'}`}`);
    this.name = 'RunFailure';
    this.#stderr = ended.stderrTail;
  }

  get stderrTail(): string {
    return this.#stderr;
  }
}

/**
 * How a line begins by which a program complains: `name: why`, `SomeError: why`, `error: why`, `usage: …`. A line that begins otherwise may be
 * something that was said ("my payment was refused").
 */
const FAULT =
  /^(?:(?:\w+\.)*\w*(?:Error|Exception)(?::|$)|usage:|[\w./-]+: .*(?:error|denied|not found|no such file|out of memory|timed? ?out|refused|failed|couldn't|could not)\b)/i;

/**
 * The last line of stderr that tells a fault, for the log; undefined when none does. Lines that may carry a transcript are left out:
 * traces of a shell (`set -x`), JSON, and the lines with times that the programs print while they hear.
 */
export function errorLine(stderr: string): string | undefined {
  const lines = stderr.split('\n').map((line) => line.trim());
  const told = lines.filter((line) => FAULT.test(line) && !/^\+|["{}]|-->/.test(line));
  return told.at(-1)?.slice(0, 200);
}
