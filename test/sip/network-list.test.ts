import { describe, expect, it } from 'vitest';
import { cidrList } from '../../config/formats.js';
import { NetworkList } from '../../src/sip/network-list.js';

describe('a list of networks', () => {
  it.each([
    '10.0.0.0/8/9',
    '10.0.0.0/',
    '10.0.0.0/33',
    '10.0.0.0/ 8',
    '10.0.0.0/1e1',
    '10.0.0.0/0x8',
    '::/129',
    'host/8',
  ])('takes %j neither here nor in the configuration', (text) => {
    expect(() => new NetworkList([text])).toThrow('neither an IP address nor a CIDR range');
    expect(cidrList.parse(text)).toBeUndefined();
  });

  it('holds the addresses of its networks, and a bare address for itself', () => {
    const list = new NetworkList(['10.0.0.0/8', '192.0.2.1', '2001:db8::/32', '::1']);
    const held = ['10.255.0.1', '192.0.2.1', '2001:db8:ffff::1', '::1'];
    expect([...held, '11.0.0.1', '192.0.2.2', '2001:db9::1', '::2'].filter((each) => list.has(each))).toEqual(held);
    expect([list.empty, new NetworkList([]).empty, new NetworkList([]).has('10.0.0.1')]).toEqual([false, true, false]);
  });
});
