import { randomInt } from 'node:crypto';
import { SrsError } from '../core/errors.js';
import type { Logger } from '../core/logger.js';
import { AnswerDelivery } from './answer-delivery.js';
import { contactUri } from './dialog-path.js';
import { DialogSender } from './dialog-sender.js';
import { failureReply } from './failure.js';
import type { IncomingRequest } from './incoming-request.js';
import { headerValue } from './message.js';
import { OwnRequests } from './own-requests.js';
import { ownedText } from './owned-text.js';
import { PeerRequests } from './peer-requests.js';
import { ReliableProvisional } from './reliable-provisional.js';
import type { ServerTransaction } from './server-transaction.js';
import { requestBearsOffer } from './session-description.js';
import {
  confirmedInterval,
  negotiateSessionInterval,
  type SessionInterval,
  sessionIntervalHeaders,
} from './session-interval.js';
import { SessionRefresh } from './session-refresh.js';
import { SessionTimer } from './session-timer.js';
import type { SipCore } from './sip-core.js';
import type {
  SipDialogControl,
  SipDialogHandlers,
  SipDialogRequest,
  SipDialogResponse,
  SipReply,
} from './sip-server.js';
import { writtenHost } from './uri.js';

type EndReason = Parameters<SipDialogHandlers['ended']>[0];

const QUIET: SipDialogHandlers = { request: async () => ({ status: 200 }), ended: () => {} };

/** The name a dialog is found by (RFC 3261 §12): Call-ID, our tag, theirs. */
export function dialogKey(callId: string, localTag: string, remoteTag: string): string {
  return `${callId}|${localTag}|${remoteTag}`;
}

/** The server's side of a dialog that an INVITE began (RFC 3261 §12). */
export class Dialog implements SipDialogControl {
  readonly key: string;
  readonly contact: string;
  readonly localHost: string;
  readonly #core: SipCore;
  readonly #log: Logger;
  readonly #sender: DialogSender;
  readonly #own: OwnRequests;
  readonly #peer: PeerRequests;
  readonly #refresh: SessionRefresh;
  readonly #callId: string;
  readonly #timer: SessionTimer;
  #cancel: AbortController | undefined;
  #wasCancelled = false;
  /** The INVITE, until its final response. */
  #invitation: ServerTransaction | undefined;
  #provisional: ReliableProvisional | undefined;
  /** Answers to INVITEs that wait for their ACK. */
  #deliveries: readonly AnswerDelivery[] = [];
  #handlers: SipDialogHandlers = QUIET;
  #state: 'early' | 'confirmed' | 'ending' | 'over' = 'early';
  #remoteCSeq: number;
  /** The peer's INVITE or UPDATE that is being decided. */
  #taking: Promise<void> | undefined;
  /** The session description that we sent last and that is in force. */
  #description: string | undefined;
  #bye: Promise<void> | undefined;
  #decided: () => void = () => {};
  readonly #decision: Promise<void>;

  /** @throws SrsError `SRS_SIP_MALFORMED` when Contact or Record-Route cannot be read */
  constructor(core: SipCore, invite: IncomingRequest, localTag: string, localHost: string) {
    this.#core = core;
    this.#callId = ownedText(invite.callId);
    this.#log = core.options.logger;
    this.localHost = localHost;
    this.#sender = new DialogSender(core, invite, localTag, localHost);
    this.#remoteCSeq = invite.cseq.number;
    this.key = ownedText(dialogKey(invite.callId, localTag, invite.fromTag));
    const { kind, address } = invite.arrival.transport;
    const transport = kind === 'udp' ? '' : `;transport=${kind}`;
    this.contact = `<sip:srs@${writtenHost(localHost)}:${address.port}${transport}>;+sip.srs`;
    this.#timer = new SessionTimer(
      core.scope,
      () => this.#refresh.start(),
      () => void this.#end('session_expired'),
    );
    this.#own = new OwnRequests({
      core,
      sender: this.#sender,
      contact: this.contact,
      untilQuiet: () => this.#untilQuiet(),
      interval: () => this.#timer.interval,
    });
    this.#peer = new PeerRequests(core);
    this.#refresh = new SessionRefresh({
      logger: this.#log,
      callId: this.#callId,
      timer: this.#timer,
      send: async (method) => (await this.#request({ method })).status,
      describable: () => this.#description !== undefined,
      alive: () => this.#state === 'confirmed',
    });
    this.#refresh.heard(invite);
    this.#decision = new Promise((resolve) => {
      this.#decided = resolve;
    });
  }

  get cancelled(): AbortSignal {
    this.#cancel ??= new AbortController();
    if (this.#wasCancelled) this.#cancel.abort();
    return this.#cancel.signal;
  }

  /** Tells the peer that the INVITE is being worked on, by a reliable 183 that makes the dialog early (RFC 3262 §3). */
  announce(invite: IncomingRequest, transaction: ServerTransaction, onUnacknowledged: () => void): void {
    if (this.#state !== 'early' || transaction.finalStatus !== undefined) return;
    const provisional = new ReliableProvisional(invite.cseq.number);
    const headers = { require: '100rel', rseq: String(provisional.rseq) };
    this.#core.respond(transaction, invite, { status: 183 }, { contact: this.contact, recordRoute: true, headers });
    if (transaction.finalStatus !== undefined) return;
    this.#invitation = transaction;
    this.#provisional = provisional;
    this.#core.dialogs.set(this.key, this);
    const { scope, options } = this.#core;
    provisional.start(scope, options.timers, () => transaction.retransmitted(), onUnacknowledged);
  }

  /** The INVITE was cancelled, refused or given up: there will be no dialog. */
  abandon(cancelled: boolean): void {
    if (this.#state !== 'early') return;
    this.#state = 'over';
    this.#wasCancelled = cancelled;
    if (cancelled) this.#cancel?.abort();
    this.#release();
  }

  /** Sends the 2xx that makes the dialog, and repeats it until it is acknowledged. */
  confirm(
    invite: IncomingRequest,
    transaction: ServerTransaction,
    reply: SipReply,
    handlers: SipDialogHandlers | undefined,
    interval: SessionInterval | undefined,
  ): void {
    this.#handlers = handlers ?? QUIET;
    this.#state = 'confirmed';
    this.#cancel = undefined;
    this.#invitation = undefined;
    // RFC 3262 §3: the 183 is not repeated any more, but its PRACK may still be on its way.
    this.#provisional?.stop();
    this.#core.dialogs.set(this.key, this);
    this.#answer(invite, transaction, reply, interval);
    this.#decided();
  }

  /** Takes a request that names this dialog; ACK and CANCEL come by their own ways. */
  receive(request: IncomingRequest, transaction: ServerTransaction): void {
    if (request.cseq.number < this.#remoteCSeq) {
      const headers = { Warning: '399 sipscribe "CSeq is too low"' };
      this.#core.respond(transaction, request, { status: 500, headers });
      return;
    }
    this.#remoteCSeq = request.cseq.number;
    this.#sender.heard(request);
    this.#refresh.heard(request);
    const { method } = request;
    if (method === 'BYE') {
      this.#core.respond(transaction, request, { status: 200 });
      if (this.#state === 'early') this.#invitation?.onCancel?.();
      else this.#over('bye', request);
    } else if (method === 'PRACK') this.#acknowledgeProvisional(request, transaction);
    else if (this.#state === 'early') this.#postpone(request, transaction);
    else if (this.#state !== 'confirmed') this.#core.respond(transaction, request, { status: 481 });
    else if (method === 'INVITE' || method === 'UPDATE') this.#begin(request, transaction);
    else if (method === 'INFO' || method === 'OPTIONS') void this.#forward(request, transaction);
    else this.#core.respond(transaction, request, { status: 405 });
  }

  /** The ACK to a 2xx came. */
  acknowledge(request: IncomingRequest): void {
    const delivery = this.#deliveries.find(({ cseq }) => cseq === request.cseq.number);
    if (delivery === undefined) return;
    this.#deliveries = this.#deliveries.filter((other) => other !== delivery);
    delivery.stop();
    this.#sender.heard(request);
    if (this.#state !== 'confirmed') return;
    const { body: content, receivedAt } = request;
    this.#guard(() => this.#handlers.acknowledged?.({ type: request.header('content-type'), content, receivedAt }));
  }

  /** Ends the dialog; `ended('local')` follows at once. Never rejects. */
  bye(reason?: string): Promise<void> {
    this.#bye ??= this.#core.untilDone(this.#decision.then(() => this.#end('local', reason)));
    return this.#bye;
  }

  async request(request: SipDialogRequest): Promise<SipDialogResponse> {
    // A refresh of ours is no business of the application: what it asks for waits for it.
    await this.#refresh.running;
    return this.#request(request);
  }

  /** The server stops: everything that waits is let go, and nobody is told. */
  forget(): void {
    this.#state = 'over';
    this.#release();
  }

  async #request(request: SipDialogRequest): Promise<SipDialogResponse> {
    if (this.#state !== 'confirmed') throw new SrsError('SRS_SIP_DIALOG_STATE', 'the dialog is not confirmed');
    // The ACK to an INVITE without an offer would have to bring an answer: the session as it is is offered instead.
    const current = this.#description;
    const { method } = request;
    const body =
      request.body ??
      (method === 'INVITE' && current !== undefined ? { type: 'application/sdp', content: current } : undefined);
    if (method === 'INVITE' && body === undefined)
      throw new SrsError('SRS_SIP_DIALOG_STATE', 'there is no SDP to offer');
    const { response, interval } = await this.#own.send(body === undefined ? request : { ...request, body });
    const { status } = response;
    if (this.#state === 'confirmed') {
      // RFC 3261 §12.2.1.2, RFC 5057 §5.1: these two alone say that the peer has no such dialog.
      if ((status === 481 || status === 408) && request.optional !== true) void this.#end('session_expired');
      else if (status < 300) {
        if (body?.type.toLowerCase().startsWith('application/sdp')) this.#description = ownedText(body.content);
        this.#timer.restart(confirmedInterval(headerValue(response, 'session-expires'), interval));
      }
    }
    return { status, header: (name) => headerValue(response, name.toLowerCase()), body: response.body };
  }

  /** RFC 3262 §3: a PRACK that names no response of ours hears 481. */
  #acknowledgeProvisional(request: IncomingRequest, transaction: ServerTransaction): void {
    const known = this.#provisional?.acknowledge(request.header('rack')) === true;
    if (known) this.#provisional = undefined;
    // The offer of the INVITE is still open, so a PRACK cannot bring another.
    const status = !known ? 481 : requestBearsOffer(request) ? 488 : 200;
    this.#core.respond(transaction, request, { status });
  }

  /** Before the final response to the INVITE nothing else can be decided (RFC 3261 §14.2, RFC 3311 §5.2). */
  #postpone(request: IncomingRequest, transaction: ServerTransaction): void {
    const decidable = ['INVITE', 'UPDATE', 'INFO', 'OPTIONS'].includes(request.method);
    const headers = { 'Retry-After': String(randomInt(0, 11)) };
    this.#core.respond(transaction, request, decidable ? { status: 500, headers } : { status: 405 });
  }

  /** One offer at a time (RFC 3261 §14.2, RFC 3311 §5.2); then the session interval and Contact; then the application. */
  #begin(request: IncomingRequest, transaction: ServerTransaction): void {
    if (this.#taking !== undefined) {
      this.#postpone(request, transaction);
      return;
    }
    const offering = this.#own.offering || this.#deliveries.some(({ offers }) => offers);
    if (offering && (request.method === 'INVITE' || requestBearsOffer(request))) {
      this.#core.respond(transaction, request, { status: 491 });
      return;
    }
    const session = negotiateSessionInterval(request, this.#core.options.minimumSessionSeconds);
    if ('refusal' in session) {
      this.#core.respond(transaction, request, session.refusal);
      return;
    }
    try {
      contactUri(request);
    } catch (error) {
      this.#core.respond(transaction, request, failureReply(error));
      return;
    }
    if (request.method === 'INVITE') this.#core.respond(transaction, request, { status: 100 });
    this.#taking = this.#take(request, transaction, session.interval).finally(() => {
      this.#taking = undefined;
    });
  }

  async #take(
    request: IncomingRequest,
    transaction: ServerTransaction,
    interval: SessionInterval | undefined,
  ): Promise<void> {
    const reply = await this.#peer.ask(request, transaction, this.#handlers);
    if (transaction.finalStatus !== undefined || this.#state !== 'confirmed') return;
    if (reply.status < 300) this.#sender.retarget(request);
    this.#answer(request, transaction, reply, interval);
  }

  /** Final response to an INVITE or UPDATE. */
  #answer(
    request: IncomingRequest,
    transaction: ServerTransaction,
    reply: SipReply,
    interval: SessionInterval | undefined,
  ): void {
    const { contact } = this;
    const { scope, options } = this.#core;
    if (reply.status >= 300) {
      this.#core.respond(transaction, request, reply);
      return;
    }
    const extras = { contact, recordRoute: request.toTag === undefined, headers: sessionIntervalHeaders(interval) };
    this.#core.respond(transaction, request, reply, extras);
    if (transaction.finalStatus !== reply.status) {
      if (request.toTag === undefined) this.#fail();
      return;
    }
    const described = reply.body?.type.toLowerCase().startsWith('application/sdp') === true;
    if (described && reply.body !== undefined) this.#description = ownedText(reply.body.content);
    this.#timer.restart(interval);
    if (request.method !== 'INVITE') return;
    const delivery = new AnswerDelivery({
      scope,
      timers: options.timers,
      cseq: request.cseq.number,
      offers: described && !requestBearsOffer(request),
      resend: () => transaction.repeatFinal(),
      onTimeout: () => {
        this.#log.warn({ callId: this.#callId }, 'answer was not acknowledged');
        void this.#end('ack_timeout');
      },
    });
    this.#deliveries = [...this.#deliveries, delivery];
  }

  async #forward(request: IncomingRequest, transaction: ServerTransaction): Promise<void> {
    const reply = await this.#peer.ask(request, transaction, this.#handlers);
    this.#core.respond(transaction, request, reply);
  }

  /** We end it: the application hears it first, then the peer. */
  async #end(reason: EndReason, text?: string): Promise<void> {
    if (this.#state !== 'confirmed') return;
    this.#state = 'ending';
    this.#timer.stop();
    this.#own.close();
    this.#peer.refuseAll();
    this.#guard(() => this.#handlers.ended(reason));
    // RFC 3261 §15: no BYE before the ACK to the 2xx, or before the wait for it is over.
    await Promise.all(this.#deliveries.map((delivery) => delivery.settled));
    if (this.#core.scope.closed) return;
    try {
      await this.#sender.sendBye(text);
    } catch (error) {
      this.#log.info({ callId: this.#callId, err: error }, 'BYE was not answered');
    }
    this.#state = 'over';
    this.#release();
  }

  /** The peer ended it. */
  #over(reason: EndReason, bye: IncomingRequest): void {
    const told = this.#state === 'confirmed';
    this.#peer.refuseAll();
    // While our own BYE is on its way, its end removes the dialog.
    if (!told) return;
    this.#state = 'over';
    this.#release();
    this.#guard(() => this.#handlers.ended(reason, bye));
  }

  /** Our own answer could not be written, so there is no dialog. */
  #fail(): void {
    this.#state = 'over';
    this.#release();
    this.#guard(() => this.#handlers.ended('transport'));
  }

  #release(): void {
    this.#timer.stop();
    this.#own.close();
    this.#provisional?.stop();
    for (const delivery of this.#deliveries) delivery.stop();
    this.#deliveries = [];
    this.#core.dialogs.delete(this.key);
    this.#decided();
  }

  /** RFC 3261 §14.1: no offer of ours while an INVITE of the peer is open. Bounded, because all that it waits for is. */
  async #untilQuiet(): Promise<void> {
    while (this.#state === 'confirmed') {
      const waits = this.#deliveries.map(({ settled }) => settled);
      if (this.#taking !== undefined) waits.push(this.#taking);
      if (waits.length === 0) return;
      await Promise.all(waits);
    }
  }

  #guard(tell: () => void): void {
    try {
      tell();
    } catch (error) {
      this.#log.error({ callId: this.#callId, err: error }, 'dialog handler threw');
    }
  }
}
