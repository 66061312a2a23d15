import { BlockList, isIPv4 } from 'node:net';
import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os';

type Interfaces = Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>>;

/**
 * Our address as a peer would reach us, for a server bound to every address: the interface in the peer's network, else the first
 * that is not loopback. Behind NAT this is not what the peer needs; that is what `EXTERNAL_IP` is for.
 *
 * @param peer IPv4 or IPv6 address of the peer
 */
export function localAddressTowards(peer: string, interfaces: Interfaces = networkInterfaces()): string {
  const family = isIPv4(peer) ? 'IPv4' : 'IPv6';
  const candidates = Object.values(interfaces)
    .flatMap((addresses) => addresses ?? [])
    .filter((info) => info.family === family);
  const sameNetwork = candidates.find((info) => contains(info, peer));
  const outward = candidates.find((info) => !info.internal);
  return (
    sameNetwork?.address ?? outward?.address ?? candidates[0]?.address ?? (family === 'IPv4' ? '127.0.0.1' : '::1')
  );
}

function contains(info: NetworkInterfaceInfo, peer: string): boolean {
  const prefix = Number(info.cidr?.split('/')[1]);
  if (!Number.isInteger(prefix)) return info.address === peer;
  const family = info.family === 'IPv4' ? 'ipv4' : 'ipv6';
  const network = new BlockList();
  network.addSubnet(info.address, prefix, family);
  return network.check(peer, family);
}
