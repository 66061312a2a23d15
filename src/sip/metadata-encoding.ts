import { XML_LIMITS } from './xml-element.js';

/**
 * The characters of a metadata document. RFC 7865 §5.1 says UTF-8, and what is valid UTF-8 is read as such whatever the declaration
 * says: vendors copy `iso-8859-1` into documents that never were. Other encodings go by their byte order mark, by the zeros of
 * UTF-16, or by the declaration; what nobody declared keeps its readable part. Cut at 256 KiB; never throws.
 */
export function decodeXml(bytes: Uint8Array): string {
  const cut = bytes.subarray(0, XML_LIMITS.characters);
  const whole = cut.length === bytes.length;
  return decode(cut, whole)
    .trim()
    .replace(/^\uFEFF\s*/, '')
    .replace(/\0{1,64}$/, '');
}

function decode(bytes: Uint8Array, whole: boolean): string {
  const wide = wideEncoding(bytes);
  if (wide !== undefined) return new TextDecoder(wide).decode(bytes);
  const stream = !whole;
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream });
  } catch {
    return declared(bytes)?.decode(bytes, { stream }) ?? new TextDecoder('utf-8').decode(bytes, { stream });
  }
}

/** UTF-16 by its mark, or by the zero in the first `<` or `<?`. */
function wideEncoding(bytes: Uint8Array): 'utf-16le' | 'utf-16be' | undefined {
  const [first, second] = bytes;
  if (first === 0xff && second === 0xfe) return 'utf-16le';
  if (first === 0xfe && second === 0xff) return 'utf-16be';
  if (first === 0x3c && second === 0) return 'utf-16le';
  if (first === 0 && second === 0x3c) return 'utf-16be';
  return undefined;
}

function declared(bytes: Uint8Array): { decode(input: Uint8Array, options: { stream: boolean }): string } | undefined {
  const head = Buffer.from(bytes.subarray(0, 256)).toString('latin1');
  const label = /^[^>]*?\bencoding\s{0,8}=\s{0,8}["']([\w.:-]{1,40})["']/i.exec(head)?.[1];
  if (label === undefined) return undefined;
  try {
    return new TextDecoder(label);
  } catch {
    // `latin1` written in some other way, or a name that nobody knows: every byte has a character there.
    return new TextDecoder('latin1');
  }
}
