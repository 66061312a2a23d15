import { type ChildProcessByStdio, execFileSync, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';

/** The sources are read where they lie in the repository; the bench itself runs from `dist`. */
const SOURCES = fileURLToPath(new URL('../../../bench/media/', import.meta.url));

/** Compiles `name`.c into a folder and returns the program's path. Needs a C compiler. */
export function compile(name: 'rtp-load' | 'rtp-drain', folder: string): string {
  const program = join(folder, name);
  execFileSync('cc', ['-O2', '-Wall', '-o', program, join(SOURCES, `${name}.c`)], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  return program;
}

/** A program that is spoken to line by line. */
export class LineProgram {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: AsyncIterator<string>;

  constructor(program: string, args: readonly (string | number)[]) {
    this.#child = spawn(program, args.map(String), { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#child.stdin.on('error', () => {});
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  say(text: string): void {
    this.#child.stdin.write(`${text}\n`);
  }

  /** Ends its standard input. */
  close(): void {
    this.#child.stdin.end();
  }

  /** The words of its next line. */
  async line(): Promise<string[]> {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error('a program of the bench ended too early');
    return value.split(' ');
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }
}
