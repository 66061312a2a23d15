import { SrsError } from '../core/errors.js';
import { type MediaType, parseMediaType } from './media-type.js';

/** One part of a multipart body (RFC 2046 §5.1). */
export interface BodyPart {
  /** Lower-case names; folded lines are joined. The first of a repeated name wins. */
  readonly headers: ReadonlyMap<string, string>;
  readonly type: MediaType;
  /** A view of the given bytes, never a copy. */
  readonly content: Uint8Array;
  /** The parts of a nested multipart, else empty. */
  readonly parts: readonly BodyPart[];
}

export interface MultipartBody {
  readonly parts: readonly BodyPart[];
  /** False when a closing boundary is missing or the declared boundary had to be replaced by the one that is there. */
  readonly intact: boolean;
}

const MAX_PARTS = 32;
const MAX_DEPTH = 4;
const MAX_HEADER_BYTES = 8192;
/** RFC 2046 allows 70; more is tolerated up to here. */
const MAX_BOUNDARY = 200;

const LF = 10;
const CR = 13;
const SPACE = 32;
const TAB = 9;
const DASH = 45;

/** The type of a part that names none is left empty, so that the reader sniffs instead of trusting text/plain. */
const NO_TYPE = parseMediaType('');

/**
 * Splits a multipart body on its bytes; line ends are never rewritten, because a rewritten body no longer has the length that
 * its headers say. Takes boundaries with trailing blanks, bare LF, a missing closing boundary, a missing blank line after the
 * part headers, and ignores preamble, epilogue and a Content-Length inside parts.
 *
 * Pure. Throws `SRS_SIP_TOO_LARGE` for more than 32 parts or more than 4 levels, `SRS_SIP_MALFORMED` when no boundary is found.
 */
export function splitMultipart(body: Uint8Array, type: MediaType): MultipartBody {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  return split(bytes, type, 1, { parts: 0 });
}

interface Delimiter {
  readonly start: number;
  /** First byte after the delimiter line. */
  readonly end: number;
  readonly closing: boolean;
}

function split(body: Buffer, type: MediaType, depth: number, count: { parts: number }): MultipartBody {
  if (depth > MAX_DEPTH) throw new SrsError('SRS_SIP_TOO_LARGE', `multipart body nested deeper than ${MAX_DEPTH}`);
  let intact = true;
  let boundary = (type.parameters.get('boundary') ?? '').trimEnd().slice(0, MAX_BOUNDARY);
  let delimiters = boundary === '' ? [] : findDelimiters(body, boundary);
  if (delimiters.length === 0) {
    boundary = sniffBoundary(body);
    delimiters = boundary === '' ? [] : findDelimiters(body, boundary);
    intact = false;
  }
  if (delimiters.length === 0) throw new SrsError('SRS_SIP_MALFORMED', 'multipart body without a boundary line');
  const parts: BodyPart[] = [];
  for (const [i, delimiter] of delimiters.entries()) {
    if (delimiter.closing) break;
    const next = delimiters[i + 1];
    if (!next) intact = false;
    count.parts += 1;
    if (count.parts > MAX_PARTS) throw new SrsError('SRS_SIP_TOO_LARGE', `more than ${MAX_PARTS} body parts`);
    const end = next ? beforeLineBreak(body, next.start) : withoutCutBoundary(body, boundary);
    const part = readPart(body.subarray(delimiter.end, Math.max(delimiter.end, end)), depth, count);
    parts.push(part.part);
    intact &&= part.intact;
  }
  return { parts, intact };
}

/** Boundary lines: at a line start, then only `--` and blanks. Nothing after the closing one is looked at. */
function findDelimiters(body: Buffer, boundary: string): Delimiter[] {
  const marker = Buffer.from(`--${boundary}`, 'latin1');
  const found: Delimiter[] = [];
  for (let at = body.indexOf(marker); at !== -1; at = body.indexOf(marker, at + 1)) {
    const before = body[at - 1];
    if (at > 0 && before !== LF && before !== CR) continue;
    let after = at + marker.length;
    const closing = body[after] === DASH && body[after + 1] === DASH;
    if (closing) after += 2;
    while (body[after] === SPACE || body[after] === TAB) after += 1;
    const last = body[after];
    if (last !== undefined && last !== CR && last !== LF) continue;
    if (last === CR) after += 1;
    if (body[after] === LF) after += 1;
    found.push({ start: at, end: Math.min(after, body.length), closing });
    if (closing || found.length > MAX_PARTS + 1) break;
  }
  return found;
}

/** The line break before a boundary belongs to the boundary (RFC 2046 §5.1.1). */
function beforeLineBreak(body: Buffer, at: number): number {
  let end = at;
  if (body[end - 1] === LF) end -= 1;
  if (body[end - 1] === CR) end -= 1;
  return end;
}

/** Where the last part ends when no closing boundary came: a boundary line that was cut short is not content. */
function withoutCutBoundary(body: Buffer, boundary: string): number {
  const lastLine = Math.max(body.lastIndexOf(LF), body.lastIndexOf(CR)) + 1;
  const tail = body.toString('latin1', lastLine);
  const cut = tail.length > 0 && tail.length <= boundary.length + 4 && `--${boundary}--`.startsWith(tail);
  return cut ? beforeLineBreak(body, lastLine) : body.length;
}

/** The first line that looks like a boundary, for bodies whose header names another or none. */
function sniffBoundary(body: Buffer): string {
  const match = /(?:^|[\r\n])--([^\s-][^\r\n]{0,199}?)[ \t]*(?:[\r\n]|$)/.exec(
    body.toString('latin1', 0, MAX_HEADER_BYTES),
  );
  return match?.[1] ?? '';
}

function readPart(bytes: Buffer, depth: number, count: { parts: number }): { part: BodyPart; intact: boolean } {
  const { headers, contentAt } = readHeaders(bytes);
  const content = bytes.subarray(contentAt);
  const header = headers.get('content-type');
  const type = header === undefined ? NO_TYPE : parseMediaType(header);
  if (!type.value.startsWith('multipart/')) return { part: { headers, type, content, parts: [] }, intact: true };
  const nested = split(content, type, depth + 1, count);
  return { part: { headers, type, content, parts: nested.parts }, intact: nested.intact };
}

const HEADER_LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*:[ \t]*(.*)$/;

/**
 * Part headers end at a blank line, or at the first line that cannot be a header: the example of RFC 8068 §3.2.4 itself
 * leaves the blank line out.
 */
function readHeaders(bytes: Buffer): { headers: Map<string, string>; contentAt: number } {
  const headers = new Map<string, string>();
  let at = 0;
  let last: string | undefined;
  while (at < bytes.length && at < MAX_HEADER_BYTES) {
    const newline = bytes.indexOf(LF, at);
    const next = newline === -1 ? bytes.length : newline + 1;
    // A line longer than all headers together is content; it is not even decoded.
    if (next - at > MAX_HEADER_BYTES) break;
    const line = bytes.toString('utf8', at, next).trimEnd();
    if (line === '') return { headers, contentAt: next };
    const match = HEADER_LINE.exec(line);
    const folded = /^[ \t]/.test(line);
    if (match) {
      last = (match[1] ?? '').toLowerCase();
      if (headers.has(last)) last = undefined;
      else headers.set(last, match[2] ?? '');
    } else if (folded && headers.size > 0) {
      if (last !== undefined) headers.set(last, `${headers.get(last) ?? ''} ${line.trim()}`);
    } else {
      break;
    }
    at = next;
  }
  return { headers, contentAt: at };
}
