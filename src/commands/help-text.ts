import { COMMANDS, COMMON_OPTIONS, type OptionSpec } from './command-table.js';

function table(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`);
}

function optionRows(options: Readonly<Record<string, OptionSpec>>): (readonly [string, string])[] {
  return Object.entries(options).map(([name, { value, doc }]) => [
    value === undefined ? `--${name}` : `--${name} ${value}`,
    doc,
  ]);
}

/** `sipscribe --help`. */
export function overviewHelp(): string {
  return [
    'sipscribe records SIPREC calls and writes down who said what.',
    '',
    'Usage: sipscribe [COMMAND] [options]',
    '',
    'Commands:',
    ...table(Object.entries(COMMANDS).map(([name, { summary }]) => [name, summary])),
    '',
    'Options of every command:',
    ...table(optionRows(COMMON_OPTIONS)),
    '',
    'Data goes to stdout, messages go to stderr. Exit codes: 0 done, 1 failed, 2 wrong command line or configuration.',
    'Every configuration variable is an option too; docs/reference/configuration.md lists them.',
  ].join('\n');
}

/** `sipscribe COMMAND --help`; examples come first. */
export function commandHelp(name: string): string {
  const command = COMMANDS[name];
  if (command === undefined) return overviewHelp();
  const own = Object.keys(command.options).length > 0 ? ['Options:', ...table(optionRows(command.options)), ''] : [];
  return [
    `sipscribe ${name}: ${command.summary}`,
    '',
    'Examples:',
    ...command.examples.map((example) => `  ${example}`),
    '',
    `Usage: sipscribe ${command.usage}`,
    ...(command.details === undefined ? [] : ['', ...command.details]),
    '',
    ...own,
    'Options of every command:',
    ...table(optionRows(COMMON_OPTIONS)),
  ].join('\n');
}
