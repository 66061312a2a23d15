/** The value of Content-Type or Content-Disposition: a word and its parameters, all names in lower case (RFC 2045 §5.1). */
export interface MediaType {
  /** `application/sdp`, `session` … in lower case; empty when the value starts with a parameter. */
  readonly value: string;
  /** Parameter values without their quotes. The first of a repeated name wins. */
  readonly parameters: ReadonlyMap<string, string>;
}

/** Longer header values are cut: no peer needs them, and the cost stays bounded. */
const MAX_LENGTH = 2048;

const PARAMETER = /;\s*([^=;\s"]+)\s*(?:=\s*(?:"((?:[^"\\]|\\.)*)"?|([^;]*)))?/g;

/** Reads such a value. Pure; takes anything: quotes left open, blanks around `;` and `=`, upper case. */
export function parseMediaType(header: string): MediaType {
  const text = header.slice(0, MAX_LENGTH);
  const semicolon = text.indexOf(';');
  const value = (semicolon === -1 ? text : text.slice(0, semicolon)).trim().toLowerCase();
  const parameters = new Map<string, string>();
  if (semicolon !== -1) {
    for (const match of text.slice(semicolon).matchAll(PARAMETER)) {
      const name = (match[1] ?? '').toLowerCase();
      const quoted = match[2]?.replace(/\\(.)/g, '$1');
      if (!parameters.has(name)) parameters.set(name, quoted ?? (match[3] ?? '').trim());
    }
  }
  return { value, parameters };
}
