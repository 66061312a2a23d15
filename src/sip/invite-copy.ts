import { Buffer } from 'node:buffer';
import { parseMediaType } from './media-type.js';
import { findHeadEnd } from './message.js';
import { type BodyPart, splitMultipart } from './multipart.js';

/** A copy is evidence of how a call began; what is longer than any SIPREC INVITE is cut. */
const MAX_BYTES = 65_536;

/** Header fields whose values let somebody in (RFC 3261 §22), with their folded lines. */
const CREDENTIALS = /^(?:proxy-)?authorization[ \t]*:((?:[^\r\n]|\r?\n[ \t])*)/gim;
/**
 * Keys of SRTP (RFC 4568 §9.1, RFC 4567 §3.1), of media (RFC 4566 §5.12) and of ICE (RFC 8839 §5.4), and names that follow a source
 * through other calls.
 */
const KEYS = /^[ \t]*a[ \t]*=[ \t]*(?:crypto|key-mgmt|ssrc|ice-pwd)[ \t]*:([^\r\n]*)|^[ \t]*k[ \t]*=([^\r\n]*)/gim;
/** Encodings that leave the text as it is (RFC 2045 §6.2). */
const PLAIN = /^(?:7bit|8bit|binary|identity)$/i;
/** A header that names another encoding, also when it is folded. */
const ENCODED = /^content-(?:transfer-)?encoding[ \t]*:\s*(?=\S)(?!(?:7bit|8bit|binary|identity)\b)/gim;

/**
 * The message with all keys and credentials overwritten by `*`, byte for byte, so that every length in it stays true. A copy: the
 * given bytes are not touched. At most 64 KiB. Pure.
 */
export function maskedInvite(raw: Uint8Array): Uint8Array {
  const copy = Buffer.from(raw.subarray(0, MAX_BYTES));
  hideEncoded(copy);
  let text = copy.toString('latin1');
  text = text.replace(CREDENTIALS, (line, value: string) => masked(line, value));
  text = text.replace(KEYS, (line, value: string | undefined, key: string | undefined) => masked(line, value ?? key));
  return Buffer.from(text, 'latin1');
}

/** An encoded part cannot be looked into, so none of it is shown. An encoding whose part cannot be found hides the whole body. */
function hideEncoded(message: Buffer): void {
  const end = findHeadEnd(message, 0);
  if (end === undefined) return;
  const body = message.subarray(end.body);
  const hidden = hideIn({ ...headOf(message.subarray(0, end.head)), content: body, parts: [] });
  const named = message.toString('latin1').match(ENCODED)?.length ?? 0;
  if (named > hidden) hide(body);
}

/** Returns how many parts it has hidden. */
function hideIn(part: BodyPart): number {
  const encodings = ['content-transfer-encoding', 'content-encoding'].map(
    (name) => part.headers.get(name)?.trim() ?? '',
  );
  const encoded = encodings.filter((encoding) => encoding !== '' && !PLAIN.test(encoding)).length;
  if (encoded > 0) {
    hide(part.content);
    return encoded;
  }
  return partsOf(part).reduce((sum, inner) => sum + hideIn(inner), 0);
}

function partsOf({ type, content, parts }: BodyPart): readonly BodyPart[] {
  if (parts.length > 0 || !type.value.startsWith('multipart/')) return parts;
  try {
    return splitMultipart(content, type).parts;
  } catch {
    return [];
  }
}

/** Of the message's own head, what says how its body is to be read. */
function headOf(head: Uint8Array): Pick<BodyPart, 'headers' | 'type'> {
  const text = Buffer.from(head)
    .toString('latin1')
    .replace(/\r?\n[ \t]+/g, ' ');
  const value = (names: string): string | undefined =>
    new RegExp(`^(?:${names})[ \\t]*:[ \\t]*(.*)$`, 'im').exec(text)?.[1];
  const headers = new Map<string, string>();
  headers.set('content-transfer-encoding', value('content-transfer-encoding') ?? '');
  headers.set('content-encoding', value('content-encoding|e') ?? '');
  return { headers, type: parseMediaType(value('content-type|c') ?? '') };
}

/** Line breaks stay, and with them the boundaries behind the part. */
function hide(content: Uint8Array): void {
  for (const [at, byte] of content.entries()) if (byte !== 13 && byte !== 10) content[at] = 42;
}

function masked(line: string, value = ''): string {
  return line.slice(0, line.length - value.length) + stars(value);
}

/** Line breaks stay, or a folded header would become another message. */
function stars(value: string): string {
  return value.replace(/[^\r\n \t]/g, '*');
}
