import { BlockList, isIP } from 'node:net';
import { SrsError } from '../core/errors.js';

/** `10.0.0.0/8`; a bare address is a network of one. */
export interface Network {
  readonly address: string;
  /** Bits that all its addresses share. */
  readonly prefix: number;
  readonly family: 'ipv4' | 'ipv6';
}

/** Undefined when the text is neither an address nor a CIDR range. */
export function parseNetwork(text: string): Network | undefined {
  const [address = '', prefix, ...rest] = text.split('/');
  const version = isIP(address);
  if (version === 0 || rest.length > 0) return undefined;
  const family = version === 6 ? 'ipv6' : 'ipv4';
  const bits = version === 6 ? 128 : 32;
  if (prefix === undefined) return { address, prefix: bits, family };
  return /^\d{1,3}$/.test(prefix) && Number(prefix) <= bits ? { address, prefix: Number(prefix), family } : undefined;
}

/** A set of IP networks, for allow-lists and exemptions. */
export class NetworkList {
  readonly #list = new BlockList();
  readonly #empty: boolean;

  /** @throws SrsError `SRS_CONFIG_INVALID` when an entry is neither an address nor a CIDR range */
  constructor(networks: readonly string[]) {
    this.#empty = networks.length === 0;
    for (const network of networks) {
      const parsed = parseNetwork(network);
      if (parsed === undefined) {
        throw new SrsError('SRS_CONFIG_INVALID', `"${network}" is neither an IP address nor a CIDR range`);
      }
      this.#list.addSubnet(parsed.address, parsed.prefix, parsed.family);
    }
  }

  get empty(): boolean {
    return this.#empty;
  }

  has(address: string): boolean {
    return !this.#empty && this.#list.check(address, address.includes(':') ? 'ipv6' : 'ipv4');
  }
}
