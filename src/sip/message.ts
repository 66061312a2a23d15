import { Buffer, isUtf8 } from 'node:buffer';
import { SrsError } from '../core/errors.js';
import { isListHeader, splitList } from './header-list.js';
import { canonicalHeaderName, writtenHeaderName } from './header-name.js';
import { DEFAULT_SIP_LIMITS, type SipLimits } from './limits.js';

/** One header line. A name occurs as often as the message repeats it, in order. */
export interface SipHeader {
  /** Lower-case long form. */
  readonly name: string;
  /** Unfolded and trimmed. */
  readonly value: string;
}

export interface SipRequest {
  readonly kind: 'request';
  readonly method: string;
  readonly uri: string;
  readonly headers: readonly SipHeader[];
  readonly body: Uint8Array;
}

export interface SipResponse {
  readonly kind: 'response';
  readonly status: number;
  readonly reason: string;
  readonly headers: readonly SipHeader[];
  readonly body: Uint8Array;
}

export type SipMessage = SipRequest | SipResponse;

/** A message, or why it is none, together with what can still be answered with a 400. */
export type SipReading =
  | { readonly message: SipMessage }
  | { readonly error: SrsError; readonly partial: SipRequest | undefined };

const NO_BODY = new Uint8Array(0);
/** How much of a message that is too large is read for the sake of its refusal. */
const PARTIAL_BYTES = 8_192;
const PARTIAL_LINES = 64;
const STRAY = /\r(?!\n|$)|\0/;
const TOKEN = /^[A-Za-z0-9.!%*_+`'~-]+$/;

/**
 * Parses one datagram or one framed message (RFC 3261 §7).
 *
 * Tolerated: blank lines before the start line, LF alone, folding, compact names, white space around the colon, header lines
 * without a colon (dropped, §8.2), bytes after Content-Length (dropped, §18.3), no Content-Length (the rest is the body).
 *
 * @throws SrsError `SRS_SIP_MALFORMED`, `SRS_SIP_TOO_LARGE`
 */
export function parseSipMessage(bytes: Uint8Array, limits: SipLimits = DEFAULT_SIP_LIMITS): SipMessage {
  const reading = readSipMessage(bytes, limits);
  if ('error' in reading) throw reading.error;
  return reading.message;
}

/** As `parseSipMessage`, for servers: never throws, and gives what a refusal can be addressed with. */
export function readSipMessage(bytes: Uint8Array, limits: SipLimits = DEFAULT_SIP_LIMITS): SipReading {
  if (bytes.length > limits.maxMessageBytes) return tooLarge(bytes, 'the message is over its byte limit');
  let start = 0;
  while (bytes[start] === 0x0d || bytes[start] === 0x0a) start++;
  const end = findHeadEnd(bytes, start);
  const headEnd = end === undefined ? bytes.length : end.head;
  if (headEnd - start > limits.maxHeadBytes) return tooLarge(bytes, 'the headers are over their byte limit');
  const raw = bytes.subarray(start, headEnd);
  const text = decodeHead(raw);
  const firstBreak = text.indexOf('\n');
  const startLine = (firstBreak < 0 ? text : text.slice(0, firstBreak)).trimEnd();
  const headers = firstBreak < 0 ? [] : readHeaders(text, firstBreak + 1, limits.maxHeaders);
  if (headers === undefined) return tooLarge(bytes, 'the message has too many header lines');
  const first = readStartLine(startLine, limits.maxUriBytes);
  if ('error' in first) return { error: first.error, partial: asPartial(first.method, headers) };
  const partial = first.kind === 'request' ? { ...first, headers, body: NO_BODY } : undefined;
  if (end === undefined) return failed('SRS_SIP_MALFORMED', 'the blank line after the headers is missing', partial);
  const length = contentLength(headers);
  if (length === 'bad') return failed('SRS_SIP_MALFORMED', 'Content-Length is not one number', partial);
  const there = bytes.length - end.body;
  if (length !== undefined && length > there) {
    return failed('SRS_SIP_MALFORMED', `the body has ${there} bytes where Content-Length says ${length}`, partial);
  }
  const body = bytes.subarray(end.body, end.body + (length ?? there));
  return { message: { ...first, headers, body } };
}

/** What stands in the first lines of a message that is not read on: enough for its refusal when Via and its kin come first. */
function tooLarge(bytes: Uint8Array, text: string): SipReading {
  const error = new SrsError('SRS_SIP_TOO_LARGE', text);
  let start = 0;
  while (bytes[start] === 0x0d || bytes[start] === 0x0a) start++;
  const part = bytes.subarray(start, start + PARTIAL_BYTES);
  const lines = decodeHead(part).split('\n', PARTIAL_LINES);
  // The last line may be cut in two.
  if (lines.length < PARTIAL_LINES) lines.pop();
  const [first = '', ...rest] = lines;
  const method = first.split(' ', 1)[0] ?? '';
  if (!TOKEN.test(method)) return { error, partial: undefined };
  return { error, partial: asPartial(method, readHeaders(rest.join('\n'), 0, PARTIAL_LINES) ?? []) };
}

/** CR alone and NUL become blanks here: a value that holds them could never be put into a response. */
function decodeHead(raw: Uint8Array): string {
  const text = Buffer.from(raw.buffer, raw.byteOffset, raw.length).toString(isUtf8(raw) ? 'utf8' : 'latin1');
  return STRAY.test(text) ? text.replace(new RegExp(STRAY, 'g'), ' ') : text;
}

/** Where the head ends and the body starts, or undefined when there is no blank line from `from` on. */
export function findHeadEnd(bytes: Uint8Array, from: number): { head: number; body: number } | undefined {
  for (let at = bytes.indexOf(0x0a, from); at >= 0; at = bytes.indexOf(0x0a, at + 1)) {
    const next = bytes[at + 1];
    if (next === 0x0a) return { head: at, body: at + 2 };
    if (next === 0x0d && bytes[at + 2] === 0x0a) return { head: at, body: at + 3 };
  }
  return undefined;
}

/** The number in Content-Length; repeated equal values are one. */
function contentLength(headers: readonly SipHeader[]): number | 'bad' | undefined {
  let found: number | undefined;
  for (const header of headers) {
    if (header.name !== 'content-length') continue;
    if (!/^\d{1,9}$/.test(header.value)) return 'bad';
    const value = Number(header.value);
    if (found !== undefined && found !== value) return 'bad';
    found = value;
  }
  return found;
}

/** The first value of a header, unsplit. `name` may be compact and in any case. */
export function headerValue(message: SipMessage, name: string): string | undefined {
  const wanted = canonicalHeaderName(name);
  for (const header of message.headers) if (header.name === wanted) return header.value;
  return undefined;
}

/** All values of a header in order; those of list headers (Via, Route, Contact, Require...) are split at their commas. */
export function headerValues(message: SipMessage, name: string): readonly string[] {
  const wanted = canonicalHeaderName(name);
  const split = isListHeader(wanted);
  const values: string[] = [];
  for (const header of message.headers) {
    if (header.name !== wanted) continue;
    if (split) values.push(...splitList(header.value));
    else values.push(header.value);
  }
  return values;
}

/**
 * The message as bytes. Content-Length is written from the body; one among the headers is ignored.
 *
 * @throws SrsError `SRS_SIP_MALFORMED` when a part would break out of its line
 */
export function serializeSipMessage(message: SipMessage): Uint8Array {
  let head =
    message.kind === 'request'
      ? `${message.method} ${message.uri} SIP/2.0\r\n`
      : `SIP/2.0 ${message.status} ${message.reason}\r\n`;
  if (hasBreak(head, head.length - 2)) throw new SrsError('SRS_SIP_MALFORMED', 'the start line holds a line break');
  for (const header of message.headers) {
    if (header.name === 'content-length') continue;
    if (hasBreak(header.value, header.value.length) || /[\s:]/.test(header.name)) {
      throw new SrsError('SRS_SIP_MALFORMED', 'a header holds a line break');
    }
    head += `${writtenHeaderName(header.name)}: ${header.value}\r\n`;
  }
  head += `Content-Length: ${message.body.length}\r\n\r\n`;
  const headBytes = Buffer.from(head, 'utf8');
  return message.body.length === 0 ? headBytes : Buffer.concat([headBytes, message.body]);
}

function hasBreak(text: string, end: number): boolean {
  for (let i = 0; i < end; i++) {
    const c = text.charCodeAt(i);
    if (c === 0x0a || c === 0x0d || c === 0) return true;
  }
  return false;
}

function readHeaders(text: string, from: number, max: number): SipHeader[] | undefined {
  const headers: SipHeader[] = [];
  let lines = 0;
  let at = from;
  while (at < text.length) {
    if (++lines > max) return undefined;
    let end = lineEnd(text, at);
    let line = text.slice(at, end);
    let folded: string[] | undefined;
    // A line that begins with white space continues the one before it (§7.3.1).
    while (end + 1 < text.length && isBlank(text.charCodeAt(end + 1))) {
      at = end + 1;
      end = lineEnd(text, at);
      folded ??= [line.trimEnd()];
      folded.push(text.slice(at, end).trim());
    }
    if (folded) line = folded.join(' ');
    at = end + 1;
    const colon = line.indexOf(':');
    if (colon <= 0) continue;
    const name = line.slice(0, colon).trim();
    if (name !== '') headers.push({ name: canonicalHeaderName(name), value: line.slice(colon + 1).trim() });
  }
  return headers;
}

function lineEnd(text: string, from: number): number {
  const at = text.indexOf('\n', from);
  return at < 0 ? text.length : at;
}

const isBlank = (c: number): boolean => c === 0x20 || c === 0x09;

type StartLine =
  | { readonly kind: 'request'; readonly method: string; readonly uri: string }
  | { readonly kind: 'response'; readonly status: number; readonly reason: string };

function readStartLine(
  line: string,
  maxUriBytes: number,
): StartLine | { readonly error: SrsError; readonly method?: string } {
  if (line.slice(0, 4).toUpperCase() === 'SIP/') {
    const match = /^SIP\/2\.0[ \t]+([1-6]\d\d)(?:[ \t]+(.*))?$/i.exec(line);
    if (!match) return { error: new SrsError('SRS_SIP_MALFORMED', 'the status line cannot be read') };
    return { kind: 'response', status: Number(match[1]), reason: match[2] ?? '' };
  }
  const [method, uri, version, ...more] = line.split(/[ \t]+/);
  if (method === undefined || !TOKEN.test(method)) {
    return { error: new SrsError('SRS_SIP_MALFORMED', 'the start line has no method') };
  }
  if (uri === undefined || version === undefined || more.length > 0 || !/^[A-Za-z][A-Za-z0-9+.-]*:./.test(uri)) {
    return { method, error: new SrsError('SRS_SIP_MALFORMED', 'the request line is not method, URI and version') };
  }
  if (uri.length > maxUriBytes) {
    const facts = { status: 414 };
    return { method, error: new SrsError('SRS_SIP_TOO_LARGE', 'the Request-URI is over its limit', { facts }) };
  }
  if (version.toUpperCase() !== 'SIP/2.0') {
    const facts = version.toUpperCase().startsWith('SIP/') ? { status: 505 } : {};
    return { method, error: new SrsError('SRS_SIP_MALFORMED', 'the version is not SIP/2.0', { facts }) };
  }
  return { kind: 'request', method, uri };
}

function asPartial(method: string | undefined, headers: readonly SipHeader[]): SipRequest | undefined {
  return method === undefined ? undefined : { kind: 'request', method, uri: 'sip:unreadable', headers, body: NO_BODY };
}

function failed(code: 'SRS_SIP_MALFORMED' | 'SRS_SIP_TOO_LARGE', text: string, partial?: SipRequest): SipReading {
  return { error: new SrsError(code, text), partial };
}
