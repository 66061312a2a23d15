import { isIPv6 } from 'node:net';

/**
 * What counts as one peer for limits: an IPv4 address, or the /64 of an IPv6 address, because whoever has one address of it has
 * them all (RFC 4291 §2.5.1).
 */
export function peerKey(address: string): string {
  if (!address.includes(':')) return address;
  const plain = address.split('%')[0] ?? '';
  if (!isIPv6(plain)) return address;
  const [head = '', tail] = plain.toLowerCase().split('::');
  const left = head === '' ? [] : head.split(':');
  if (tail !== undefined) {
    const right = tail === '' ? [] : tail.split(':');
    // An address that ends in dotted form has one group less than it counts.
    const groups = right.length + (plain.includes('.') ? 1 : 0);
    while (left.length + groups < 8) left.push('0');
    left.push(...right);
  }
  return left
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':');
}
