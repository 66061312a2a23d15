import { SrsError } from '../core/errors.js';
import { parseParams, type SipParams, unquote } from './params.js';

/** From, To, Contact, Route and Record-Route (RFC 3261 §20.10): `"name" <uri>;params` or `uri;params`. */
export interface NameAddress {
  readonly displayName: string | undefined;
  readonly uri: string;
  /** Those of the header, not of the URI inside the brackets. */
  readonly params: SipParams;
}

/** @throws SrsError `SRS_SIP_MALFORMED` */
export function parseNameAddress(text: string): NameAddress {
  const open = openBracket(text);
  if (open < 0) {
    // Without brackets every parameter belongs to the header (§20.10).
    const semicolon = text.indexOf(';');
    const uri = (semicolon < 0 ? text : text.slice(0, semicolon)).trim();
    if (!/^[A-Za-z][A-Za-z0-9+.-]*:\S+$/.test(uri)) throw unreadable();
    return { displayName: undefined, uri, params: parseParams(semicolon < 0 ? '' : text.slice(semicolon)) };
  }
  const close = text.indexOf('>', open);
  if (close < 0) throw unreadable();
  const uri = text.slice(open + 1, close).trim();
  if (uri === '' || /\s/.test(uri)) throw unreadable();
  const display = text.slice(0, open).trim();
  return {
    displayName: display === '' ? undefined : unquote(display),
    uri,
    params: parseParams(text.slice(close + 1)),
  };
}

/** The `tag` parameter, or undefined when there is none or the value cannot be read. */
export function tagOf(text: string): string | undefined {
  try {
    const tag = parseNameAddress(text).params.get('tag');
    return tag === '' ? undefined : tag;
  } catch {
    return undefined;
  }
}

/** The first `<` outside a quoted display name. */
function openBracket(text: string): number {
  if (!text.includes('"')) return text.indexOf('<');
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (quoted) {
      if (c === '\\') i++;
      else if (c === '"') quoted = false;
    } else if (c === '"') quoted = true;
    else if (c === '<') return i;
  }
  return -1;
}

const unreadable = (): SrsError => new SrsError('SRS_SIP_MALFORMED', 'an address header cannot be read');
