import { isIP } from 'node:net';
import convict from 'convict';
import { parseNetwork } from '../src/sip/network-list.js';
import { splitShellWords } from '../src/stt/whisper/shell-words.js';

/**
 * Strict formats. convict's own take `0` and `no` for true and `12abc` for 12, so none of them is used.
 * A format reads text, because files, environment and flags all give text; what it cannot read is an `Unreadable`.
 */
export interface Format<T> {
  /** Ends the sentence "expected …"; also the format's name in convict, so it must tell formats apart. */
  readonly expected: string;
  /** The value, or undefined when the text is not in this format. Text is trimmed and not empty. */
  parse(text: string): T | undefined;
}

/** Stands in convict for a value that its format could not read. */
export class Unreadable {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** Makes convict know a format under its `expected` sentence. Doing it twice is the same as once. */
export function registerFormat(format: Format<unknown>): void {
  convict.addFormat({
    name: format.expected,
    coerce: (text: string): unknown => format.parse(text.trim()) ?? new Unreadable(text),
    validate: (value: unknown): void => {
      if (value instanceof Unreadable) throw new Error(`expected ${format.expected}`);
    },
  });
}

export const text: Format<string> = { expected: 'text', parse: (raw) => raw };

const TRUE = ['true', '1', 'yes', 'on'];
const FALSE = ['false', '0', 'no', 'off'];

export const boolean: Format<boolean> = {
  expected: 'true or false (also 1, 0, yes, no, on, off)',
  parse: (raw) => {
    const word = raw.toLowerCase();
    if (TRUE.includes(word)) return true;
    return FALSE.includes(word) ? false : undefined;
  },
};

export function integer(min: number, max: number): Format<number> {
  return {
    expected: `a whole number from ${min} to ${max}`,
    parse: (raw) => {
      if (!/^[+-]?\d{1,15}$/.test(raw)) return undefined;
      const value = Number(raw);
      return value >= min && value <= max ? value : undefined;
    },
  };
}

const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/** Reads Go's duration syntax (`1h30m`, `90s`, `500ms`, `1.5h`) as ms; undefined when it is not one. */
export function parseDuration(raw: string): number | undefined {
  if (raw === '0') return 0;
  if (!/^(\d+(\.\d*)?(ns|us|µs|ms|s|m|h))+$/.test(raw)) return undefined;
  let total = 0;
  for (const [, amount, unit] of raw.matchAll(/(\d+(?:\.\d*)?)(ns|us|µs|ms|s|m|h)/g)) {
    total += Number(amount) * (UNIT_MS[unit ?? ''] ?? Number.NaN);
  }
  return Math.round(total);
}

/** A duration in ms, both limits included. */
export function duration(min: string, max: string): Format<number> {
  const [least, most] = [parseDuration(min) ?? 0, parseDuration(max) ?? 0];
  return {
    expected: `a duration such as 20m or 90s, from ${min} to ${max}`,
    parse: (raw) => {
      const ms = parseDuration(raw);
      return ms !== undefined && ms >= least && ms <= most ? ms : undefined;
    },
  };
}

const UNIT_BYTES: Readonly<Record<string, number>> = {
  B: 1,
  K: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  KI: 2 ** 10,
  MI: 2 ** 20,
  GI: 2 ** 30,
  TI: 2 ** 40,
};

/** Reads `500MB`, `2GiB` or `1.5G` as bytes. A number alone is none but 0: it would be megabytes to one and bytes to another. */
function parseSize(raw: string): number | undefined {
  if (raw === '0') return 0;
  const match = /^(\d+(?:\.\d+)?) ?(?:([KMGT]I?)B?|B)$/.exec(raw.toUpperCase());
  return match ? Math.round(Number(match[1]) * (UNIT_BYTES[match[2] ?? 'B'] ?? Number.NaN)) : undefined;
}

/** A size in bytes, both limits included. */
export function size(min: string, max: string): Format<number> {
  const [least, most] = [parseSize(min) ?? 0, parseSize(max) ?? 0];
  return {
    expected: `a size such as 500MB or 2GiB, from ${min} to ${max}`,
    parse: (raw) => {
      const bytes = parseSize(raw);
      return bytes !== undefined && bytes >= least && bytes <= most ? bytes : undefined;
    },
  };
}

function items(raw: string): string[] {
  return raw.split(',').map((item) => item.trim());
}

/** Names between commas; no empty ones, no doubles. */
export const list: Format<readonly string[]> = {
  expected: 'names separated by commas, each once',
  parse: (raw) => {
    const names = items(raw);
    if (names.some((name) => name === '' || /\s/.test(name)) || new Set(names).size !== names.length) return undefined;
    return names;
  },
};

/** Some of these words between commas, in this order whatever theirs is; no doubles. */
export function listOf<const T extends string>(...words: readonly T[]): Format<readonly T[]> {
  return {
    expected: `some of ${words.join(', ')}, separated by commas`,
    parse: (raw) => {
      const given = items(raw.toLowerCase());
      if (new Set(given).size !== given.length || given.some((item) => !words.includes(item as T))) return undefined;
      return words.filter((word) => given.includes(word));
    },
  };
}

/** Ports between commas; `none` is the empty list, because an empty variable counts as not set. */
export const portList: Format<readonly number[]> = {
  expected: 'ports from 0 to 65535 separated by commas, each once, or none',
  parse: (raw) => {
    if (raw.toLowerCase() === 'none') return [];
    const ports = items(raw).map((item) => (/^\d{1,5}$/.test(item) ? Number(item) : Number.NaN));
    if (ports.some((port) => Number.isNaN(port) || port > 65_535)) return undefined;
    // Port 0 lets the system choose, so it may stand twice.
    const chosen = ports.filter((port) => port !== 0);
    return new Set(chosen).size === chosen.length ? ports : undefined;
  },
};

/** Networks between commas; a bare address is a network of one. */
export const cidrList: Format<readonly string[]> = {
  expected: 'networks such as 10.0.0.0/8 or 2001:db8::/32 separated by commas',
  parse: (raw) => {
    const networks = items(raw).map(parseNetwork);
    if (!networks.every((network) => network !== undefined)) return undefined;
    return networks.map(({ address, prefix }) => `${address}/${prefix}`);
  },
};

/** An IP address. `localhost` is taken for 127.0.0.1; other names are not, because they may change while we run. */
export const ipAddress: Format<string> = {
  expected: 'an IP address',
  parse: (raw) => {
    if (raw.toLowerCase() === 'localhost') return '127.0.0.1';
    const bare = /^\[(.*)\]$/.exec(raw)?.[1] ?? raw;
    return isIP(bare) === 0 ? undefined : bare;
  },
};

export function url(...protocols: string[]): Format<string> {
  return {
    expected: `a URL that begins with ${protocols.map((protocol) => `${protocol}://`).join(' or ')}`,
    parse: (raw) => {
      if (!URL.canParse(raw)) return undefined;
      const parsed = new URL(raw);
      return protocols.includes(parsed.protocol.slice(0, -1)) && parsed.hostname !== '' ? raw : undefined;
    },
  };
}

export function oneOf<const T extends string>(...words: readonly T[]): Format<T> {
  return {
    expected: `one of ${words.join(', ')}`,
    parse: (raw) => words.find((word) => word === raw.toLowerCase()),
  };
}

/** Arguments split as a POSIX shell does it, quotes and backslashes understood, nothing expanded. */
export const shellWords: Format<readonly string[]> = {
  expected: 'arguments as a shell would take them, every quote closed',
  parse: (raw) => {
    try {
      return splitShellWords(raw);
    } catch {
      return undefined;
    }
  },
};

/** Which vendor takes calls in a language. */
export interface LanguageRoute {
  readonly language: string;
  readonly vendor: string;
}

export const languageRouting: Format<readonly LanguageRoute[]> = {
  expected: 'pairs such as en-US:whisper,es-ES:whisper, each language once',
  parse: (raw) => {
    const routes: LanguageRoute[] = [];
    for (const item of items(raw)) {
      const match = /^([A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*):([\w-]+)$/.exec(item);
      if (!match?.[1] || !match[2]) return undefined;
      routes.push({ language: match[1], vendor: match[2] });
    }
    const languages = new Set(routes.map((route) => route.language.toLowerCase()));
    return languages.size === routes.length ? routes : undefined;
  },
};
