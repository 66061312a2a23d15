import convict from 'convict';
import { registerFormat } from './formats.js';
import { SERVICE_VARIABLES } from './service-variables.js';
import { SIP_VARIABLES } from './sip-variables.js';
import { SPEECH_VARIABLES } from './speech-variables.js';
import type { Variable } from './variable.js';

/** Every configuration variable. A new one is one entry in one of the three tables; a test fails until `example.env` has it. */
export const VARIABLES = { ...SIP_VARIABLES, ...SPEECH_VARIABLES, ...SERVICE_VARIABLES } as const;

export type VariableName = keyof typeof VARIABLES;

/** The value of every variable, in its own type. */
export type Values = {
  readonly [K in VariableName]: (typeof VARIABLES)[K] extends Variable<infer T> ? T : never;
};

export const VARIABLE_NAMES: readonly VariableName[] = Object.keys(VARIABLES).filter(isVariableName);

export function isVariableName(name: string): name is VariableName {
  return Object.hasOwn(VARIABLES, name);
}

export function variable(name: VariableName): Variable<unknown> {
  return VARIABLES[name];
}

/** Variables whose texts are secrets, of which no program that we run is told. */
export const SECRET_NAMES: readonly VariableName[] = VARIABLE_NAMES.filter(
  (name) => variable(name).secret !== undefined,
);

/** Alias → the variable it stands for. */
export const ALIASES: ReadonlyMap<string, VariableName> = new Map(
  VARIABLE_NAMES.flatMap((name) => (variable(name).aliases ?? []).map((alias) => [alias, name] as const)),
);

/** A fresh convict holder with all defaults in it. It reads no environment by itself: sources are told apart in `load.ts`. */
export function createHolder(): convict.Config<Record<string, unknown>> {
  const schema: Record<string, convict.SchemaObj<unknown>> = {};
  for (const name of VARIABLE_NAMES) {
    const { format, fallback, doc, secret } = variable(name);
    registerFormat(format);
    schema[name] = { format: format.expected, default: fallback, doc, sensitive: secret !== undefined };
  }
  return convict<Record<string, unknown>>(schema, { env: {}, args: [] });
}
