import { type VariableName, variable } from './schema.js';

const MASK = '***';

/** The text of a variable, fit for eyes and logs. */
export function mask(name: VariableName, text: string): string {
  const secret = variable(name).secret;
  if (secret === undefined) return text;
  if (secret === 'value') return MASK;
  return maskUrl(text);
}

/** A URL without its password, or without a user who has none, as tokens stand there; what cannot be read as a URL is masked whole, because the password could stand anywhere in it. */
export function maskUrl(text: string): string {
  if (!URL.canParse(text)) return MASK;
  const url = new URL(text);
  if (url.password !== '') url.password = MASK;
  else if (url.username !== '') url.username = MASK;
  // RabbitMQ takes credentials in the query too, such as ?password=.
  for (const key of [...url.searchParams.keys()]) {
    if (/pass|secret|token|key/i.test(key)) url.searchParams.set(key, MASK);
  }
  return url.href;
}
