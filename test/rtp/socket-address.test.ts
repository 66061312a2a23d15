import { describe, expect, it } from 'vitest';
import { AF_INET, AF_INET6, addressText, socketAddress } from '../../src/rtp/socket-address.js';

const port = (bytes: Uint8Array | undefined): number => ((bytes?.[2] ?? 0) << 8) | (bytes?.[3] ?? 0);

describe('the address of a socket', () => {
  it.each([
    [AF_INET, '127.0.0.1', '127.0.0.1'],
    [AF_INET, '255.0.12.7', '255.0.12.7'],
    [AF_INET6, '::', '::'],
    [AF_INET6, '::1', '::1'],
    [AF_INET6, '2001:db8::', '2001:db8::'],
    [AF_INET6, '2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    [AF_INET6, '1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7:8'],
    [AF_INET6, '::ffff:192.0.2.1', '::ffff:192.0.2.1'],
    [AF_INET6, '64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
  ])('of family %i is %s in the system and %s in text', (family, text, again) => {
    const bytes = socketAddress(family, text, 40_001);
    expect(port(bytes)).toBe(40_001);
    expect(addressText(bytes ?? new Uint8Array())).toBe(again);
  });

  it('of a socket for both families holds IPv4 as a mapped address', () => {
    expect(addressText(socketAddress(AF_INET6, '192.0.2.1', 5004) ?? new Uint8Array())).toBe('::ffff:192.0.2.1');
  });

  it.each([
    [AF_INET, '::1'],
    [AF_INET, '1.2.3'],
    [AF_INET, ''],
    [AF_INET6, 'fe80::1%eth0'],
    [AF_INET6, 'example.com'],
    [AF_INET6, '1:2'],
  ])('is none of family %i for "%s"', (family, text) => {
    expect(socketAddress(family, text, 1)).toBeUndefined();
  });
});
