import { BlockList, isIP } from 'node:net';
import { SrsError } from '../core/errors.js';

/** A set of IP networks, for allow-lists and exemptions. */
export class NetworkList {
  readonly #list = new BlockList();
  readonly #empty: boolean;

  /** @throws SrsError `SRS_CONFIG_INVALID` when an entry is neither an address nor a CIDR range */
  constructor(networks: readonly string[]) {
    this.#empty = networks.length === 0;
    for (const network of networks) {
      const [address = '', prefix] = network.split('/');
      const family = isIP(address);
      const bits = family === 6 ? 128 : 32;
      const length = prefix === undefined ? bits : Number(prefix);
      if (family === 0 || !Number.isInteger(length) || length < 0 || length > bits || prefix === '') {
        throw new SrsError('SRS_CONFIG_INVALID', `"${network}" is neither an IP address nor a CIDR range`);
      }
      this.#list.addSubnet(address, length, family === 6 ? 'ipv6' : 'ipv4');
    }
  }

  get empty(): boolean {
    return this.#empty;
  }

  has(address: string): boolean {
    return !this.#empty && this.#list.check(address, address.includes(':') ? 'ipv6' : 'ipv4');
  }
}
