import { readFileSync, statSync } from 'node:fs';
import { parse as parseYaml } from 'yaml';
import { checkMissingFeatures, crossCheck, remarks } from './checks.js';
import { type Config, type ConfigEntry, type ConfigSource, groupValues } from './config.js';
import { ConfigError } from './config-error.js';
import { Unreadable } from './formats.js';
import { mask } from './masking.js';
import { nearestName } from './nearest-name.js';
import {
  ALIASES,
  createHolder,
  isVariableName,
  VARIABLE_NAMES,
  type Values,
  type VariableName,
  variable,
} from './schema.js';

export interface LoadOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Wins over `CONFIG_FILE` of the flags and of the environment. */
  readonly file?: string;
  /** Variable name → text, from the command line. */
  readonly flags?: Readonly<Record<string, string>>;
  /** Variable name → text, in place of the schema's defaults; everything else wins over them. */
  readonly defaults?: Readonly<Record<string, string>>;
}

/** Names with these beginnings are ours, so an unknown one in the environment is a slip of the pen. */
const OWN_PREFIX = /^(WHISPER|STT|SIP|RTP|AMQP|WS)_/;
/** Kubernetes gives every pod variables such as SIP_SERVICE_HOST and SIP_PORT=udp://… for a service named "sip". */
const FROM_KUBERNETES = /_SERVICE_(HOST|PORT)(_|$)|_PORT_\d+_(TCP|UDP|SCTP)/;
const MAX_FILE_BYTES = 1024 * 1024;

/** A text that some source gives to a variable. */
interface Given {
  readonly name: VariableName;
  /** The name it was written under: the variable's own or an alias. */
  readonly writtenAs: string;
  readonly text: string;
  readonly source: ConfigSource;
}

/**
 * Puts defaults, file, environment and flags together, later ones winning. An empty text counts as not set.
 * Reads the file and nothing else. Throws `ConfigError` with every problem found.
 */
export function loadConfig(options: LoadOptions): Config {
  const problems: string[] = [];
  const flags = options.flags ?? {};
  const file = options.file ?? (flags.CONFIG_FILE || options.env.CONFIG_FILE || undefined);
  const given = [
    ...collect(options.defaults ?? {}, 'default', problems),
    ...(file === undefined ? [] : collect(readConfigFile(file, problems), 'file', problems)),
    ...collect(options.env, 'env', problems),
    ...collect(flags, 'flag', problems),
  ];
  const holder = createHolder();
  const inForce = new Map<VariableName, Given>();
  for (const item of given) {
    holder.set(item.name, item.text);
    if (holder.get(item.name) instanceof Unreadable) {
      const shown = variable(item.name).secret === undefined ? `="${item.text}"` : '';
      problems.push(`${item.writtenAs}${shown} (${item.source}): expected ${variable(item.name).format.expected}`);
      holder.reset(item.name);
    } else {
      inForce.set(item.name, item);
    }
  }
  holder.validate({ allowed: 'strict' });
  // Every property was read by the format of its variable, which is where `Values` takes its types from.
  const values = holder.getProperties() as Values;
  const isSet = (name: VariableName): boolean => (inForce.get(name)?.source ?? 'default') !== 'default';
  const missing = checkMissingFeatures(values, isSet);
  problems.push(...crossCheck(values), ...missing.problems);
  if (problems.length > 0) throw new ConfigError(problems);
  return {
    ...groupValues(values),
    entries: VARIABLE_NAMES.map((name) => entry(name, inForce.get(name))).map((shown) =>
      shown.name === 'CONFIG_FILE' && options.file !== undefined
        ? { name: shown.name, value: options.file, source: 'flag' as const }
        : shown,
    ),
    notes: [...missing.notes, ...remarks(values, isSet)],
  };
}

function entry(name: VariableName, given: Given | undefined): ConfigEntry {
  const value = given?.text ?? variable(name).fallback;
  return { name, ...(value === undefined ? {} : { value: mask(name, value) }), source: given?.source ?? 'default' };
}

/** Finds the variable behind every name of one source. Unknown names are problems; in the environment only those that look like ours. */
function collect(
  texts: Readonly<Record<string, string | undefined>>,
  source: ConfigSource,
  problems: string[],
): Given[] {
  const found = new Map<VariableName, Given>();
  for (const [writtenAs, raw] of Object.entries(texts)) {
    const text = raw?.trim() ?? '';
    const name = isVariableName(writtenAs) ? writtenAs : ALIASES.get(writtenAs);
    if (name === undefined) {
      if (source === 'env' && !looksLikeOurs(writtenAs, text)) continue;
      problems.push(`${writtenAs} (${source}): unknown name${hint(writtenAs)}`);
      continue;
    }
    if (text === '') continue;
    const twin = found.get(name);
    if (twin !== undefined && twin.text !== text) {
      problems.push(`${twin.writtenAs} and ${writtenAs} (${source}) are two names of one thing with different values`);
      continue;
    }
    found.set(name, { name, writtenAs, text, source });
  }
  return [...found.values()];
}

function looksLikeOurs(name: string, text: string): boolean {
  return OWN_PREFIX.test(name) && !FROM_KUBERNETES.test(name) && !/^(tcp|udp|sctp):\/\//.test(text);
}

function hint(name: string): string {
  const near = nearestName(name, [...VARIABLE_NAMES, ...ALIASES.keys()]);
  return near === undefined ? '' : `; did you mean ${near}?`;
}

/** Reads a JSON or YAML file of names (groups such as `whisper: { model: small }` are joined with `_`) into texts. */
function readConfigFile(path: string, problems: string[]): Record<string, string> {
  const texts: Record<string, string> = {};
  try {
    if (statSync(path).size > MAX_FILE_BYTES) throw new Error(`it is over ${MAX_FILE_BYTES} bytes`);
    const content: unknown = parseYaml(readFileSync(path, 'utf8'));
    if (content === null || content === undefined) return texts;
    if (typeof content !== 'object' || Array.isArray(content))
      throw new Error('it must be a mapping of names to values');
    flatten(content, '', texts, path, problems);
  } catch (error) {
    const reason = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
    problems.push(`CONFIG_FILE="${path}": cannot be read: ${reason}`);
  }
  return texts;
}

function flatten(node: object, prefix: string, texts: Record<string, string>, path: string, problems: string[]): void {
  for (const [key, value] of Object.entries(node)) {
    const name = prefix + key.toUpperCase().replaceAll('-', '_');
    if (value === null || value === undefined) continue;
    if (Array.isArray(value)) texts[name] = value.map(String).join(name === 'WHISPER_EXTRA_ARGS' ? ' ' : ',');
    else if (typeof value !== 'object') texts[name] = String(value);
    else if (name === 'LANGUAGE_ROUTING')
      texts[name] = Object.entries(value)
        .map((pair) => pair.join(':'))
        .join(',');
    else if (prefix.length < 40) flatten(value, `${name}_`, texts, path, problems);
    else problems.push(`CONFIG_FILE="${path}": ${name} lies too deep`);
  }
}
