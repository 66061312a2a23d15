import { randomInt } from 'node:crypto';
import { SrsError } from '../core/errors.js';
import type { Logger } from '../core/logger.js';
import { AnswerDelivery } from './answer-delivery.js';
import { contactUri } from './dialog-path.js';
import { DialogSender } from './dialog-sender.js';
import { failureReply } from './failure.js';
import type { IncomingRequest } from './incoming-request.js';
import { headerValue } from './message.js';
import type { ServerTransaction } from './server-transaction.js';
import { negotiateSessionInterval, type SessionInterval, sessionIntervalHeaders } from './session-interval.js';
import { SessionTimer } from './session-timer.js';
import { type SipCore, SUPPORTED } from './sip-core.js';
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
  readonly #core: SipCore;
  readonly #log: Logger;
  readonly #sender: DialogSender;
  readonly #callId: string;
  readonly #cancel = new AbortController();
  readonly #timer: SessionTimer;
  /** Answers to INVITEs that wait for their ACK, by CSeq. */
  readonly #deliveries = new Map<number, AnswerDelivery>();
  /** Requests of the peer that wait for our answer. */
  readonly #unanswered = new Map<ServerTransaction, IncomingRequest>();
  #handlers: SipDialogHandlers = QUIET;
  #state: 'early' | 'confirmed' | 'ending' | 'over' = 'early';
  readonly localHost: string;
  #remoteCSeq: number;
  #refreshing = false;
  #bye: Promise<void> | undefined;
  #decided: () => void = () => {};
  readonly #decision: Promise<void>;

  /** @throws SrsError `SRS_SIP_MALFORMED` when Contact or Record-Route cannot be read */
  constructor(core: SipCore, invite: IncomingRequest, localTag: string, localHost: string) {
    this.#core = core;
    this.#callId = invite.callId;
    this.#log = core.options.logger;
    this.localHost = localHost;
    this.#sender = new DialogSender(core, invite, localTag, localHost);
    this.#remoteCSeq = invite.cseq.number;
    this.key = dialogKey(invite.callId, localTag, invite.fromTag);
    const { kind, address } = invite.arrival.transport;
    const transport = kind === 'udp' ? '' : `;transport=${kind}`;
    this.contact = `<sip:srs@${writtenHost(localHost)}:${address.port}${transport}>;+sip.srs`;
    this.#timer = new SessionTimer(
      core.scope,
      (interval) => void this.#refreshPeer(interval),
      () => void this.#end('session_expired'),
    );
    this.#decision = new Promise((resolve) => {
      this.#decided = resolve;
    });
  }

  get cancelled(): AbortSignal {
    return this.#cancel.signal;
  }

  /** The INVITE was cancelled, refused or given up: there will be no dialog. */
  abandon(cancelled: boolean): void {
    if (this.#state !== 'early') return;
    this.#state = 'over';
    if (cancelled) this.#cancel.abort();
    this.#decided();
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
    this.#core.dialogs.set(this.key, this);
    this.#answer(invite, transaction, reply, interval);
    this.#decided();
  }

  /** Takes a request that names this dialog; ACK and CANCEL come by their own ways. */
  receive(request: IncomingRequest, transaction: ServerTransaction): void {
    if (request.cseq.number < this.#remoteCSeq) {
      this.#core.respond(transaction, request, {
        status: 500,
        headers: { Warning: '399 sipscribe "CSeq is too low"' },
      });
      return;
    }
    this.#remoteCSeq = request.cseq.number;
    this.#sender.heard(request);
    if (request.method === 'BYE') {
      this.#core.respond(transaction, request, { status: 200 });
      this.#over('bye', request);
      return;
    }
    if (this.#state !== 'confirmed') {
      this.#core.respond(transaction, request, { status: 481 });
      return;
    }
    if (request.method === 'INVITE' || request.method === 'UPDATE') void this.#refresh(request, transaction);
    else if (request.method === 'INFO' || request.method === 'OPTIONS') void this.#forward(request, transaction);
    else this.#core.respond(transaction, request, { status: 405 });
  }

  /** The ACK to a 2xx came. */
  acknowledge(request: IncomingRequest): void {
    const delivery = this.#deliveries.get(request.cseq.number);
    if (delivery === undefined) return;
    this.#deliveries.delete(request.cseq.number);
    delivery.stop();
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
    if (this.#state !== 'confirmed') throw new SrsError('SRS_SIP_DIALOG_STATE', 'the dialog is not confirmed');
    const headers = Object.entries(request.headers ?? {}).map(([name, value]) => ({ name: name.toLowerCase(), value }));
    const response = await this.#sender.send(request.method, [{ name: 'contact', value: this.contact }, ...headers]);
    return { status: response.status, header: (name) => headerValue(response, name), body: response.body };
  }

  /** The server stops: everything that waits is let go, and nobody is told. */
  forget(): void {
    this.#state = 'over';
    this.#release();
  }

  async #refresh(request: IncomingRequest, transaction: ServerTransaction): Promise<void> {
    if (this.#refreshing) {
      // RFC 3261 §14.2: one offer at a time.
      const headers = { 'Retry-After': String(randomInt(0, 11)) };
      this.#core.respond(transaction, request, { status: 500, headers });
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
    this.#refreshing = true;
    if (request.method === 'INVITE') this.#core.respond(transaction, request, { status: 100 });
    const reply = await this.#ask(request, transaction);
    this.#refreshing = false;
    if (transaction.finalStatus !== undefined || this.#state !== 'confirmed') return;
    if (reply.status < 300) this.#sender.retarget(request);
    this.#answer(request, transaction, reply, session.interval);
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
    this.#timer.restart(interval);
    if (request.method !== 'INVITE') return;
    const resend = (): void => transaction.repeatFinal();
    const delivery = new AnswerDelivery(scope, options.timers, resend, () => {
      this.#log.warn({ callId: this.#callId }, 'answer was not acknowledged');
      void this.#end('ack_timeout');
    });
    this.#deliveries.set(request.cseq.number, delivery);
  }

  async #forward(request: IncomingRequest, transaction: ServerTransaction): Promise<void> {
    const reply = await this.#ask(request, transaction);
    this.#core.respond(transaction, request, reply);
  }

  /** Asks the application; a CANCEL or the end of the dialog answers for it. */
  async #ask(request: IncomingRequest, transaction: ServerTransaction): Promise<SipReply> {
    this.#unanswered.set(transaction, request);
    transaction.onCancel = () => this.#core.respond(transaction, request, { status: 487 });
    try {
      return await this.#handlers.request(request);
    } catch (error) {
      this.#log.warn({ callId: this.#callId, method: request.method, err: error }, 'request in dialog failed');
      return failureReply(error);
    } finally {
      this.#unanswered.delete(transaction);
    }
  }

  /** We end it: the application hears it first, then the peer. */
  async #end(reason: EndReason, text?: string): Promise<void> {
    if (this.#state !== 'confirmed') return;
    this.#state = 'ending';
    this.#timer.stop();
    this.#refuseUnanswered();
    this.#guard(() => this.#handlers.ended(reason));
    // RFC 3261 §15: no BYE before the ACK to the 2xx, or before the wait for it is over.
    await Promise.all([...this.#deliveries.values()].map((delivery) => delivery.settled));
    if (this.#core.scope.closed) return;
    try {
      const headers = text === undefined ? [] : [{ name: 'reason', value: `SIP;cause=200;text="${quotable(text)}"` }];
      await this.#sender.send('BYE', headers);
    } catch (error) {
      this.#log.info({ callId: this.#callId, err: error }, 'BYE was not answered');
    }
    this.#state = 'over';
    this.#release();
  }

  /** The peer ended it. */
  #over(reason: EndReason, bye: IncomingRequest): void {
    const told = this.#state === 'confirmed';
    this.#refuseUnanswered();
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

  #refuseUnanswered(): void {
    for (const [transaction, request] of this.#unanswered) this.#core.respond(transaction, request, { status: 487 });
    this.#unanswered.clear();
  }

  #release(): void {
    this.#timer.stop();
    for (const delivery of this.#deliveries.values()) delivery.stop();
    this.#deliveries.clear();
    this.#core.dialogs.delete(this.key);
    this.#decided();
  }

  /** RFC 4028 §10: we are the refresher. UPDATE needs no offer. */
  async #refreshPeer(interval: SessionInterval): Promise<void> {
    const headers = [
      { name: 'contact', value: this.contact },
      { name: 'supported', value: SUPPORTED },
      { name: 'session-expires', value: `${interval.seconds};refresher=uac` },
    ];
    try {
      const response = await this.#sender.send('UPDATE', headers);
      if (this.#state !== 'confirmed') return;
      // A peer that asks for refreshes and refuses the UPDATE is there all the same (RFC 5057 §5.1): a recording must not end by it.
      if (response.status === 481 || response.status === 408) void this.#end('session_expired');
      else this.#timer.restart(interval);
    } catch (error) {
      this.#log.info({ callId: this.#callId, err: error }, 'session refresh was not answered');
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

function quotable(text: string): string {
  return text
    .replace(/[^\x20-\x7e]+/g, ' ')
    .replace(/["\\]/g, "'")
    .slice(0, 128);
}
