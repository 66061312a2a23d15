import { describe, expect, it } from 'vitest';
import { localAddressTowards } from '../../src/core/local-address.js';

const info = (address: string, cidr: string, internal = false, family: 'IPv4' | 'IPv6' = 'IPv4') =>
  ({ address, cidr, internal, family, netmask: '', mac: '', scopeid: 0 }) as Parameters<
    typeof localAddressTowards
  >[1] extends Readonly<Record<string, readonly (infer I)[] | undefined>> | undefined
    ? I
    : never;

const interfaces = {
  lo: [info('127.0.0.1', '127.0.0.1/8', true), info('::1', '::1/128', true, 'IPv6')],
  eth0: [info('192.0.2.10', '192.0.2.10/24')],
  eth1: [info('198.51.100.7', '198.51.100.7/25'), info('2001:db8::7', '2001:db8::7/64', false, 'IPv6')],
};

describe('our address towards a peer', () => {
  it.each([
    ['127.0.0.5', '127.0.0.1'],
    ['192.0.2.77', '192.0.2.10'],
    ['198.51.100.100', '198.51.100.7'],
    ['203.0.113.9', '192.0.2.10'],
    ['2001:db8::99', '2001:db8::7'],
  ])('for %s is %s', (peer, address) => {
    expect(localAddressTowards(peer, interfaces)).toBe(address);
  });
});
