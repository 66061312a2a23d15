import { Buffer } from 'node:buffer';
import { type OfferedCrypto, SRTP_SUITES, type SrtpMasterKey, srtpSuiteNamed } from '../core/srtp-suite.js';

export interface ReadCrypto {
  /** Lines that can be answered, in the SRC's order of preference (RFC 4568 §5.1.1). */
  readonly usable: readonly OfferedCrypto[];
  /** Why the first of the others cannot; says nothing of their keys. */
  readonly fault?: CryptoFault;
}

export type CryptoFault = 'grammar' | 'suite' | 'key' | 'lifetime' | 'MKI' | 'session parameter';

/** Nobody offers more; a peer must not fill the memory with keys. */
const MAX_LINES = 32;
const MAX_KEYS = 16;
/** RFC 3711 §9.2: a key is good for 2^48 packets at most. */
const MAX_LIFETIME = 2n ** 48n;
/** RFC 4568 §6.1. */
const MAX_MKI_BYTES = 128;

/**
 * Reads the `a=crypto` lines of one m-line (RFC 4568 §9.1). A line of which anything cannot be kept is not usable, because half a
 * protection is none; the next one is tried. Pure, and never throws.
 */
export function readCrypto(lines: readonly string[]): ReadCrypto {
  const usable: OfferedCrypto[] = [];
  let fault: CryptoFault | undefined;
  const values = lines.filter((line) => line.startsWith('a=crypto:')).slice(0, MAX_LINES);
  for (const value of values) {
    const read = readLine(value.slice('a=crypto:'.length));
    if (typeof read === 'string') fault ??= read;
    else usable.push(read);
  }
  return { usable, ...(fault === undefined ? {} : { fault }) };
}

function readLine(value: string): OfferedCrypto | CryptoFault {
  const [tag = '', suiteText = '', keyParams = '', ...parameters] = value.trim().split(/[ \t]+/);
  if (!/^\d{1,9}$/.test(tag) || keyParams === '') return 'grammar';
  const suite = srtpSuiteNamed(suiteText);
  if (suite === undefined) return 'suite';
  if (!parameters.every(canBeKept)) return 'session parameter';
  const { keyBytes, saltBytes } = SRTP_SUITES[suite];
  const keys: SrtpMasterKey[] = [];
  for (const text of keyParams.split(';')) {
    const key = readKey(text, keyBytes, saltBytes);
    if (typeof key === 'string') return key;
    keys.push(key);
  }
  return keys.length > MAX_KEYS || !namedApart(keys) ? 'MKI' : { tag, suite, suiteText, keys };
}

/**
 * A parameter with `-` before it may be passed over (RFC 4568 §6.3.7). `WSH` only says how large a replay window the SRC would like, and
 * ours is larger than anybody asks for. Everything else changes what packets look like: other key derivation (`KDR`), no encryption, no
 * authentication, forward error correction.
 */
function canBeKept(parameter: string): boolean {
  if (parameter.startsWith('-')) return true;
  const window = /^WSH=(\d{2,6})$/i.exec(parameter)?.[1];
  return window !== undefined && Number(window) >= 64;
}

/** `inline:<base64 of key and salt>[|lifetime][|MKI:length]`. */
function readKey(text: string, keyBytes: number, saltBytes: number): SrtpMasterKey | CryptoFault {
  const [encoded = '', ...fields] = text.split('|');
  const inline = /^inline:([A-Za-z0-9+/]+={0,2})$/i.exec(encoded)?.[1];
  if (inline === undefined) return 'key';
  const bytes = Buffer.from(inline, 'base64');
  if (bytes.length !== keyBytes + saltBytes || !sameText(bytes, inline)) return 'key';
  const key = { key: Uint8Array.from(bytes.subarray(0, keyBytes)), salt: Uint8Array.from(bytes.subarray(keyBytes)) };
  bytes.fill(0);
  if (fields[0] !== undefined && !fields[0].includes(':') && !isLifetime(fields.shift() ?? '')) return 'lifetime';
  if (fields.length === 0) return key;
  const mki = fields.length === 1 ? readMki(fields[0] ?? '') : undefined;
  return mki ? { ...key, mki } : 'MKI';
}

/** Node decodes what is no base64 as well as it can; whole it is only when it comes back the same. */
function sameText(bytes: Buffer, text: string): boolean {
  return bytes.toString('base64').replace(/=+$/, '') === text.replace(/=+$/, '');
}

/** In packets, as a number or a power of two. Whoever sends must heed it; a recorder that stopped listening would only lose audio. */
function isLifetime(text: string): boolean {
  const [, power, digits = ''] = /^(2\^)?(\d{1,16})$/.exec(text) ?? [];
  if (digits === '') return false;
  if (power !== undefined) return Number(digits) <= 48;
  const packets = BigInt(digits);
  return packets > 0n && packets <= MAX_LIFETIME;
}

function readMki(text: string): Uint8Array | undefined {
  const [, value = '', length = ''] = /^(\d{1,309}):(\d{1,3})$/.exec(text) ?? [];
  const bytes = Number(length);
  if (value === '' || bytes < 1 || bytes > MAX_MKI_BYTES) return undefined;
  const digits = BigInt(value).toString(16);
  if (digits.length > 2 * bytes) return undefined;
  return Uint8Array.from(Buffer.from(digits.padStart(2 * bytes, '0'), 'hex'));
}

/** Of several keys each has a name, all of one length, and none twice (RFC 4568 §6.1). */
function namedApart(keys: readonly SrtpMasterKey[]): boolean {
  if (keys.length === 1) return true;
  const [first] = keys;
  const names = new Set(keys.map(({ mki }) => Buffer.from(mki ?? []).toString('hex')));
  return names.size === keys.length && keys.every(({ mki }) => mki?.length === first?.mki?.length);
}
