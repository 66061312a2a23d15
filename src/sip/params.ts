/** Header and URI parameters: names lower case, quoted values unquoted, a parameter without value is an empty string. */
export type SipParams = ReadonlyMap<string, string>;

const NONE: SipParams = new Map();

/** Reads `;a=b;c;d="e;f"`; white space around `;` and `=` is ignored, the first of equal names counts. */
export function parseParams(text: string): SipParams {
  if (!text.includes(';')) return NONE;
  const params = new Map<string, string>();
  for (const item of splitOutsideQuotes(text, ';')) {
    const equals = item.indexOf('=');
    const name = (equals < 0 ? item : item.slice(0, equals)).trim().toLowerCase();
    if (name === '' || params.has(name)) continue;
    params.set(name, equals < 0 ? '' : unquote(item.slice(equals + 1).trim()));
  }
  return params;
}

/** A quoted string without its quotes and escapes; anything else as it is. */
export function unquote(text: string): string {
  if (text.length < 2 || !text.startsWith('"') || !text.endsWith('"')) return text;
  return text.slice(1, -1).replace(/\\(.)/gs, '$1');
}

function splitOutsideQuotes(text: string, separator: string): string[] {
  if (!text.includes('"')) return text.split(separator);
  const items: string[] = [];
  let start = 0;
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (quoted) {
      if (c === '\\') i++;
      else if (c === '"') quoted = false;
    } else if (c === '"') quoted = true;
    else if (c === separator) {
      items.push(text.slice(start, i));
      start = i + 1;
    }
  }
  items.push(text.slice(start));
  return items;
}
