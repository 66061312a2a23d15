import { isIP, SocketAddress } from 'node:net';

/**
 * An IP address in the one form in which two texts of it are equal: the system's. IPv4 that a socket for both families has mapped into
 * IPv6 (RFC 4291 §2.5.5.2) is IPv4. Undefined for names and for addresses that mean nobody, such as those of a hold (RFC 3264 §8.4).
 */
export function canonicalAddress(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const family = isIP(text);
  if (family === 0) return undefined;
  const address = family === 4 ? text : new SocketAddress({ address: text, family: 'ipv6' }).address;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address);
  const plain = mapped?.[1] ?? address;
  return plain === '0.0.0.0' || plain === '::' ? undefined : plain;
}
