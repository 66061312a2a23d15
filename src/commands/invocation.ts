import type { Config } from '../../config/config.js';
import { loadConfig } from '../../config/load.js';
import type { Terminal } from './terminal.js';

/** What every command ends with. 130 and 143 are those of a shell for SIGINT and SIGTERM. */
export const EXIT = { ok: 0, failure: 1, usage: 2, interrupted: 130, terminated: 143 } as const;

/** A mistake on the command line. Shown without a stack, exit code 2. */
export class UsageError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'UsageError';
  }
}

export interface InvocationParts {
  readonly command: string;
  readonly positionals: readonly string[];
  readonly options: Readonly<Record<string, string | boolean>>;
  readonly flags: Readonly<Record<string, string>>;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly terminal: Terminal;
}

/** One call of the command line, taken apart. */
export class Invocation {
  readonly command: string;
  readonly positionals: readonly string[];
  /** Configuration given by flags: variable name → text. */
  readonly flags: Readonly<Record<string, string>>;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly terminal: Terminal;
  /** `--json`. */
  readonly json: boolean;
  readonly #options: Readonly<Record<string, string | boolean>>;
  readonly #interruption = new AbortController();
  #exitBySignal: number | undefined;
  #watching = false;

  constructor(parts: InvocationParts) {
    this.command = parts.command;
    this.positionals = parts.positionals;
    this.flags = parts.flags;
    this.env = parts.env;
    this.terminal = parts.terminal;
    this.#options = parts.options;
    this.json = parts.options.json === true;
  }

  /** An option of this command with its text; absent = not given. */
  option(name: string): string | undefined {
    const value = this.#options[name];
    return typeof value === 'string' ? value : undefined;
  }

  /** An option without text. */
  flagged(name: string): boolean {
    return this.#options[name] === true;
  }

  /** Throws `UsageError` when the option is missing. */
  required(name: string): string {
    const value = this.option(name);
    if (value === undefined) throw new UsageError(`${this.command}: --${name} is missing`);
    return value;
  }

  /** The configuration in force. `defaults` win over the schema's own and over nothing else. Throws `ConfigError`. */
  loadConfig(defaults: Readonly<Record<string, string>> = {}): Config {
    return loadConfig({ env: this.env, flags: this.flags, defaults });
  }

  /** Aborts at the first SIGINT or SIGTERM, so that the command can end cleanly; the second one ends the process. */
  interruptible(): AbortSignal {
    if (!this.#watching) {
      this.#watching = true;
      this.#watch('SIGINT', EXIT.interrupted);
      this.#watch('SIGTERM', EXIT.terminated);
    }
    return this.#interruption.signal;
  }

  /** The exit code that a signal asked for, if one came. */
  get exitBySignal(): number | undefined {
    return this.#exitBySignal;
  }

  #watch(signal: 'SIGINT' | 'SIGTERM', code: number): void {
    process.on(signal, () => {
      if (this.#interruption.signal.aborted) process.exit(code);
      this.#exitBySignal = code;
      this.#interruption.abort();
    });
  }
}

/** Does the work of a command and resolves with its exit code. */
export type CommandRunner = (invocation: Invocation) => Promise<number>;
