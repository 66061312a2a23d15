import type { BlockList } from 'node:net';
import { SrsError } from '../core/errors.js';
import { token } from '../core/ids.js';
import { dialogKey } from './dialog.js';
import { ALLOWED_METHODS, failureReply } from './failure.js';
import { type Answerable, IncomingRequest, makeAnswerable } from './incoming-request.js';
import { takeInvite } from './invite-flow.js';
import type { SipLimits } from './limits.js';
import { readSipMessage, type SipRequest } from './message.js';
import { ServerTransaction } from './server-transaction.js';
import type { SipCore } from './sip-core.js';
import type { SipReply } from './sip-server.js';
import type { SipArrival } from './transport.js';
import { uriScheme } from './uri.js';

/** Option tags that may stand in Require. 100rel costs nothing, because no provisional response but 100 is ever sent (RFC 3262 §3). */
const KNOWN_OPTIONS = new Set(['siprec', 'timer', '100rel']);
const KNOWN_SCHEMES = new Set(['sip', 'sips', 'tel']);
const KNOWN_METHODS = new Set(ALLOWED_METHODS.split(', '));

export interface SipRouterOptions {
  readonly core: SipCore;
  readonly limits: SipLimits;
  /** Peers that may speak to us; undefined lets everybody. */
  readonly peers: BlockList | undefined;
  /** Server transactions held at once; more get 503 without a transaction. */
  readonly maxTransactions: number;
}

/** From bytes to transactions, and from new transactions to dialogs and the application (RFC 3261 §8.2, §17.2.3). */
export class SipRouter {
  readonly #options: SipRouterOptions;
  readonly #core: SipCore;
  readonly #transactions = new Map<string, ServerTransaction>();
  /** INVITEs without a To tag by Call-ID, From tag and CSeq, to find copies that came by another way. */
  readonly #merging = new Map<string, string>();

  constructor(options: SipRouterOptions) {
    this.#options = options;
    this.#core = options.core;
  }

  get transactions(): number {
    return this.#transactions.size;
  }

  /** Takes whatever a transport received. Never throws. */
  receive(arrival: SipArrival): void {
    try {
      const reading = readSipMessage(arrival.bytes, this.#options.limits);
      const error = arrival.problem ?? ('error' in reading ? reading.error : undefined);
      if (error !== undefined) {
        const broken = 'error' in reading ? reading.partial : reading.message;
        this.#refuse(broken?.kind === 'request' ? broken : undefined, arrival, error);
      } else if ('message' in reading) {
        if (reading.message.kind === 'request') this.#request(reading.message, arrival);
        else this.#core.receiveResponse(reading.message);
      }
    } catch (error) {
      this.#core.options.logger.error({ err: error }, 'SIP message was dropped');
    }
  }

  /** Forgets all transactions without a word. */
  stop(): void {
    for (const transaction of [...this.#transactions.values()]) transaction.terminate();
  }

  #request(message: SipRequest, arrival: SipArrival): void {
    this.#core.countRequest(message.method);
    let request: IncomingRequest;
    try {
      request = new IncomingRequest(makeAnswerable(message, arrival), arrival, this.#core.options.clock.now());
    } catch (error) {
      this.#refuse(message, arrival, error);
      return;
    }
    if (!this.#isPeer(arrival.source.address)) {
      this.#core.options.logger.warn({ callId: request.callId, peer: arrival.source.address }, 'peer is not allowed');
      this.#stateless(request, arrival, { status: 403 });
      return;
    }
    if (request.method === 'ACK') {
      this.#acknowledge(request);
      return;
    }
    const key = request.transactionKey(request.method);
    const known = this.#transactions.get(key);
    if (known !== undefined) {
      known.retransmitted();
      return;
    }
    if (this.#transactions.size >= this.#options.maxTransactions) {
      this.#stateless(request, arrival, { status: 503 });
      return;
    }
    if (request.method === 'CANCEL') this.#cancel(request, key);
    else this.#begin(request, key);
  }

  #acknowledge(request: IncomingRequest): void {
    const transaction = this.#transactions.get(request.transactionKey('INVITE'));
    if (transaction?.finalStatus !== undefined && transaction.finalStatus >= 300) transaction.acknowledged();
    else this.#dialogOf(request)?.acknowledge(request);
  }

  #cancel(request: IncomingRequest, key: string): void {
    const invite = this.#transactions.get(request.transactionKey('INVITE'));
    const transaction = this.#open(request, key, invite?.toTag ?? token(6));
    this.#core.respond(transaction, request, { status: invite === undefined ? 481 : 200 });
    // After the final response the CANCEL has no effect (RFC 3261 §9.2).
    invite?.onCancel?.();
  }

  #begin(request: IncomingRequest, key: string): void {
    const dialog = request.toTag === undefined ? undefined : this.#dialogOf(request);
    const reply = this.#check(request, dialog !== undefined);
    const transaction = this.#open(request, key, token(6));
    if (reply !== undefined) {
      const { callId, method } = request;
      this.#core.options.logger.info({ callId, method, status: reply.status }, 'request refused');
      this.#core.respond(transaction, request, reply);
    } else if (dialog !== undefined) dialog.receive(request, transaction);
    else if (request.method === 'OPTIONS') this.#answerOptions(request, transaction);
    else {
      this.#merging.set(request.mergeKey, key);
      void takeInvite(this.#core, request, transaction);
    }
  }

  /** The checks of RFC 3261 §8.2 in their order; undefined lets the request pass. */
  #check(request: IncomingRequest, inDialog: boolean): SipReply | undefined {
    const { method } = request;
    // Inside a dialog the dialog says 405, so that a REFER to a dead one hears 481.
    if (!inDialog && !KNOWN_METHODS.has(method)) return { status: 405 };
    if (!inDialog && !KNOWN_SCHEMES.has(uriScheme(request.uri))) return { status: 416 };
    const outside = method === 'INVITE' || method === 'OPTIONS';
    if (!inDialog && (request.toTag !== undefined || !outside)) return { status: 481 };
    if (method === 'INVITE' && !inDialog && this.#merging.has(request.mergeKey)) return { status: 482 };
    // A BYE that cannot be understood in full still ends the call.
    if (method === 'BYE') return undefined;
    const unknown = request.headers('require').filter((tag) => !KNOWN_OPTIONS.has(tag.toLowerCase()));
    return unknown.length > 0 ? { status: 420, headers: { Unsupported: unknown.join(', ') } } : undefined;
  }

  #answerOptions(request: IncomingRequest, transaction: ServerTransaction): void {
    let reply: SipReply;
    try {
      reply = this.#core.options.handlers.options(request);
    } catch (error) {
      reply = failureReply(error);
    }
    this.#core.respond(transaction, request, reply);
  }

  #open(request: IncomingRequest, key: string, toTag: string): ServerTransaction {
    const merge = request.method === 'INVITE' ? request.mergeKey : undefined;
    const transaction = new ServerTransaction({
      key,
      toTag,
      method: request.method,
      transport: request.arrival.transport,
      replyTarget: request.replyTarget,
      timers: this.#core.options.timers,
      scope: this.#core.scope,
      onEnd: () => {
        this.#transactions.delete(key);
        if (merge !== undefined && this.#merging.get(merge) === key) this.#merging.delete(merge);
      },
    });
    this.#transactions.set(key, transaction);
    return transaction;
  }

  #dialogOf(request: IncomingRequest) {
    return this.#core.dialogs.get(dialogKey(request.callId, request.toTag ?? '', request.fromTag));
  }

  #isPeer(address: string): boolean {
    const { peers } = this.#options;
    return peers === undefined || peers.check(address, address.includes(':') ? 'ipv6' : 'ipv4');
  }

  #stateless(request: IncomingRequest, arrival: SipArrival, reply: SipReply): void {
    if (request.method !== 'ACK') this.#core.respondStateless(request, arrival.transport, reply);
  }

  /** A message that cannot be taken gets its refusal when enough of it can be read; an ACK and garbage get nothing. */
  #refuse(message: SipRequest | undefined, arrival: SipArrival, error: unknown): void {
    const failure = SrsError.from(error);
    const peer = arrival.source.address;
    this.#core.options.logger.debug(
      { code: failure.code, peer, reason: failure.message },
      'SIP message cannot be read',
    );
    if (message === undefined || message.method === 'ACK') return;
    const names = new Set(message.headers.map(({ name }) => name));
    if (!['via', 'from', 'to', 'call-id', 'cseq'].some((name) => names.has(name))) return;
    let answerable: Answerable;
    try {
      answerable = makeAnswerable(message, arrival);
    } catch {
      return;
    }
    this.#core.respondStateless(answerable, arrival.transport, failureReply(failure));
  }
}
