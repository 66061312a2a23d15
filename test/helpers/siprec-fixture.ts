import { readdirSync, readFileSync } from 'node:fs';
import type { SipRequestView } from '../../src/sip/sip-server.js';

const FOLDER = 'test/fixtures/siprec';

export const fixtureNames = readdirSync(FOLDER)
  .filter((name) => name.endsWith('.txt'))
  .map((name) => name.slice(0, -4));

export function fixtureBytes(name: string): Buffer {
  return readFileSync(`${FOLDER}/${name}.txt`);
}

/** A fixture as the SIP engine would hand it over. */
export function fixture(name: string): SipRequestView {
  const bytes = fixtureBytes(name);
  const blank = bytes.indexOf('\r\n\r\n');
  const [start = '', ...lines] = bytes.toString('utf8', 0, blank).split('\r\n');
  const headers: Record<string, string[]> = {};
  for (const line of lines) {
    const colon = line.indexOf(':');
    const field = line.slice(0, colon).trim().toLowerCase();
    headers[field] = [...(headers[field] ?? []), line.slice(colon + 1).trim()];
  }
  return requestView({ method: start.split(' ')[0] ?? '', headers, body: bytes.subarray(blank + 4) });
}

export function requestView(parts: {
  method?: string;
  headers?: Readonly<Record<string, readonly string[]>>;
  body?: Uint8Array | string;
}): SipRequestView {
  const headers: Readonly<Record<string, readonly string[]>> = parts.headers ?? {};
  const body = parts.body ?? '';
  return {
    method: parts.method ?? 'INVITE',
    uri: 'sip:recorder@198.51.100.20',
    callId: headers['call-id']?.[0] ?? 'call-1',
    header: (name) => headers[name]?.[0],
    headers: (name) => headers[name] ?? [],
    raw: new Uint8Array(0),
    body: typeof body === 'string' ? Buffer.from(body) : body,
    source: { transport: 'udp', address: '192.0.2.10', port: 5060 },
    receivedAt: 1_772_000_000_000,
  };
}

/** The same request with other headers or another body. */
export function altered(
  request: SipRequestView,
  change: {
    method?: string;
    headers?: Readonly<Record<string, readonly string[] | undefined>>;
    body?: Uint8Array | string;
  },
): SipRequestView {
  const headers = change.headers ?? {};
  const values = (name: string): readonly string[] => (name in headers ? (headers[name] ?? []) : request.headers(name));
  return {
    ...request,
    method: change.method ?? request.method,
    header: (name) => values(name)[0],
    headers: values,
    body: change.body === undefined ? request.body : Buffer.from(change.body),
  };
}
