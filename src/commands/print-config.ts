import { EXIT, type Invocation } from './invocation.js';

/** `sipscribe print-config`: every variable in force, in the form of an env file, or as JSON. */
export async function run(invocation: Invocation): Promise<number> {
  const { terminal, json } = invocation;
  const config = invocation.loadConfig();
  for (const note of config.notes) terminal.note(`note: ${note}`);
  const entries = config.entries.filter(({ source }) => source !== 'default' || !invocation.flagged('changed'));
  if (entries.length === 0) terminal.note('everything is at its default');
  if (json) {
    terminal.printJson(
      Object.fromEntries(entries.map(({ name, value, source }) => [name, { value: value ?? null, source }])),
    );
    return EXIT.ok;
  }
  for (const { name, value } of entries) terminal.print(value === undefined ? `#${name}=` : `${name}=${value}`);
  return EXIT.ok;
}
