import { Buffer } from 'node:buffer';
import { randomInt } from 'node:crypto';
import { isIP } from 'node:net';
import { DialogPath, resolveUri } from './dialog-path.js';
import type { IncomingRequest } from './incoming-request.js';
import { headerValues, type SipHeader, type SipRequest, type SipResponse, serializeSipMessage } from './message.js';
import { ownedText } from './owned-text.js';
import { reasonHeader } from './reason-header.js';
import type { OutgoingPath, SipCore } from './sip-core.js';
import type { Endpoint, SipTransport } from './transport.js';
import { parseUri } from './uri.js';

const NO_BODY = new Uint8Array(0);
/** Over this a request goes by a transport with congestion control (RFC 3261 §18.1.1); the Via to come is counted with it. */
const MAX_DATAGRAM_BYTES = 1_300;
const VIA_BYTES = 120;

/** Where the peer was heard from, and what it calls itself. */
interface Heard {
  readonly transport: SipTransport;
  readonly source: Endpoint;
  readonly connection: number | undefined;
  readonly peer: string | undefined;
  /** The host of its topmost Via. */
  readonly sentBy: string;
}

/** Requests of ours inside a dialog (RFC 3261 §12.2.1). */
export class DialogSender {
  readonly #core: SipCore;
  readonly #path: DialogPath;
  readonly #localHost: string;
  readonly #callId: string;
  readonly #localParty: string;
  readonly #remoteParty: string;
  #heard: Heard;
  #cseq = randomInt(1, 2 ** 16);

  /** @throws SrsError `SRS_SIP_MALFORMED` when Contact or Record-Route cannot be read */
  constructor(core: SipCore, invite: IncomingRequest, localTag: string, localHost: string) {
    this.#core = core;
    this.#path = new DialogPath(invite);
    this.#localHost = localHost;
    this.#callId = ownedText(invite.callId);
    this.#localParty = ownedText(`${invite.header('to')};tag=${localTag}`);
    this.#remoteParty = ownedText(invite.header('from') ?? '');
    this.#heard = heardFrom(invite);
  }

  /** The peer was heard from here; its connection, or its port in a NAT, is the way back. */
  heard(request: IncomingRequest): void {
    this.#heard = heardFrom(request);
  }

  /** Whether requests of ours go by this connection as long as it is open. */
  goesBy(transport: SipTransport, connection: number): boolean {
    return this.#heard.transport === transport && this.#heard.connection === connection;
  }

  /** The Contact of a target refresh. @throws SrsError `SRS_SIP_MALFORMED` */
  retarget(request: IncomingRequest): void {
    this.#path.refresh(request);
  }

  /**
   * Resolves with the final response. Each 2xx to an INVITE is acknowledged here, and the Contact of a 2xx is the new target.
   *
   * @param wanted asked before another way is tried: the call may be over by then
   * @throws SrsError `SRS_SIP_TIMEOUT`, or what the transport said
   */
  async send(
    method: string,
    extra: readonly SipHeader[],
    body?: string,
    wanted: () => boolean = () => true,
  ): Promise<SipResponse> {
    const cseq = ++this.#cseq;
    const { request, nextHop } = this.#compose(method, cseq, extra, body === undefined ? NO_BODY : Buffer.from(body));
    const bytes = serializeSipMessage(request).length + VIA_BYTES;
    const stream = bytes > MAX_DATAGRAM_BYTES ? await this.#streamFor(nextHop) : undefined;
    if (stream !== undefined) {
      try {
        return await this.#exchange(request, cseq, stream);
      } catch (error) {
        if (!wanted()) throw error;
        // RFC 3261 §18.1.1: a peer that takes no connection gets the large datagram all the same.
        this.#core.options.logger.info({ callId: this.#callId, method, err: error }, 'large request goes by UDP');
      }
    }
    return this.#exchange(request, cseq, await this.#outgoing(nextHop));
  }

  /** @param text for the Reason header (RFC 3326) */
  async sendBye(text: string | undefined): Promise<void> {
    await this.send('BYE', text === undefined ? [] : [{ name: 'reason', value: reasonHeader(text) }]);
  }

  async #exchange(request: SipRequest, cseq: number, path: OutgoingPath): Promise<SipResponse> {
    let repeatAck: (() => void) | undefined;
    let acknowledging = false;
    const accepted = (response: SipResponse): void => {
      if (repeatAck !== undefined) repeatAck();
      else if (!acknowledging) {
        acknowledging = true;
        void this.#acknowledge(cseq, response).then((repeat) => {
          repeatAck = repeat;
        });
      }
    };
    const invite = request.method === 'INVITE';
    const response = await this.#core.request(request, path, invite ? accepted : undefined);
    if (!invite && response.status < 300 && request.method === 'UPDATE') this.#follow(response);
    return response;
  }

  /** The ACK to a 2xx is a request of the dialog like any other (RFC 3261 §13.2.2.4). */
  async #acknowledge(cseq: number, response: SipResponse): Promise<() => void> {
    this.#follow(response);
    const { request, nextHop } = this.#compose('ACK', cseq, [], NO_BODY);
    return this.#core.acknowledge(request, await this.#outgoing(nextHop));
  }

  #follow(response: SipResponse): void {
    try {
      this.#path.refresh({ headers: (name) => headerValues(response, name) });
    } catch {
      // A Contact that cannot be read leaves the target as it was.
    }
  }

  #compose(method: string, cseq: number, extra: readonly SipHeader[], body: Uint8Array) {
    const { uri, routes, nextHop } = this.#path.addressing();
    const headers: SipHeader[] = [
      ...routes,
      { name: 'max-forwards', value: '70' },
      { name: 'from', value: this.#localParty },
      { name: 'to', value: this.#remoteParty },
      { name: 'call-id', value: this.#callId },
      { name: 'cseq', value: `${cseq} ${method}` },
      { name: 'user-agent', value: this.#core.options.serverName },
      ...extra,
    ];
    const request: SipRequest = { kind: 'request', method, uri, headers, body };
    return { request, nextHop };
  }

  /** The connection of the dialog when it is open; the source of its last request when the URI leads nowhere or into a NAT. */
  async #outgoing(nextHop: string): Promise<OutgoingPath> {
    const { transport: heardOn, source, connection, peer, sentBy } = this.#heard;
    const resolved = this.#behindNat() ? undefined : await resolveUri(nextHop);
    const { address, port } = resolved ?? source;
    // What came in by TLS never goes out in the clear, whatever Contact says.
    const wanted = heardOn.kind === 'tls' ? 'tls' : (resolved?.transport ?? heardOn.kind);
    const other = wanted === heardOn.kind ? undefined : this.#core.transports.find(({ kind }) => kind === wanted);
    const place = { address, port, ...(resolved === undefined ? {} : { name: resolved.name }) };
    if (other !== undefined) return { transport: other, target: place, localHost: this.#localHost };
    const known = peer === undefined ? { sentBy } : { sentBy, peer };
    const target = connection === undefined ? place : { ...place, connection, ...known };
    return { transport: heardOn, target, localHost: this.#localHost };
  }

  /** The way of a large request that would go by UDP, or undefined when there is no other way. */
  async #streamFor(nextHop: string): Promise<OutgoingPath | undefined> {
    const { transport, target } = await this.#outgoing(nextHop);
    const tcp = this.#core.transports.find(({ kind }) => kind === 'tcp');
    if (transport.kind !== 'udp' || tcp === undefined || this.#behindNat()) return undefined;
    if (/;\s*transport\s*=/i.test(nextHop)) return undefined;
    return { transport: tcp, target, localHost: this.#localHost };
  }

  /**
   * Whether Contact names an address that leads nowhere from here: the one that the peer put in Via while its packets come from
   * another (RFC 3581), or a private one of a peer that is heard from a public address. A Record-Route is believed.
   */
  #behindNat(): boolean {
    const { directTarget } = this.#path;
    if (directTarget === undefined) return false;
    const { source, sentBy } = this.#heard;
    let host: string;
    try {
      host = parseUri(directTarget).host;
    } catch {
      return true;
    }
    if (isIP(host) === 0 || host === source.address) return false;
    return host === sentBy || (isPrivate(host) && !isPrivate(source.address));
  }
}

/** A dialog lives for hours and must not keep its INVITE's bytes alive. */
function heardFrom({ arrival, via }: IncomingRequest): Heard {
  const { transport, source, connection, peer } = arrival;
  const sentBy = via.host === source.address ? source.address : ownedText(via.host);
  return { transport, source: { address: source.address, port: source.port }, connection, peer, sentBy };
}

/** RFC 1918, RFC 6598, RFC 3927, RFC 4193 and link-local IPv6. */
function isPrivate(address: string): boolean {
  if (address.includes(':')) return /^(?:f[cd]|fe[89ab])/i.test(address);
  const [a = 0, b = 0] = address.split('.').map(Number);
  if (a === 10 || a === 127) return true;
  if (a === 172) return b >= 16 && b < 32;
  return (a === 192 && b === 168) || (a === 169 && b === 254) || (a === 100 && b >= 64 && b < 128);
}
