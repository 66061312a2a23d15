import { isIP, isIPv6, SocketAddress } from 'node:net';
import { checkServerIdentity, type PeerCertificate } from 'node:tls';

/** Who a certificate says its holder is. Names of hosts are lower case. */
export interface PeerIdentity {
  readonly dns: readonly string[];
  readonly uris: readonly string[];
  readonly addresses: readonly string[];
}

/**
 * Reads `subjectAltName` as Node writes it: `DNS:sbc.example.com, URI:sip:example.com, IP Address:192.0.2.1`. Node puts a value with
 * characters that could be taken for another entry into the quotes of JSON. Other kinds of names, and the common name, are not looked
 * at (RFC 5922 §7.1, RFC 9525 §2).
 */
export function readIdentity(subjectAltName: string | undefined): PeerIdentity {
  const dns: string[] = [];
  const uris: string[] = [];
  const addresses: string[] = [];
  const entry = /(?:^|, )([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^,"]*)/gy;
  for (const [, kind, written = ''] of (subjectAltName ?? '').matchAll(entry)) {
    const value = unquoted(written);
    if (value === undefined) continue;
    if (kind === 'DNS') dns.push(plainName(value));
    else if (kind === 'URI') uris.push(value);
    else if (kind === 'IP Address' && isIP(value) !== 0) addresses.push(plainIp(value));
  }
  return { dns, uris, addresses };
}

/**
 * Whether one of the wanted names is in the certificate.
 *
 * A wanted IP address is compared with the addresses, a wanted `sip:` or `sips:` URI with the URIs, any other name with the DNS names
 * and the hosts of `sip:` URIs without a user, which are the SIP domains of RFC 5922 §7.1. `*.example.com` as a wanted name stands for
 * one label. A wildcard in the certificate stands for nothing but itself (RFC 5922 §7.2).
 */
export function hasName(identity: PeerIdentity, wanted: readonly string[]): boolean {
  const domains = [...identity.dns, ...identity.uris.flatMap(sipDomain)];
  return wanted.some((name) => {
    if (isIP(name) !== 0) return identity.addresses.includes(plainIp(name));
    if (/^sips?:/i.test(name)) return identity.uris.some((uri) => plainUri(uri) === plainUri(name));
    const pattern = plainName(name);
    return domains.some((domain) => domain === pattern || matchesLabel(domain, pattern));
  });
}

/**
 * What is wrong with the certificate of a server at this host, or undefined. Node's own error carries the whole certificate and names
 * of it in its message; only its code is kept, because errors go into the log.
 */
export function hostProblem(host: string, certificate: PeerCertificate): Error | undefined {
  const problem: (Error & { readonly code?: string }) | undefined = checkServerIdentity(host, certificate);
  if (problem === undefined) return undefined;
  const { code = 'ERR_TLS_CERT_ALTNAME_INVALID' } = problem;
  return Object.assign(new Error('the certificate is not that of the host'), { code });
}

function matchesLabel(domain: string, pattern: string): boolean {
  if (!pattern.startsWith('*.')) return false;
  const dot = domain.indexOf('.');
  return dot > 0 && domain.slice(dot) === pattern.slice(1);
}

function sipDomain(uri: string): string[] {
  const host = /^sips?:([^@;?:/[\]]+)(?::\d+)?$/i.exec(uri)?.[1];
  return host === undefined ? [] : [plainName(host)];
}

/** Scheme and host are compared without case, the user with it (RFC 3261 §19.1.4). */
function plainUri(uri: string): string {
  const at = uri.lastIndexOf('@');
  if (at < 0) return uri.toLowerCase();
  const colon = uri.indexOf(':') + 1;
  return uri.slice(0, colon).toLowerCase() + uri.slice(colon, at) + uri.slice(at).toLowerCase();
}

function plainName(name: string): string {
  return name.toLowerCase().replace(/\.$/, '');
}

/** One spelling for each address. */
function plainIp(address: string): string {
  return isIPv6(address) ? new SocketAddress({ address, family: 'ipv6' }).address : address;
}

function unquoted(written: string): string | undefined {
  if (!written.startsWith('"')) return written;
  try {
    const value: unknown = JSON.parse(written);
    return typeof value === 'string' ? value : undefined;
  } catch {
    return undefined;
  }
}
