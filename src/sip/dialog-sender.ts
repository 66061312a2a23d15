import { randomInt } from 'node:crypto';
import { DialogPath, resolveUri } from './dialog-path.js';
import type { IncomingRequest } from './incoming-request.js';
import type { SipHeader, SipResponse } from './message.js';
import type { OutgoingPath, SipCore } from './sip-core.js';
import type { SipArrival } from './transport.js';

const NO_BODY = new Uint8Array(0);

/** Requests of ours inside a dialog (RFC 3261 §12.2.1). */
export class DialogSender {
  readonly #core: SipCore;
  readonly #path: DialogPath;
  readonly #localHost: string;
  readonly #callId: string;
  readonly #localParty: string;
  readonly #remoteParty: string;
  #arrival: SipArrival;
  #cseq = randomInt(1, 2 ** 16);

  /** @throws SrsError `SRS_SIP_MALFORMED` when Contact or Record-Route cannot be read */
  constructor(core: SipCore, invite: IncomingRequest, localTag: string, localHost: string) {
    this.#core = core;
    this.#path = new DialogPath(invite);
    this.#localHost = localHost;
    this.#callId = invite.callId;
    this.#localParty = `${invite.header('to')};tag=${localTag}`;
    this.#remoteParty = invite.header('from') ?? '';
    this.#arrival = withoutBytes(invite.arrival);
  }

  /** The peer was heard from here; its connection is the way back. */
  heard(request: IncomingRequest): void {
    this.#arrival = withoutBytes(request.arrival);
  }

  /** The Contact of a target refresh. @throws SrsError `SRS_SIP_MALFORMED` */
  retarget(request: IncomingRequest): void {
    this.#path.refresh(request);
  }

  /** Resolves with the final response. @throws SrsError `SRS_SIP_TIMEOUT`, or what the transport said */
  async send(method: string, extra: readonly SipHeader[]): Promise<SipResponse> {
    const { uri, routes, nextHop } = this.#path.addressing();
    const cseq = ++this.#cseq;
    const path = await this.#outgoing(nextHop);
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
    return this.#core.request({ kind: 'request', method, uri, headers, body: NO_BODY }, path);
  }

  /** The connection of the dialog when it is open; the source of its last request when the URI leads nowhere. */
  async #outgoing(nextHop: string): Promise<OutgoingPath> {
    const { transport: heardOn, source, connection } = this.#arrival;
    const resolved = await resolveUri(nextHop);
    const { address, port } = resolved ?? source;
    const wanted = resolved?.transport ?? heardOn.kind;
    const other = wanted === heardOn.kind ? undefined : this.#core.transports.find(({ kind }) => kind === wanted);
    if (other !== undefined) return { transport: other, target: { address, port }, localHost: this.#localHost };
    const target = connection === undefined ? { address, port } : { address, port, connection };
    return { transport: heardOn, target, localHost: this.#localHost };
  }
}

/** A dialog lives for hours and must not keep its INVITE's bytes alive. */
function withoutBytes(arrival: SipArrival): SipArrival {
  return { ...arrival, bytes: NO_BODY };
}
