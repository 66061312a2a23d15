import { SrsError } from '../core/errors.js';
import { parseParams, type SipParams } from './params.js';

/** A SIP or SIPS URI (RFC 3261 §19.1). */
export interface SipUri {
  readonly scheme: 'sip' | 'sips';
  readonly user: string | undefined;
  /** IPv6 addresses without their brackets. */
  readonly host: string;
  readonly port: number | undefined;
  readonly params: SipParams;
}

/** The part before the first colon, lower case; empty when there is none. */
export function uriScheme(uri: string): string {
  return uri.slice(0, Math.max(0, uri.indexOf(':'))).toLowerCase();
}

/** @throws SrsError `SRS_SIP_MALFORMED` */
export function parseUri(text: string): SipUri {
  const scheme = uriScheme(text);
  if (scheme !== 'sip' && scheme !== 'sips') throw new SrsError('SRS_SIP_MALFORMED', 'the URI is not sip or sips');
  let rest = text.slice(scheme.length + 1);
  // The user part may hold `;` and `?`, so the @ is looked for first (§19.1.1).
  const at = rest.lastIndexOf('@');
  const user = at < 0 ? undefined : rest.slice(0, at);
  rest = rest.slice(at + 1);
  const question = rest.indexOf('?');
  if (question >= 0) rest = rest.slice(0, question);
  const semicolon = rest.indexOf(';');
  const { host, port } = parseHostPort(semicolon < 0 ? rest : rest.slice(0, semicolon));
  return { scheme, user, host, port, params: parseParams(semicolon < 0 ? '' : rest.slice(semicolon)) };
}

/** Reads `host`, `host:port`, `[v6]:port`. @throws SrsError `SRS_SIP_MALFORMED` */
export function parseHostPort(text: string): { host: string; port: number | undefined } {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9_.-]+))(?:\s*:\s*(\d{1,5}))?$/.exec(text.trim());
  const host = match?.[1] ?? match?.[2];
  const port = match?.[3] === undefined ? undefined : Number(match[3]);
  if (host === undefined || (port !== undefined && (port === 0 || port > 65_535))) {
    throw new SrsError('SRS_SIP_MALFORMED', 'a host and port cannot be read');
  }
  return { host, port };
}

/** The host as URIs and Via write it: IPv6 addresses get brackets. */
export function writtenHost(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}
