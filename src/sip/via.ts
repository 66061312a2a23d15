import { SrsError } from '../core/errors.js';
import { parseParams, type SipParams } from './params.js';
import { parseHostPort } from './uri.js';

/** One Via value (RFC 3261 §20.42). */
export interface Via {
  /** Upper case: UDP, TCP, TLS. */
  readonly transport: string;
  readonly host: string;
  readonly port: number | undefined;
  /** Undefined when missing, as in RFC 2543. */
  readonly branch: string | undefined;
  readonly params: SipParams;
}

/** Branches of RFC 3261 begin with this; others need the matching of RFC 2543. */
export const MAGIC_COOKIE = 'z9hG4bK';

/** Any version is read, so that a request of another one can be answered with 505. @throws SrsError `SRS_SIP_MALFORMED` */
export function parseVia(text: string): Via {
  const match = /^SIP\s*\/\s*\d\.\d\s*\/\s*([A-Za-z0-9-]+)\s+([^;]+)(.*)$/is.exec(text);
  if (!match) throw new SrsError('SRS_SIP_MALFORMED', 'a Via cannot be read');
  const { host, port } = parseHostPort(match[2] ?? '');
  const params = parseParams(match[3] ?? '');
  const branch = params.get('branch');
  return {
    transport: (match[1] ?? '').toUpperCase(),
    host,
    port,
    branch: branch === '' ? undefined : branch,
    params,
  };
}

/** Sets `received` and fills an empty `rport` on a Via value as it came (RFC 3261 §18.2.1, RFC 3581 §4). */
export function stampVia(text: string, via: Via, source: { address: string; port: number }): string {
  const wantsPort = via.params.get('rport') === '';
  let stamped = text;
  if (wantsPort) stamped = stamped.replace(/;\s*rport\s*(?=;|$)/i, `;rport=${source.port}`);
  if (wantsPort || via.host !== source.address) {
    stamped = stamped.replace(/;\s*received\s*=\s*[^;]*/i, '');
    stamped += `;received=${source.address}`;
  }
  return stamped;
}
