import { randomInt } from 'node:crypto';
import type { Socket } from 'node:net';
import { SrsError } from '../../core/errors.js';
import type { Logger } from '../../core/logger.js';
import { Scope } from '../../core/scope.js';
import { failureReply } from '../failure.js';
import { GLARE_TRIES, glareWaitMs } from '../glare.js';
import { reasonHeader } from '../reason-header.js';
import { bearsSessionDescription, requestBearsOffer } from '../session-description.js';
import {
  negotiateSessionInterval,
  refreshHeaders,
  type SessionInterval,
  sessionIntervalHeaders,
} from '../session-interval.js';
import type {
  SipDialogControl,
  SipDialogHandlers,
  SipDialogRequest,
  SipDialogResponse,
  SipReply,
} from '../sip-server.js';
import { askPeer } from './dialog-request.js';
import type { SrfRequest, SrfResponse } from './drachtio-link.js';
import { CONTACT, type Sent, SUPPORTED, writeMessage } from './drachtio-reply.js';
import type { DrachtioRequest } from './drachtio-request.js';

export type EndReason = Parameters<SipDialogHandlers['ended']>[0];

/** Sends a final response and counts it. */
export type Responder = (
  request: DrachtioRequest,
  response: SrfResponse,
  reply: SipReply,
  extras?: Readonly<Record<string, string>>,
  onSent?: (outcome: Sent) => void,
) => number;

export interface DrachtioDialogOptions {
  readonly invite: SrfRequest;
  readonly view: DrachtioRequest;
  readonly localHost: string;
  readonly minimumSessionSeconds: number;
  readonly respond: Responder;
  /** A request that came on another way than by the dialog's name. */
  readonly onRequest: (request: SrfRequest, response: SrfResponse) => void;
  readonly onEnd: (dialog: DrachtioDialog) => void;
  readonly logger: Logger;
  /** How long the application may think about a request, and a peer may be silent, in ms. */
  readonly patienceMs: number;
}

/**
 * The server's side of a dialog that drachtio-server keeps. drachtio-srf's own dialog class is left out: it loses a BYE that comes
 * with the confirmation of the 2xx, sends a 2xx to an INVITE without Contact, answers some re-INVITEs by itself with the first SDP,
 * and keeps every dialog of a lost connection for ever.
 */
export class DrachtioDialog implements SipDialogControl {
  /** The name that drachtio-server gives to a dialog: Call-ID and From tag of its INVITE. */
  readonly id: string;
  readonly socket: Socket;
  readonly localHost: string;
  readonly #options: DrachtioDialogOptions;
  readonly #callId: string;
  readonly #copiedBytes: number;
  readonly #scope = new Scope('drachtio dialog');
  readonly #cancel = new AbortController();
  readonly #unanswered = new Map<SrfResponse, DrachtioRequest>();
  #handlers: SipDialogHandlers | undefined;
  #state: 'early' | 'confirmed' | 'ending' | 'over' = 'early';
  #contact = CONTACT;
  #refreshing = false;
  #asking = false;
  #offering = false;
  #bye: Promise<void> | undefined;
  #decided: () => void = () => {};
  readonly #decision = new Promise<void>((resolve) => {
    this.#decided = resolve;
  });
  /** Resolves when the latest 2xx to an INVITE has its ACK, or the dialog is over. */
  #ack: Promise<void> = Promise.resolve();
  #acknowledged: () => void = () => {};
  /** Resolves when the refresh of the peer that is under way has its answer. */
  #quiet: Promise<void> = Promise.resolve();
  /** The SDP that is in force on our side. */
  #description: string | undefined;
  #interval: SessionInterval | undefined;

  constructor(options: DrachtioDialogOptions) {
    const { invite, view, localHost } = options;
    this.#options = options;
    this.socket = invite.socket;
    this.localHost = localHost;
    this.#callId = view.callId;
    this.id = `${view.callId};from-tag=${view.fromTag}`;
    this.#copiedBytes = copiedBytes(view);
  }

  get cancelled(): AbortSignal {
    return this.#cancel.signal;
  }

  get early(): boolean {
    return this.#state === 'early';
  }

  /** The INVITE was cancelled, refused or given up: there will be no dialog. */
  abandon(cancelled: boolean): void {
    if (this.#state !== 'early') return;
    this.#state = 'over';
    if (cancelled) this.#cancel.abort();
    this.#release();
  }

  /** Sends the 2xx that makes the dialog. What follows it in the dialog may come before its confirmation. */
  confirm(
    response: SrfResponse,
    reply: SipReply,
    handlers: SipDialogHandlers | undefined,
    interval: SessionInterval | undefined,
  ): void {
    this.#handlers = handlers;
    this.#state = 'confirmed';
    this.#accepted('INVITE', reply, interval);
    const extras = sessionIntervalHeaders(interval);
    const { view, respond } = this.#options;
    const status = respond(view, response, reply, { Contact: CONTACT, ...extras }, (outcome) => {
      if (outcome === 'unsent') this.#fail(this.#cancel.signal.aborted ? 'cancelled' : 'transport');
      else this.#contact = outcome.sent?.get('contact') ?? CONTACT;
    });
    this.#decided();
    if (status !== reply.status) this.#fail('transport');
  }

  /** A CANCEL crossed the 2xx: if that could not be sent any more, this is why. */
  cancelCame(): void {
    this.#cancel.abort();
  }

  acknowledge(request: DrachtioRequest): void {
    this.#acknowledged();
    if (this.#state !== 'confirmed') return;
    const { body: content, receivedAt } = request;
    this.#guard(() => this.#handlers?.acknowledged?.({ type: request.header('content-type'), content, receivedAt }));
  }

  /** Takes a request that names this dialog, ACK aside. */
  receive(srf: SrfRequest, request: DrachtioRequest, response: SrfResponse): void {
    const { respond } = this.#options;
    const { method } = request;
    if (method === 'BYE') {
      respond(request, response, { status: 200 });
      this.over('bye', request);
    } else if (this.#state !== 'confirmed') respond(request, response, { status: 481 });
    else if (method === 'INVITE' || method === 'UPDATE') void this.#refresh(srf, request, response);
    else if (method === 'INFO' || method === 'OPTIONS') void this.#forward(request, response);
    else respond(request, response, { status: 405 });
  }

  /** The peer, drachtio-server or the connection ended it. */
  over(reason: EndReason, bye?: DrachtioRequest): void {
    if (this.#state === 'early') {
      this.abandon(true);
      return;
    }
    if (this.#state === 'over') return;
    const told = this.#state === 'ending';
    this.#state = 'over';
    this.#refuseUnanswered();
    this.#release();
    if (!told) this.#guard(() => this.#handlers?.ended(reason, bye));
  }

  /** Ends the dialog; `ended('local')` follows at once. Never rejects. */
  bye(reason?: string): Promise<void> {
    this.#bye ??= this.#decision.then(() => this.#end(reason));
    return this.#bye;
  }

  async request(request: SipDialogRequest): Promise<SipDialogResponse> {
    if (this.#state !== 'confirmed') throw new SrsError('SRS_SIP_DIALOG_STATE', 'the dialog is not confirmed');
    if (this.#asking) throw new SrsError('SRS_SIP_DIALOG_STATE', 'a request of ours is under way');
    this.#asking = true;
    try {
      for (let attempt = 1; ; attempt++) {
        // RFC 3261 §14.1: while an INVITE of the peer is under way, its ACK included, there is none of ours.
        await this.#quiet;
        await this.#ack;
        if (this.#state !== 'confirmed') throw new SrsError('SRS_SIP_DIALOG_STATE', 'the dialog is over');
        const response = await this.#exchange(request);
        if (response.status !== 491 || attempt >= GLARE_TRIES) return this.#answered(request, response);
        await new Promise<void>((resolve) => {
          this.#scope.timeout(resolve, glareWaitMs());
          this.#scope.own(resolve);
        });
      }
    } finally {
      this.#asking = false;
    }
  }

  async #exchange(request: SipDialogRequest): Promise<SipDialogResponse> {
    const { method } = request;
    // The ACK to an INVITE without an offer would have to bring an answer: the session as it is is offered instead.
    const current = method === 'INVITE' ? this.#description : undefined;
    const body = request.body ?? (current === undefined ? undefined : { type: 'application/sdp', content: current });
    if (method === 'INVITE' && body === undefined) {
      throw new SrsError('SRS_SIP_DIALOG_STATE', 'there is no SDP to offer');
    }
    const headers: Record<string, string> = { ...request.headers, Contact: this.#contact, Supported: SUPPORTED };
    for (const { name, value } of refreshHeaders(this.#interval)) headers[name] = value;
    this.#offering = bearsSessionDescription(body?.type, body?.content ?? '');
    try {
      const response = await this.#ask(method, headers, body);
      if (response.status < 300) this.#describe(body);
      return response;
    } finally {
      this.#offering = false;
    }
  }

  /** RFC 3261 §12.2.1.2: 481 says that the peer has no such dialog any more. */
  #answered(request: SipDialogRequest, response: SipDialogResponse): SipDialogResponse {
    const over = response.status === 481 && request.optional !== true;
    if (over && this.#state === 'confirmed') void this.#end(undefined, 'session_expired');
    return response;
  }

  /** A 2xx of ours goes out. */
  #accepted(method: string, reply: SipReply, interval: SessionInterval | undefined): void {
    this.#interval = interval;
    this.#describe(reply.body);
    if (method !== 'INVITE') return;
    this.#ack = new Promise((resolve) => {
      this.#acknowledged = resolve;
    });
  }

  #describe(body: SipReply['body']): void {
    if (body?.type.toLowerCase().startsWith('application/sdp')) this.#description = body.content;
  }

  async #refresh(srf: SrfRequest, request: DrachtioRequest, response: SrfResponse): Promise<void> {
    const { respond, minimumSessionSeconds } = this.#options;
    if (this.#refreshing) {
      // RFC 3261 §14.2: one offer at a time.
      respond(request, response, { status: 500, headers: { 'Retry-After': String(randomInt(0, 11)) } });
      return;
    }
    if (this.#offering && (request.method === 'INVITE' || requestBearsOffer(request))) {
      respond(request, response, { status: 491 });
      return;
    }
    const session = negotiateSessionInterval(request, minimumSessionSeconds);
    if ('refusal' in session) {
      respond(request, response, session.refusal);
      return;
    }
    let quiet = (): void => {};
    this.#quiet = new Promise((resolve) => {
      quiet = resolve;
    });
    this.#refreshing = true;
    // drachtio-server answers CANCEL and the cancelled re-INVITE by itself.
    srf.once('cancel', () => this.#unanswered.delete(response));
    const reply = await this.#think(request, response);
    this.#refreshing = false;
    if (this.#unanswered.delete(response)) {
      const taken = reply.status < 300;
      if (taken) this.#accepted(request.method, reply, session.interval);
      const extras = taken ? { Contact: this.#contact, ...sessionIntervalHeaders(session.interval) } : {};
      respond(request, response, reply, extras);
    }
    quiet();
  }

  async #forward(request: DrachtioRequest, response: SrfResponse): Promise<void> {
    const reply = await this.#think(request, response);
    if (this.#unanswered.delete(response)) this.#options.respond(request, response, reply);
  }

  /** Asks the application. drachtio-server forgets a request after a minute without any answer, so the wait for it ends before. */
  async #think(request: DrachtioRequest, response: SrfResponse): Promise<SipReply> {
    this.#unanswered.set(response, request);
    const { patienceMs, logger } = this.#options;
    let cancel = (): void => {};
    const deadline = new Promise<SipReply>((resolve) => {
      cancel = this.#scope.timeout(() => resolve({ status: 500 }), patienceMs);
    });
    try {
      const handled = this.#handlers?.request(request) ?? Promise.resolve({ status: 200 });
      return await Promise.race([handled, deadline]);
    } catch (error) {
      logger.warn({ callId: this.#callId, method: request.method, err: error }, 'request in dialog failed');
      return failureReply(error);
    } finally {
      cancel();
    }
  }

  /** We end it: the application hears it first, then the peer. */
  async #end(text: string | undefined, reason: EndReason = 'local'): Promise<void> {
    if (this.#state !== 'confirmed') return;
    this.#state = 'ending';
    this.#refuseUnanswered();
    this.#guard(() => this.#handlers?.ended(reason));
    // RFC 3261 §15: no BYE before the ACK to the 2xx; when none comes, drachtio-server sends the BYE itself.
    await this.#ack;
    const ending = (): boolean => this.#state === 'ending';
    if (!ending()) return;
    try {
      await this.#ask('BYE', text === undefined ? {} : { Reason: reasonHeader(text) });
    } catch (error) {
      this.#options.logger.info({ callId: this.#callId, err: error }, 'BYE was not answered');
    }
    this.#state = 'over';
    this.#release();
  }

  #ask(method: string, headers: Record<string, string>, body?: SipDialogRequest['body']): Promise<SipDialogResponse> {
    const { invite, patienceMs, onRequest } = this.#options;
    const written = writeMessage(headers, body, this.#copiedBytes);
    const target = { agent: invite.agent, socket: this.socket, dialogId: this.id, onRequest };
    return askPeer(target, method, written, this.#scope, patienceMs);
  }

  /** Our 2xx could not be sent, so there is no dialog. */
  #fail(reason: EndReason): void {
    if (this.#state === 'over') return;
    this.#state = 'over';
    this.#release();
    this.#guard(() => this.#handlers?.ended(reason));
  }

  #refuseUnanswered(): void {
    for (const [response, request] of this.#unanswered) this.#options.respond(request, response, { status: 487 });
    this.#unanswered.clear();
  }

  #release(): void {
    this.#acknowledged();
    this.#decided();
    this.#options.onEnd(this);
    void this.#scope.close();
  }

  #guard(tell: () => void): void {
    try {
      tell();
    } catch (error) {
      this.#options.logger.error({ callId: this.#callId, err: error }, 'dialog handler threw');
    }
  }
}

/** What drachtio-srf and drachtio-server copy from a request into its response. */
export function copiedBytes(view: DrachtioRequest): number {
  return ['call-id', 'cseq', 'from', 'to'].reduce((sum, name) => sum + 12 + 2 * (view.header(name)?.length ?? 0), 0);
}
