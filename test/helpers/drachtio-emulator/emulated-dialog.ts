import { token } from '../../../src/core/ids.js';
import type { Scope } from '../../../src/core/scope.js';
import { ClientTransaction } from '../../../src/sip/client-transaction.js';
import { DialogPath, resolveUri } from '../../../src/sip/dialog-path.js';
import type { IncomingRequest } from '../../../src/sip/incoming-request.js';
import { type SipHeader, type SipRequest, type SipResponse, serializeSipMessage } from '../../../src/sip/message.js';
import { Retransmission } from '../../../src/sip/retransmission.js';
import type { ServerTransaction } from '../../../src/sip/server-transaction.js';
import { type SipTimers, transactionLifetimeMs } from '../../../src/sip/sip-timers.js';
import type { SipTarget } from '../../../src/sip/transport.js';
import type { ControlClient } from './control-port.js';
import { dialogId } from './frames.js';

export interface EmulatedDialogOptions {
  readonly invite: IncomingRequest;
  readonly localTag: string;
  readonly owner: ControlClient;
  readonly scope: Scope;
  readonly timers: SipTimers;
  /** Nobody acknowledged the 2xx, or nobody refreshed the session. */
  readonly onDead: (dialog: EmulatedDialog, reason: string) => void;
}

/** What drachtio-server keeps of a dialog whose INVITE it received. */
export class EmulatedDialog {
  readonly id: string;
  readonly owner: ControlClient;
  readonly localTag: string;
  readonly invite: IncomingRequest;
  readonly #options: EmulatedDialogOptions;
  readonly #path: DialogPath;
  /** What ends the repetition of a 2xx, by CSeq. */
  readonly #deliveries = new Map<number, () => void>();
  #cancelExpiry = (): void => {};
  #latest: IncomingRequest;
  #cseq = 1_000;
  #inviteCSeq = 0;
  #ack: (() => void) | undefined;

  constructor(options: EmulatedDialogOptions) {
    this.#options = options;
    this.invite = options.invite;
    this.#latest = options.invite;
    this.owner = options.owner;
    this.localTag = options.localTag;
    this.id = dialogId(options.invite);
    this.#path = new DialogPath(options.invite);
  }

  /** A 2xx to an INVITE was sent and is repeated until its ACK. */
  answered(request: IncomingRequest, transaction: ServerTransaction): void {
    const { scope, timers, onDead } = this.#options;
    const { number } = request.cseq;
    this.#deliveries.get(number)?.();
    const repeat = new Retransmission(scope, () => transaction.repeatFinal(), timers.t1Ms, timers.t2Ms);
    const cancel = scope.timeout(() => {
      repeat.stop();
      onDead(this, 'ACK timeout');
    }, transactionLifetimeMs(timers));
    this.#deliveries.set(number, () => {
      repeat.stop();
      cancel();
    });
  }

  heard(request: IncomingRequest): void {
    this.#latest = request;
    if (request.method === 'INVITE' || request.method === 'UPDATE') this.#path.refresh(request);
  }

  acknowledged(request: IncomingRequest): void {
    this.#deliveries.get(request.cseq.number)?.();
  }

  /** The session ends by BYE when it is not refreshed in time. */
  expireAfter(ms: number): void {
    this.#cancelExpiry();
    this.#cancelExpiry = this.#options.scope.timeout(() => this.#options.onDead(this, 'Session timer expired'), ms);
  }

  end(): void {
    this.#cancelExpiry();
    for (const stop of this.#deliveries.values()) stop();
  }

  /** A request of the application, or of drachtio-server itself, as it goes out. */
  async build(method: string, headers: readonly SipHeader[], body: Uint8Array): Promise<SipRequest> {
    const { uri, routes } = this.#path.addressing();
    const cseq = method === 'ACK' ? this.#inviteCSeq : ++this.#cseq;
    if (method === 'INVITE') this.#inviteCSeq = cseq;
    const { transport } = this.#latest.arrival;
    const via = `SIP/2.0/${transport.kind.toUpperCase()} ${transport.address.host}:${transport.address.port}`;
    return {
      kind: 'request',
      method,
      uri,
      headers: [
        { name: 'via', value: `${via};branch=z9hG4bK${token()};rport` },
        ...routes,
        { name: 'max-forwards', value: '70' },
        { name: 'from', value: `${this.invite.header('to')};tag=${this.localTag}` },
        { name: 'to', value: this.invite.header('from') ?? '' },
        { name: 'call-id', value: this.invite.callId },
        { name: 'cseq', value: `${cseq} ${method}` },
        ...headers,
      ],
      body,
    };
  }

  async target(): Promise<SipTarget> {
    const { connection, source } = this.#latest.arrival;
    const { address, port } = (await resolveUri(this.#path.addressing().nextHop)) ?? source;
    return connection === undefined ? { address, port } : { address, port, connection };
  }

  /** Sends a built request. An ACK is kept and sent again for each copy of the 2xx. */
  send(
    request: SipRequest,
    target: SipTarget,
    on: {
      readonly response: (response: SipResponse) => void;
      readonly nothing: () => void;
      readonly start: (transaction: ClientTransaction) => void;
      readonly end: (transaction: ClientTransaction) => void;
    },
  ): void {
    const { scope, timers } = this.#options;
    const { transport } = this.#latest.arrival;
    if (request.method === 'ACK') {
      this.#ack = () => transport.send(serializeSipMessage(request), target);
      this.#ack();
      return;
    }
    this.#ack = undefined;
    let answered = false;
    const transaction = new ClientTransaction({
      request,
      send: (bytes) => transport.send(bytes, target, (error) => transaction.fail(error)),
      reliable: transport.reliable,
      timers,
      scope,
      onProvisional: on.response,
      onFinal: (response) => {
        if (answered) this.#ack?.();
        else on.response(response);
        answered = true;
      },
      onFailure: on.nothing,
      onEnd: on.end,
    });
    on.start(transaction);
    transaction.start();
  }
}
