import { randomInt } from 'node:crypto';
import { SrsError } from '../core/errors.js';
import type { Logger } from '../core/logger.js';
import { Announcement } from './announcement.js';
import { AnswerDeliveries } from './answer-deliveries.js';
import { localContact } from './dialog-contact.js';
import { contactUri } from './dialog-path.js';
import { DialogSender } from './dialog-sender.js';
import { failureReply } from './failure.js';
import type { IncomingRequest } from './incoming-request.js';
import { headerValue } from './message.js';
import { OwnRequests } from './own-requests.js';
import { ownedText } from './owned-text.js';
import { PeerDecision } from './peer-decision.js';
import { PeerRequests } from './peer-requests.js';
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
import type { SipTransport } from './transport.js';

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
  #announcement: Announcement | undefined;
  readonly #deliveries: AnswerDeliveries;
  #handlers: SipDialogHandlers = QUIET;
  #state: 'early' | 'confirmed' | 'ending' | 'over' = 'early';
  #remoteCSeq: number;
  readonly #taking: PeerDecision;
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
    this.contact = localContact(invite, localHost);
    this.#deliveries = new AnswerDeliveries({
      scope: core.scope,
      timers: core.options.timers,
      onTimeout: () => {
        this.#log.warn({ callId: this.#callId }, 'answer was not acknowledged');
        void this.#end('ack_timeout');
      },
    });
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
    this.#taking = new PeerDecision(core.scope, core.options.timers.t2Ms);
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
    const announcement = new Announcement(this.#core, invite, transaction, this.contact);
    if (!announcement.sent) return;
    this.#announcement = announcement;
    this.#core.dialogs.set(this.key, this);
    announcement.start(onUnacknowledged);
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
    this.#announcement?.stop();
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
      if (this.#state === 'early') this.#announcement?.takeBack();
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
    if (!this.#deliveries.acknowledge(request.cseq.number)) return;
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

  /** Whether requests of ours go by this connection as long as it is open. */
  goesBy(transport: SipTransport, connection: number): boolean {
    return this.#sender.goesBy(transport, connection);
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
        const { minimumSessionSeconds } = this.#core.options;
        const expires = headerValue(response, 'session-expires');
        this.#timer.restart(confirmedInterval(expires, interval, minimumSessionSeconds));
      }
    }
    return { status, header: (name) => headerValue(response, name.toLowerCase()), body: response.body };
  }

  /** RFC 3262 §3: a PRACK that names no response of ours hears 481. */
  #acknowledgeProvisional(request: IncomingRequest, transaction: ServerTransaction): void {
    if (this.#announcement === undefined) this.#core.respond(transaction, request, { status: 481 });
    else this.#announcement.acknowledge(request, transaction);
  }

  /** Before the final response to the INVITE nothing else can be decided (RFC 3261 §14.2, RFC 3311 §5.2). */
  #postpone(request: IncomingRequest, transaction: ServerTransaction): void {
    const decidable = ['INVITE', 'UPDATE', 'INFO', 'OPTIONS'].includes(request.method);
    const headers = { 'Retry-After': String(randomInt(0, 11)) };
    this.#core.respond(transaction, request, decidable ? { status: 500, headers } : { status: 405 });
  }

  /** One offer at a time (RFC 3261 §14.2, RFC 3311 §5.2); then the session interval and Contact; then the application. */
  #begin(request: IncomingRequest, transaction: ServerTransaction): void {
    if (this.#taking.open) {
      this.#postpone(request, transaction);
      return;
    }
    const offering = this.#own.offering || this.#deliveries.offering;
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
    this.#taking.begin(() => this.#take(request, transaction, session.interval));
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
    const offers = described && !requestBearsOffer(request);
    this.#deliveries.add({ cseq: request.cseq.number, offers, resend: () => transaction.repeatFinal() });
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
    await this.#deliveries.settled();
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
    this.#announcement?.stop();
    this.#deliveries.stop();
    this.#core.dialogs.delete(this.key);
    this.#decided();
  }

  /** RFC 3261 §14.1: no offer of ours while an INVITE of the peer is open. @throws SrsError `SRS_SIP_DIALOG_STATE` */
  async #untilQuiet(): Promise<void> {
    while (this.#state === 'confirmed') {
      if (this.#taking.open) await this.#taking.made();
      else if (this.#deliveries.idle) return;
      else await this.#deliveries.settled();
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
