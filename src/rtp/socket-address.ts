import { isIPv4, isIPv6, SocketAddress } from 'node:net';

/** Linux. */
export const AF_INET = 2;
export const AF_INET6 = 10;
/** Of `struct sockaddr_in6`, which is the longer one. */
export const SOCKADDR_BYTES = 28;

/**
 * Writes an IP address and a port as `struct sockaddr_in` or `sockaddr_in6`. A socket for both families takes IPv4 addresses as mapped
 * ones (RFC 4291 §2.5.5.2). Undefined for what is no IP address of the family, or carries a zone.
 */
export function socketAddress(family: number, address: string, port: number): Uint8Array | undefined {
  if (family === AF_INET) {
    if (!isIPv4(address)) return undefined;
    return Uint8Array.of(AF_INET, 0, port >> 8, port & 0xff, ...address.split('.').map(Number), 0, 0, 0, 0, 0, 0, 0, 0);
  }
  const groups = ipv6Groups(isIPv4(address) ? `::ffff:${address}` : address);
  if (!groups) return undefined;
  const bytes = new Uint8Array(SOCKADDR_BYTES);
  const view = new DataView(bytes.buffer);
  bytes[0] = AF_INET6;
  view.setUint16(2, port);
  for (const [at, group] of groups.entries()) view.setUint16(8 + 2 * at, group);
  return bytes;
}

/** The eight numbers of an IPv6 address (RFC 4291 §2.2). */
function ipv6Groups(address: string): number[] | undefined {
  if (!isIPv6(address) || address.includes('%')) return undefined;
  // The last two may be written as IPv4.
  const plain = address.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_all, ...parts: string[]) => {
    const [a = 0, b = 0, c = 0, d = 0] = parts.slice(0, 4).map(Number);
    return `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
  });
  const [before = [], after] = plain.split('::').map((half) =>
    half
      .split(':')
      .filter((group) => group !== '')
      .map((group) => Number.parseInt(group, 16)),
  );
  return after ? [...before, ...new Array<number>(8 - before.length - after.length).fill(0), ...after] : before;
}

/** The address in `struct sockaddr_in` or `sockaddr_in6` as Node writes it. */
export function addressText(bytes: Uint8Array): string {
  if (bytes[0] === AF_INET) return bytes.subarray(4, 8).join('.');
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const groups = Array.from({ length: 8 }, (_, at) => view.getUint16(8 + 2 * at).toString(16));
  return new SocketAddress({ address: groups.join(':'), family: 'ipv6' }).address;
}
