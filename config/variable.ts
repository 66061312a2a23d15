import type { Format } from './formats.js';

/** One configuration variable, as it is declared. `T` is the type of its value. */
export interface Variable<T> {
  readonly format: Format<T>;
  /** As one would write it; absent = not set. */
  readonly fallback?: string;
  /** One sentence for `example.env`, the reference and `--help`. */
  readonly doc: string;
  /** Other names for the same thing. */
  readonly aliases?: readonly string[];
  /** `value` is masked as a whole, `url` only in its password. */
  readonly secret?: 'value' | 'url';
  /** The feature is not built yet: `refuse` lists what must not be asked for, all else is accepted and noted. */
  readonly later?: { readonly refuse: 'set' | 'true' | 'never' };
  /** What the default is, when it is worked out from something else. */
  readonly fallbackDoc?: string;
}

type Extras = Omit<Variable<unknown>, 'format' | 'fallback' | 'doc'>;

/** A variable that always has a value. */
export function given<T>(format: Format<T>, fallback: string, doc: string, extras: Extras = {}): Variable<T> {
  return { format, fallback, doc, ...extras };
}

/** A variable that may stay unset. */
export function optional<T>(format: Format<T>, doc: string, extras: Extras = {}): Variable<T | undefined> {
  return { format, doc, ...extras };
}
