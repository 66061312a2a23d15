import { Buffer } from 'node:buffer';

/** A copy is evidence of how a call began; what is longer than any SIPREC INVITE is cut. */
const MAX_BYTES = 65_536;

/** Header fields whose values let somebody in (RFC 3261 §22), with their folded lines. */
const CREDENTIALS = /^(?:proxy-)?authorization[ \t]*:((?:[^\r\n]|\r?\n[ \t])*)/gim;
/** Keys of SRTP (RFC 4568 §9.1, RFC 4567 §3.1), of media (RFC 4566 §5.12), and names that follow a source through other calls. */
const KEYS = /^a[ \t]*=[ \t]*(?:crypto|key-mgmt|ssrc)[ \t]*:([^\r\n]*)|^k[ \t]*=([^\r\n]*)/gim;
/** An encoded part cannot be looked into, so none of it is shown. */
const ENCODED = /^content-transfer-encoding[ \t]*:[ \t]*(?:base64|quoted-printable)/im;
const LONG_LINE = /^[A-Za-z0-9+/=]{16,}[ \t]*$/gm;

/**
 * The message with all keys and credentials overwritten by `*`, byte for byte, so that every length in it stays true. A copy: the
 * given bytes are not touched. At most 64 KiB. Pure.
 */
export function maskedInvite(raw: Uint8Array): Uint8Array {
  const bytes = Buffer.from(raw.buffer, raw.byteOffset, Math.min(raw.byteLength, MAX_BYTES));
  let text = bytes.toString('latin1');
  text = text.replace(CREDENTIALS, (line, value: string) => masked(line, value));
  text = text.replace(KEYS, (line, value: string | undefined, key: string | undefined) => masked(line, value ?? key));
  if (ENCODED.test(text)) text = text.replace(LONG_LINE, (line) => stars(line));
  return Buffer.from(text, 'latin1');
}

function masked(line: string, value = ''): string {
  return line.slice(0, line.length - value.length) + stars(value);
}

/** Line breaks stay, or a folded header would become another message. */
function stars(value: string): string {
  return value.replace(/[^\r\n \t]/g, '*');
}
