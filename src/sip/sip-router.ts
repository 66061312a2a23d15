import { createHmac, randomBytes, randomInt } from 'node:crypto';
import { SrsError } from '../core/errors.js';
import { token } from '../core/ids.js';
import { dialogKey } from './dialog.js';
import { failureReply } from './failure.js';
import { type Answerable, IncomingRequest, makeAnswerable } from './incoming-request.js';
import { takeInvite } from './invite-flow.js';
import type { SipLimits } from './limits.js';
import { readSipMessage, type SipRequest } from './message.js';
import type { PeerGate } from './peer-gate.js';
import { type Refusal, refusal } from './refusal.js';
import { RefusalLog } from './refusal-log.js';
import { checkRequest } from './request-checks.js';
import { ServerTransaction } from './server-transaction.js';
import type { SipCore } from './sip-core.js';
import type { SipReply } from './sip-server.js';
import type { SipArrival } from './transport.js';

/** What is kept for requests in dialogs when all other room for transactions is taken: a call must be able to end. */
const DIALOG_RESERVE = 1.25;

export interface SipRouterOptions {
  readonly core: SipCore;
  readonly limits: SipLimits;
  readonly gate: PeerGate;
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
  /** INVITEs without a To tag by Call-ID and From tag: the latest one of each, until it is forgotten. */
  readonly #beginning = new Map<string, string>();
  readonly #refusals: RefusalLog;
  readonly #tagKey = randomBytes(16);

  constructor(options: SipRouterOptions) {
    this.#options = options;
    this.#core = options.core;
    const { metrics, logger, clock } = options.core.options;
    this.#refusals = new RefusalLog(metrics, logger, clock);
  }

  get transactions(): number {
    return this.#transactions.size;
  }

  /** Takes whatever a transport received. Never throws. */
  receive(arrival: SipArrival): void {
    if (isKeepAlive(arrival.bytes)) return;
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
    if (!this.#options.gate.knows(arrival.source.address)) {
      this.#refuseStateless(request, refusal('forbidden', 403));
      return;
    }
    const { connection, transport } = arrival;
    if (connection !== undefined) transport.named?.(connection, request.via.host);
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
    if (this.#isFull(request, invite !== undefined)) return;
    const transaction = this.#open(request, key, invite?.toTag ?? token(6));
    this.#core.respond(transaction, request, { status: invite === undefined ? 481 : 200 });
    // After the final response the CANCEL has no effect (RFC 3261 §9.2).
    invite?.onCancel?.();
  }

  #begin(request: IncomingRequest, key: string): void {
    const { method } = request;
    const dialog = request.toTag === undefined ? undefined : this.#dialogOf(request);
    if (this.#isFull(request, dialog !== undefined)) return;
    if (request.toTag === undefined && (method === 'INVITE' || method === 'OPTIONS')) {
      const stopped = this.#options.gate.admit(request);
      if (stopped !== undefined) {
        this.#refuseStateless(request, stopped);
        return;
      }
    }
    const merged = method === 'INVITE' && this.#merging.has(request.mergeKey);
    const refused = checkRequest(request, { inDialog: dialog !== undefined, merged }) ?? this.#overtaken(request);
    if (refused !== undefined && dialog === undefined && (method !== 'INVITE' || request.toTag !== undefined)) {
      // The same answer comes to every repetition without a table: strangers must not fill what calls need.
      this.#refuseStateless(request, refused);
      return;
    }
    const transaction = this.#open(request, key, token(6));
    if (refused !== undefined) {
      this.#note(request, refused);
      this.#core.respond(transaction, request, refused.reply);
    } else if (dialog !== undefined) dialog.receive(request, transaction);
    else if (method === 'OPTIONS') this.#answerOptions(request, transaction);
    else {
      this.#merging.set(request.mergeKey, key);
      this.#beginning.set(request.callerKey, key);
      void takeInvite(this.#core, request, transaction);
    }
  }

  /**
   * A caller that sends an INVITE and, before it is answered, another one with the same Call-ID and From tag has begun the call once:
   * the later one waits (RFC 3261 §14.2). When the first has its final response, the caller begins anew and is taken.
   */
  #overtaken(request: IncomingRequest): Refusal | undefined {
    if (request.method !== 'INVITE' || request.toTag !== undefined) return undefined;
    const first = this.#transactions.get(this.#beginning.get(request.callerKey) ?? '');
    if (first === undefined || first.finalStatus !== undefined) return undefined;
    return refusal('merged', 500, { 'Retry-After': String(randomInt(0, 11)) });
  }

  /** Refuses what there is no room for. */
  #isFull(request: IncomingRequest, inDialog: boolean): boolean {
    const room = this.#options.maxTransactions * (inDialog ? DIALOG_RESERVE : 1);
    if (this.#transactions.size < room) return false;
    this.#refuseStateless(request, refusal('full', 503));
    return true;
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
    const keys = request.method === 'INVITE' ? [request.mergeKey, request.callerKey] : [];
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
        const [merge, caller] = keys;
        if (merge !== undefined && this.#merging.get(merge) === key) this.#merging.delete(merge);
        if (caller !== undefined && this.#beginning.get(caller) === key) this.#beginning.delete(caller);
      },
    });
    this.#transactions.set(key, transaction);
    return transaction;
  }

  #dialogOf(request: IncomingRequest) {
    return this.#core.dialogs.get(dialogKey(request.callId, request.toTag ?? '', request.fromTag));
  }

  /** Answers without a transaction. The To tag is the same for every copy of the request (RFC 3261 §8.2.7). */
  #refuseStateless(request: IncomingRequest, refused: Refusal): void {
    this.#note(request, refused);
    if (request.method === 'ACK') return;
    const key = request.transactionKey(request.method);
    const toTag = createHmac('sha256', this.#tagKey).update(key).digest('hex').slice(0, 12);
    const { headers = [] } = refused;
    this.#core.respondStateless(request, request.arrival.transport, refused.reply, { toTag, headers });
  }

  #note(request: IncomingRequest, { cause, reply }: Refusal): void {
    const { callId, method, source } = request;
    this.#refusals.note(cause, { callId, method, status: reply.status, peer: source.address });
  }

  /** A message that cannot be taken gets its refusal when its Via can be read; an ACK, garbage and strangers get nothing. */
  #refuse(message: SipRequest | undefined, arrival: SipArrival, error: unknown): void {
    if (!this.#options.gate.knows(arrival.source.address)) {
      this.#refusals.note('forbidden', { peer: arrival.source.address });
      return;
    }
    const failure = SrsError.from(error);
    const cause = failure.code === 'SRS_SIP_TOO_LARGE' ? 'too_large' : 'malformed';
    this.#refusals.note(cause, { peer: arrival.source.address, reason: failure.message });
    if (message === undefined || message.method === 'ACK') return;
    let answerable: Answerable;
    try {
      answerable = makeAnswerable(message, arrival);
    } catch {
      return;
    }
    this.#core.respondStateless(answerable, arrival.transport, failureReply(failure));
  }
}

/** CRLF, or the NULs that some peers send, holds the path open and says nothing (RFC 5626 §4.4.1). Four bytes hold no message. */
function isKeepAlive(bytes: Uint8Array): boolean {
  if (bytes.length <= 4) return true;
  const first = bytes[0];
  if (first !== 0x0d && first !== 0x0a && first !== 0) return false;
  return bytes.every((byte) => byte === 0x0d || byte === 0x0a || byte === 0);
}
