import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import type { IncomingRequest } from './incoming-request.js';
import type { SipHeader } from './message.js';
import { parseNameAddress } from './name-address.js';
import { ownedText } from './owned-text.js';
import { parseUri } from './uri.js';

interface ContactBearer {
  headers(name: string): readonly string[];
  /** A request of a peer that speaks as RFC 2543 did. */
  readonly isRfc2543?: boolean;
}

/** How requests of ours travel in a dialog: remote target and route set (RFC 3261 §12.1.1, §12.2.1.1). */
export class DialogPath {
  readonly #routes: readonly string[];
  #target: string;

  /** @throws SrsError `SRS_SIP_MALFORMED` when Contact or Record-Route cannot be read */
  constructor(invite: IncomingRequest) {
    this.#target = ownedText(contactUri(invite) ?? '');
    // A UAS keeps Record-Route in the order of the request.
    this.#routes = invite.headers('record-route').map(ownedText);
    for (const route of this.#routes) parseNameAddress(route);
  }

  /** Takes the Contact of a target refresh request, or of the 2xx to one of ours. @throws SrsError `SRS_SIP_MALFORMED` */
  refresh(message: ContactBearer): void {
    this.#target = ownedText(contactUri(message) ?? this.#target);
  }

  /** Where a request goes when no proxy asked to stay on the way. */
  get directTarget(): string | undefined {
    return this.#routes.length === 0 ? this.#target : undefined;
  }

  /** Request-URI and Route headers of a request of ours. A first route without `lr` is a strict router. */
  addressing(): { readonly uri: string; readonly routes: readonly SipHeader[]; readonly nextHop: string } {
    const [first, ...rest] = this.#routes;
    const route = (value: string): SipHeader => ({ name: 'route', value });
    if (first === undefined) return { uri: this.#target, routes: [], nextHop: this.#target };
    const nextHop = parseNameAddress(first).uri;
    if (/;\s*lr(?=[\s;=]|$)/i.test(nextHop)) return { uri: this.#target, routes: this.#routes.map(route), nextHop };
    return { uri: nextHop, routes: [...rest, `<${this.#target}>`].map(route), nextHop };
  }
}

/** Address, port and transport that a URI leads to, or undefined when its host has no address. SRV records are not asked. */
export async function resolveUri(
  uri: string,
): Promise<
  | { readonly address: string; readonly port: number; readonly transport: string | undefined; readonly name: string }
  | undefined
> {
  try {
    const { scheme, host, port, params } = parseUri(uri);
    // `sips` means TLS whatever transport it names (RFC 3261 §26.2.2).
    const transport = scheme === 'sips' ? 'tls' : params.get('transport')?.toLowerCase();
    const maddr = params.get('maddr');
    const name = maddr || host;
    const address = isIP(name) ? name : (await lookup(name)).address;
    return {
      address,
      port: port ?? (transport === 'tls' ? 5061 : 5060),
      transport,
      name,
    };
  } catch {
    return undefined;
  }
}

/**
 * The URI of the Contact, or undefined when there is none. A peer of RFC 2543 may leave it out of an INVITE, and is reached then
 * by its From and Record-Route (RFC 2543 §6.13).
 *
 * @throws SrsError `SRS_SIP_MALFORMED`
 */
export function contactUri(message: ContactBearer): string | undefined {
  const [contact] = message.headers(message.isRfc2543 && message.headers('contact').length === 0 ? 'from' : 'contact');
  if (contact === undefined) return undefined;
  const { uri } = parseNameAddress(contact);
  parseUri(uri);
  return uri;
}
