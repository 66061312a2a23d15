import type { Clock } from '../core/clock.js';
import { SrsError } from '../core/errors.js';
import { token } from '../core/ids.js';
import type { Logger } from '../core/logger.js';
import { type Metrics, SIP_CLASSES, SIP_METHODS, type SipMethodLabel } from '../core/metrics.js';
import { Scope } from '../core/scope.js';
import { ClientTransaction, clientTransactionKey } from './client-transaction.js';
import type { Dialog } from './dialog.js';
import { ALLOWED_METHODS, complete } from './failure.js';
import type { Answerable, IncomingRequest } from './incoming-request.js';
import { type SipHeader, type SipRequest, type SipResponse, serializeSipMessage } from './message.js';
import { buildResponse } from './response.js';
import type { ServerTransaction } from './server-transaction.js';
import type { SipHandlers, SipReply } from './sip-server.js';
import { type SipTimers, transactionLifetimeMs } from './sip-timers.js';
import type { SipTarget, SipTransport } from './transport.js';
import { writtenHost } from './uri.js';
import { MAGIC_COOKIE } from './via.js';

/** Extensions that this server has. */
export const SUPPORTED = 'siprec, timer, 100rel';

export interface SipCoreOptions {
  readonly handlers: SipHandlers;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly timers: SipTimers;
  readonly serverName: string;
  /** Shown in Contact and Via in place of the local address. */
  readonly externalIp: string | undefined;
  readonly minimumSessionSeconds: number;
  /** How long an INVITE may be undecided before a reliable 183 is sent, where the peer takes one; 200 when not given. */
  readonly provisionalAfterMs?: number;
  /** The pause after a 491, in ms; by chance up to 2 s when not given (RFC 3261 §14.1). */
  readonly glareWaitMs?: () => number;
}

/** Where a request of ours goes and what it says about us. */
export interface OutgoingPath {
  readonly transport: SipTransport;
  readonly target: SipTarget;
  readonly localHost: string;
}

/** What transactions and dialogs share: settings, tables, counting, and the way out. */
export class SipCore {
  readonly options: SipCoreOptions;
  readonly scope = new Scope('sip');
  readonly dialogs = new Map<string, Dialog>();
  readonly transports: SipTransport[] = [];
  readonly #clients = new Map<string, ClientTransaction>();
  readonly #farewells = new Set<Promise<void>>();

  constructor(options: SipCoreOptions) {
    this.options = options;
  }

  get clientTransactions(): number {
    return this.#clients.size;
  }

  /** The response as it goes out, with what every response of its kind carries. */
  response(
    request: Answerable,
    reply: SipReply,
    toTag: string | undefined,
    extras: {
      readonly contact?: string;
      readonly recordRoute?: boolean;
      readonly headers?: Record<string, string>;
    } = {},
  ): SipResponse {
    const full = complete(reply);
    const { status } = full;
    const { method } = request.message;
    const headers: SipHeader[] = [];
    if (extras.contact !== undefined) headers.push({ name: 'contact', value: extras.contact });
    if (status >= 200) headers.push({ name: 'server', value: this.options.serverName });
    if (status >= 200 && status < 300 && (method === 'INVITE' || method === 'UPDATE' || method === 'OPTIONS')) {
      headers.push({ name: 'allow', value: ALLOWED_METHODS }, { name: 'supported', value: SUPPORTED });
    }
    for (const [name, value] of Object.entries(extras.headers ?? {})) headers.push({ name, value });
    return buildResponse(request.message, full, { toTag, recordRoute: extras.recordRoute === true, headers });
  }

  /** Answers inside a transaction; false when it was answered before. A reply that cannot be written becomes a 500. */
  respond(
    transaction: ServerTransaction,
    request: Answerable,
    reply: SipReply,
    extras?: Parameters<SipCore['response']>[3],
  ): boolean {
    if (transaction.finalStatus !== undefined) return false;
    const toTag = reply.status > 100 ? transaction.toTag : undefined;
    let status = reply.status;
    try {
      transaction.respond(this.response(request, reply, toTag, extras));
    } catch (error) {
      // A reply that cannot be written, as one with a line break in a header, must not leave the peer without an answer.
      this.options.logger.error({ err: error, status }, 'reply cannot be written');
      status = 500;
      transaction.respond(this.response(request, { status }, transaction.toTag));
    }
    this.countResponse(status);
    return true;
  }

  /** Answers without keeping anything, where no transaction can or shall be made. */
  respondStateless(
    request: Answerable,
    transport: SipTransport,
    reply: SipReply,
    extras: { readonly toTag?: string; readonly headers?: readonly SipHeader[] } = {},
  ): void {
    const response = this.response(request, reply, extras.toTag ?? token(6));
    this.countResponse(response.status);
    const headers = extras.headers === undefined ? response.headers : [...response.headers, ...extras.headers];
    transport.send(serializeSipMessage({ ...response, headers }), request.replyTarget);
  }

  /** The host that the peer of this request reaches us at. */
  localHost(request: IncomingRequest): string | Promise<string> {
    return this.options.externalIp ?? request.arrival.transport.localAddressFor(request.replyTarget);
  }

  /**
   * Sends a request of ours; resolves with its final response. An INVITE that is still proceeding after 64*T1 is cancelled.
   *
   * @param request without Via
   * @param accepted hears every copy of a 2xx to INVITE, each of which needs an ACK (RFC 3261 §13.2.2.4)
   * @throws SrsError `SRS_SIP_TIMEOUT`, or what the transport said
   */
  request(request: SipRequest, path: OutgoingPath, accepted?: (response: SipResponse) => void): Promise<SipResponse> {
    const { transport, target } = path;
    return new Promise((resolve, reject) => {
      const transaction = new ClientTransaction({
        request: withVia(request, path),
        send: (bytes) => transport.send(bytes, target, (error) => transaction.fail(error)),
        reliable: transport.reliable,
        timers: this.options.timers,
        scope: this.scope,
        cancelAfterMs: transactionLifetimeMs(this.options.timers),
        onFinal: (response) => {
          if (response.status < 300) accepted?.(response);
          resolve(response);
        },
        onFailure: reject,
        onEnd: (ended) => this.#clients.delete(ended.key),
      });
      this.#clients.set(transaction.key, transaction);
      transaction.start();
    });
  }

  /** Sends an ACK to a 2xx, which belongs to no transaction. @returns what repeats it */
  acknowledge(ack: SipRequest, path: OutgoingPath): () => void {
    const bytes = serializeSipMessage(withVia(ack, path));
    const send = (): void => path.transport.send(bytes, path.target);
    send();
    return send;
  }

  /** Gives a response to the request of ours that it answers; false when there is none. */
  receiveResponse(response: SipResponse): boolean {
    const key = clientTransactionKey(response);
    const transaction = key === undefined ? undefined : this.#clients.get(key);
    transaction?.receive(response);
    return transaction !== undefined;
  }

  /** Keeps what a stop shall wait for. */
  untilDone(farewell: Promise<void>): Promise<void> {
    const kept = farewell.finally(() => this.#farewells.delete(kept));
    this.#farewells.add(kept);
    return kept;
  }

  /** Resolves when every BYE of ours was answered or given up, after `graceMs` at the latest. */
  async farewells(graceMs: number): Promise<void> {
    if (this.#farewells.size === 0) return;
    let cancel = (): void => {};
    const enough = new Promise<void>((resolve) => {
      cancel = this.scope.timeout(resolve, graceMs);
    });
    await Promise.race([Promise.allSettled(this.#farewells), enough]);
    cancel();
  }

  countRequest(method: string): void {
    this.options.metrics.sipRequests.inc({ method: isKnownMethod(method) ? method : 'OTHER' });
  }

  countResponse(status: number): void {
    this.options.metrics.sipResponses.inc({ class: SIP_CLASSES[Math.floor(status / 100) - 1] ?? '6xx' });
  }

  /** Forgets all timers, dialogs and transactions of ours. Nobody is told. */
  async stop(): Promise<void> {
    for (const transaction of [...this.#clients.values()]) {
      transaction.fail(new SrsError('SRS_SIP_TIMEOUT', 'the server stopped'));
      transaction.terminate();
    }
    for (const dialog of [...this.dialogs.values()]) dialog.forget();
    await this.scope.close();
  }
}

function withVia(request: SipRequest, { transport, localHost }: OutgoingPath): SipRequest {
  const sentBy = `${writtenHost(localHost)}:${transport.address.port}`;
  const value = `SIP/2.0/${transport.kind.toUpperCase()} ${sentBy};branch=${MAGIC_COOKIE}${token()};rport`;
  return { ...request, headers: [{ name: 'via', value }, ...request.headers] };
}

function isKnownMethod(method: string): method is SipMethodLabel {
  return SIP_METHODS.some((known) => known === method);
}
