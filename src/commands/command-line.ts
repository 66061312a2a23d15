import { type ParseArgsConfig, parseArgs } from 'node:util';
import { ConfigError } from '../../config/config-error.js';
import { nearestName } from '../../config/nearest-name.js';
import { ALIASES, VARIABLE_NAMES } from '../../config/schema.js';
import { SrsError } from '../core/errors.js';
import { packageVersion } from '../core/package-version.js';
import { COMMANDS, COMMON_OPTIONS, type CommandSpec } from './command-table.js';
import { commandHelp, overviewHelp } from './help-text.js';
import { EXIT, Invocation, UsageError } from './invocation.js';
import { Terminal } from './terminal.js';

/** Option name → variable name: `--whisper-model` is WHISPER_MODEL. */
const VARIABLE_OPTIONS: ReadonlyMap<string, string> = new Map(
  [...VARIABLE_NAMES, ...ALIASES.keys()].map((name) => [name.toLowerCase().replaceAll('_', '-'), name]),
);

type Env = Readonly<Record<string, string | undefined>>;

/** Runs one command line and resolves with the exit code. Everything thrown becomes one message on stderr. */
export async function runCommandLine(args: readonly string[], env: Env, terminal = new Terminal()): Promise<number> {
  try {
    return await dispatch(args, env, terminal);
  } catch (error) {
    return report(error, env, terminal);
  } finally {
    await terminal.flush();
  }
}

async function dispatch(args: readonly string[], env: Env, terminal: Terminal): Promise<number> {
  const named = args[0] !== undefined && !args[0].startsWith('-');
  const name = named ? (args[0] ?? '') : 'serve';
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command === undefined)
    throw new UsageError(`unknown command "${name}"${didYouMean(name, Object.keys(COMMANDS), '')}`);
  const { values, positionals } = readArguments(command, named ? args.slice(1) : args);
  if (values.help === true) {
    terminal.print(named ? commandHelp(name) : overviewHelp());
    return EXIT.ok;
  }
  if (values.version === true) {
    terminal.print(packageVersion());
    return EXIT.ok;
  }
  if (positionals.length > command.positionals) {
    throw new UsageError(`${name}: unexpected argument "${positionals[command.positionals]}"`);
  }
  const { options, flags } = sortOptions(values);
  const invocation = new Invocation({ command: name, positionals, options, flags, env, terminal });
  const { run } = await command.load();
  const code = await run(invocation);
  return invocation.exitBySignal ?? code;
}

type ParsedValues = Readonly<Record<string, string | boolean | (string | boolean)[] | undefined>>;

function readArguments(command: CommandSpec, args: readonly string[]): { values: ParsedValues; positionals: string[] } {
  const options: NonNullable<ParseArgsConfig['options']> = {};
  for (const name of VARIABLE_OPTIONS.keys()) options[name] = { type: 'string' };
  for (const [name, { value }] of Object.entries({ ...COMMON_OPTIONS, ...command.options })) {
    options[name] = { type: value === undefined ? 'boolean' : 'string' };
  }
  options.set = { type: 'string', multiple: true };
  options.help = { type: 'boolean', short: 'h' };
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true, strict: true });
  } catch (error) {
    const unknown = error instanceof Error ? /Unknown option '(--?[^']+)'/.exec(error.message)?.[1] : undefined;
    if (unknown !== undefined) {
      const hint = didYouMean(unknown.replace(/^-+/, ''), Object.keys(options), '--');
      throw new UsageError(`unknown option ${unknown}${hint}`);
    }
    // The first sentence says what is wrong; the rest is about dashes in values.
    throw new UsageError(error instanceof Error ? (error.message.split('. ')[0] ?? error.message) : String(error));
  }
}

/** Parts the options of the command from those that are configuration. */
function sortOptions(values: ParsedValues): {
  options: Record<string, string | boolean>;
  flags: Record<string, string>;
} {
  const options: Record<string, string | boolean> = {};
  const flags: Record<string, string> = {};
  for (const [name, value] of Object.entries(values)) {
    if (value === undefined) continue;
    const variable = VARIABLE_OPTIONS.get(name);
    if (Array.isArray(value)) for (const item of value) readSetting(String(item), flags);
    else if (name === 'config') flags.CONFIG_FILE = String(value);
    else if (variable !== undefined) flags[variable] = String(value);
    else options[name] = value;
  }
  return { options, flags };
}

function readSetting(text: string, flags: Record<string, string>): void {
  const equals = text.indexOf('=');
  if (equals <= 0) throw new UsageError(`--set "${text}": expected NAME=VALUE`);
  flags[text.slice(0, equals)] = text.slice(equals + 1);
}

function didYouMean(name: string, candidates: readonly string[], prefix: string): string {
  const near = nearestName(name, candidates);
  return near === undefined ? '; see sipscribe --help' : `; did you mean ${prefix}${near}?`;
}

function report(error: unknown, env: Env, terminal: Terminal): number {
  if (env.DEBUG && error instanceof Error && error.stack !== undefined) terminal.note(error.stack);
  else terminal.note(`sipscribe: ${error instanceof Error ? error.message : String(error)}`);
  if (!(error instanceof SrsError) && !(error instanceof UsageError) && !env.DEBUG) {
    terminal.note('sipscribe: this is a fault of sipscribe itself; DEBUG=1 shows where it happened');
  }
  return error instanceof UsageError || error instanceof ConfigError ? EXIT.usage : EXIT.failure;
}
