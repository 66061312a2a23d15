import type { Writable } from 'node:stream';
import { WriteStream } from 'node:tty';

/** Where a command talks: data for programs on stdout, words for people on stderr. */
export class Terminal {
  readonly #stdout: Writable;
  readonly #stderr: Writable;
  #progressShown = false;

  constructor(stdout: Writable = process.stdout, stderr: Writable = process.stderr) {
    this.#stdout = stdout;
    this.#stderr = stderr;
    // `sipscribe models | head -1` closes the pipe early: whoever reads has enough, and that is no failure.
    for (const stream of [stdout, stderr]) {
      stream.on('error', (error: NodeJS.ErrnoException) => {
        if (error.code === 'EPIPE') process.exit(0);
        throw error;
      });
    }
  }

  /** A line of data. */
  print(line: string): void {
    this.#clearProgress();
    this.#stdout.write(`${line}\n`);
  }

  printJson(value: unknown): void {
    this.print(JSON.stringify(value, null, 2));
  }

  /** A line for people. */
  note(line: string): void {
    this.#clearProgress();
    this.#stderr.write(`${line}\n`);
  }

  /** A line that the next one replaces; only a terminal shows it. */
  progress(line: string): void {
    if (!(this.#stderr instanceof WriteStream)) return;
    this.#stderr.write(`\r\u001b[K${line}`);
    this.#progressShown = true;
  }

  /** Resolves when everything written has left the process. */
  async flush(): Promise<void> {
    this.#clearProgress();
    for (const stream of [this.#stdout, this.#stderr]) {
      await new Promise<void>((resolve) => stream.write('', () => resolve()));
    }
  }

  #clearProgress(): void {
    if (!this.#progressShown) return;
    this.#stderr.write('\r\u001b[K');
    this.#progressShown = false;
  }
}
