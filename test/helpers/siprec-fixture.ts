import { readdirSync, readFileSync } from 'node:fs';
import type { SipRequestView } from '../../src/sip/sip-server.js';

const FOLDER = 'test/fixtures/siprec';

/** Each is a folder: a call of one vendor, its messages numbered in order. */
export const fixtureNames = readdirSync(FOLDER, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map((entry) => entry.name)
  .sort();

/** Names of the messages of a call, in order: `01-invite`, `02-reinvite`, `03-ack` … */
export function fixtureMessages(name: string): string[] {
  return readdirSync(`${FOLDER}/${name}`)
    .filter((file) => file.endsWith('.txt'))
    .map((file) => file.slice(0, -4))
    .sort();
}

/** What a call must come to, as somebody wrote it down. */
export function fixtureExpectation(name: string): unknown {
  return JSON.parse(readFileSync(`${FOLDER}/${name}/expected.json`, 'utf8'));
}

/** The first message of a call. */
export function fixtureBytes(name: string): Buffer {
  return fixtureMessage(name, fixtureMessages(name)[0] ?? '');
}

export function fixtureMessage(name: string, message: string): Buffer {
  return readFileSync(`${FOLDER}/${name}/${message}.txt`);
}

/** A fixture as the SIP engine would hand it over. */
export function fixture(name: string, message?: string): SipRequestView {
  const bytes = message === undefined ? fixtureBytes(name) : fixtureMessage(name, message);
  const blank = bytes.indexOf('\r\n\r\n');
  const [start = '', ...lines] = bytes.toString('utf8', 0, blank).split('\r\n');
  const headers: Record<string, string[]> = {};
  for (const line of lines) {
    const colon = line.indexOf(':');
    const field = line.slice(0, colon).trim().toLowerCase();
    headers[field] = [...(headers[field] ?? []), line.slice(colon + 1).trim()];
  }
  const [method = '', uri = ''] = start.split(' ');
  return requestView({ method, uri, headers, body: bytes.subarray(blank + 4), raw: bytes });
}

export function requestView(parts: {
  method?: string;
  uri?: string;
  headers?: Readonly<Record<string, readonly string[]>>;
  body?: Uint8Array | string;
  raw?: Uint8Array;
}): SipRequestView {
  const headers: Readonly<Record<string, readonly string[]>> = parts.headers ?? {};
  const body = parts.body ?? '';
  return {
    method: parts.method ?? 'INVITE',
    uri: parts.uri ?? 'sip:recorder@198.51.100.20',
    callId: headers['call-id']?.[0] ?? 'call-1',
    header: (name) => headers[name]?.[0],
    headers: (name) => headers[name] ?? [],
    raw: parts.raw ?? new Uint8Array(0),
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
