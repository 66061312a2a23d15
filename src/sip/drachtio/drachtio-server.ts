import { networkInterfaces } from 'node:os';
import { type Clock, systemClock } from '../../core/clock.js';
import type { Logger } from '../../core/logger.js';
import { type Metrics, SIP_CLASSES, SIP_METHODS } from '../../core/metrics.js';
import { Scope } from '../../core/scope.js';
import { failureReply } from '../failure.js';
import { PeerGate } from '../peer-gate.js';
import { type Refusal, refusal } from '../refusal.js';
import { RefusalLog } from '../refusal-log.js';
import { checkRequest } from '../request-checks.js';
import { MINIMUM_SESSION_SECONDS, negotiateSessionInterval } from '../session-interval.js';
import type { ListenAddress, SipHandlers, SipReply, SipServer } from '../sip-server.js';
import { plainAddress } from '../transport.js';
import { copiedBytes, DrachtioDialog, type EndReason, type Responder } from './drachtio-dialog.js';
import { DrachtioLink, type SrfRequest, type SrfResponse } from './drachtio-link.js';
import { sendReply } from './drachtio-reply.js';
import { DrachtioRequest } from './drachtio-request.js';

export interface DrachtioSipServerOptions {
  /** drachtio-server's admin port. */
  readonly host: string;
  readonly port: number;
  /** `cymru` when not given, as in drachtio-server's own example. */
  readonly secret?: string;
  /** Our address in SDP when the SRC reaches another one than drachtio-server says. */
  readonly externalIp?: string;
  /** Addresses or CIDR ranges that may speak to us; others hear 403. None or empty: everybody. */
  readonly peers?: readonly string[];
  /** New INVITEs and OPTIONS a second from one address; 0 or none: no limit. */
  readonly peerRate?: number;
  readonly handlers: SipHandlers;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly clock?: Clock;
  readonly serverName: string;
  /** The smallest Session-Expires taken, in seconds; 90 when not given (RFC 4028 §4). */
  readonly minimumSessionSeconds?: number;
  /** How long the first connection may take, in ms; 10 s when not given. */
  readonly connectMs?: number;
  /** How long drachtio-server may say nothing, in ms, before it is connected to anew; 40 s when not given. A ping goes every 15 s. */
  readonly silenceMs?: number;
  /** How long a request may wait for its answer, in ms; 28 s when not given: a little less than the SRC's own patience. */
  readonly patienceMs?: number;
}

/** How long a stop waits for answers to BYEs that were sent before it. */
const FAREWELL_MS = 2_000;

/** SIP by a drachtio-server beside us. Transactions, retransmissions and session timers are its work. */
export class DrachtioSipServer implements SipServer {
  readonly #options: DrachtioSipServerOptions;
  readonly #link: DrachtioLink;
  readonly #gate: PeerGate;
  readonly #refusals: RefusalLog;
  readonly #clock: Clock;
  readonly #scope = new Scope('drachtio front');
  readonly #dialogs = new Set<DrachtioDialog>();
  /** The confirmed ones by their names. */
  readonly #named = new Map<string, DrachtioDialog>();
  readonly #farewells = new Set<Promise<void>>();
  #starting: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;

  /** @throws SrsError `SRS_CONFIG_INVALID` when a peer is neither address nor CIDR range */
  constructor(options: DrachtioSipServerOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    const { peers = [], peerRate: perSecond = 0, metrics, logger } = options;
    this.#gate = new PeerGate({ peers, perSecond, digest: undefined, clock: this.#clock });
    this.#refusals = new RefusalLog(metrics, logger, this.#clock);
    this.#link = new DrachtioLink({
      host: options.host,
      port: options.port,
      secret: options.secret ?? 'cymru',
      logger: options.logger,
      connectMs: options.connectMs ?? 10_000,
      silenceMs: options.silenceMs ?? 40_000,
      onRequest: (request, response) => this.#receive(request, response),
      onLost: (socket) => {
        for (const dialog of [...this.#dialogs]) if (dialog.socket === socket) dialog.over('transport');
      },
    });
  }

  /** Where drachtio-server listens; empty while there is no connection to it. */
  get addresses(): readonly ListenAddress[] {
    return this.#link.addresses;
  }

  /** Dialogs held, early ones included; 0 at rest. */
  get dialogs(): number {
    return this.#dialogs.size;
  }

  /** @throws SrsError `SRS_CONFIG_INVALID` when no drachtio-server answers in time or it refuses the secret */
  start(): Promise<void> {
    this.#starting ??= this.#link.start().catch(async (error: unknown) => {
      await this.stop();
      throw error;
    });
    return this.#starting;
  }

  /** drachtio-server would keep dialogs of ours without us, so those that are left get a BYE here. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stopAll();
    return this.#stopping;
  }

  async #stopAll(): Promise<void> {
    for (const dialog of this.#dialogs) if (!dialog.early) this.#farewell(dialog.bye('shutdown'));
    if (this.#farewells.size > 0) {
      const enough = new Promise<void>((resolve) => this.#scope.timeout(resolve, FAREWELL_MS));
      await Promise.race([Promise.allSettled(this.#farewells), enough]);
    }
    await this.#link.stop();
    for (const dialog of [...this.#dialogs]) dialog.over('transport');
    await this.#scope.close();
  }

  /** drachtio-srf catches what is thrown here, prints it and answers 404, so nothing is. */
  #receive(srf: SrfRequest, response: SrfResponse): void {
    try {
      if (srf.source === 'application') this.#endedByServer(srf);
      else this.#route(srf, response);
    } catch (error) {
      this.#options.logger.error({ err: error }, 'SIP message was dropped');
    }
  }

  #route(srf: SrfRequest, response: SrfResponse): void {
    const { metrics, handlers } = this.#options;
    const { method } = srf;
    metrics.sipRequests.inc({ method: SIP_METHODS.find((known) => known === method) ?? 'OTHER' });
    let request: DrachtioRequest;
    try {
      request = new DrachtioRequest(srf, this.#clock.now());
    } catch (error) {
      if (method !== 'ACK') this.#refuseUnread(response, failureReply(error));
      return;
    }
    const dialog = this.#dialogOf(srf, request);
    if (method === 'ACK') {
      dialog?.acknowledge(request);
      return;
    }
    const refused = this.#check(request, dialog !== undefined);
    if (refused !== undefined) {
      const { callId, source } = request;
      this.#refusals.note(refused.cause, { callId, method, status: refused.reply.status, peer: source.address });
      this.#respond(request, response, refused.reply);
    } else if (dialog !== undefined) dialog.receive(srf, request, response);
    else if (method === 'OPTIONS') {
      let reply: SipReply;
      try {
        reply = handlers.options(request);
      } catch (error) {
        reply = failureReply(error);
      }
      this.#respond(request, response, reply);
    } else void this.#takeInvite(srf, request, response);
  }

  /** A new INVITE gets exactly one final response, and a session that was made for nothing is told so. */
  async #takeInvite(srf: SrfRequest, request: DrachtioRequest, response: SrfResponse): Promise<void> {
    const { handlers, logger, minimumSessionSeconds = MINIMUM_SESSION_SECONDS, patienceMs = 28_000 } = this.#options;
    const { callId } = request;
    const session = negotiateSessionInterval(request, minimumSessionSeconds);
    if ('refusal' in session) {
      this.#respond(request, response, session.refusal);
      return;
    }
    const dialog = new DrachtioDialog({
      invite: srf,
      view: request,
      localHost: this.#localHost(srf),
      minimumSessionSeconds,
      patienceMs,
      logger,
      respond: this.#respond,
      onRequest: (crossing, itsResponse) => this.#receive(crossing, itsResponse),
      onEnd: (ended) => {
        this.#dialogs.delete(ended);
        if (this.#named.get(ended.id) === ended) this.#named.delete(ended.id);
      },
    });
    this.#dialogs.add(dialog);
    // drachtio-server answers the CANCEL and the INVITE by itself.
    srf.once('cancel', () => (dialog.early ? dialog.abandon(true) : dialog.cancelCame()));
    const cancelPatience = this.#scope.timeout(() => {
      if (!dialog.early) return;
      logger.error({ callId }, 'INVITE was not decided in time');
      this.#respond(request, response, { status: 503 });
      dialog.abandon(true);
    }, patienceMs);
    try {
      const { reply, session: made } = await handlers.invite(request, this.#control(dialog));
      if (!dialog.early) made?.ended('cancelled');
      else if (reply.status >= 200 && reply.status < 300) {
        const replaced = this.#named.get(dialog.id);
        this.#named.set(dialog.id, dialog);
        dialog.confirm(response, reply, made, session.interval);
        // drachtio-server knows the later one alone by this name: nothing can be said in the earlier one any more, and nothing is heard.
        replaced?.over('transport');
      } else this.#refuse(dialog, request, response, reply.status < 300 ? { status: 500 } : reply);
    } catch (error) {
      logger.error({ callId, err: error }, 'INVITE failed');
      if (dialog.early) this.#refuse(dialog, request, response, failureReply(error));
    } finally {
      cancelPatience();
    }
  }

  #refuse(dialog: DrachtioDialog, request: DrachtioRequest, response: SrfResponse, reply: SipReply): void {
    this.#respond(request, response, reply);
    dialog.abandon(false);
  }

  /** The dialog as the application has it: a stop waits for the BYEs that were asked for before it. */
  #control(dialog: DrachtioDialog): Parameters<SipHandlers['invite']>[1] {
    return {
      localHost: dialog.localHost,
      cancelled: dialog.cancelled,
      bye: (reason) => this.#farewell(dialog.bye(reason)),
      request: (request) => dialog.request(request),
    };
  }

  #farewell(bye: Promise<void>): Promise<void> {
    const kept = bye.finally(() => this.#farewells.delete(kept));
    this.#farewells.add(kept);
    return kept;
  }

  readonly #respond: Responder = (request, response, reply, extras = {}, onSent = () => {}) => {
    const { serverName, metrics, logger } = this.#options;
    const { method, callId } = request;
    const status = sendReply(response, reply, {
      method,
      serverName,
      copiedBytes: copiedBytes(request),
      extras,
      onSent,
    });
    if (status !== reply.status) logger.error({ callId, status: reply.status }, 'reply cannot be written');
    metrics.sipResponses.inc({ class: SIP_CLASSES[Math.floor(status / 100) - 1] ?? '6xx' });
    return status;
  };

  #refuseUnread(response: SrfResponse, reply: SipReply): void {
    const { serverName, metrics } = this.#options;
    sendReply(response, reply, { method: '', serverName, copiedBytes: 2_000, onSent: () => {} });
    metrics.sipResponses.inc({ class: SIP_CLASSES[Math.floor(reply.status / 100) - 1] ?? '6xx' });
  }

  /** A BYE that drachtio-server made: nobody acknowledged, or nobody refreshed the session. */
  #endedByServer(srf: SrfRequest): void {
    const text = /text="([^"]*)"/i.exec(srf.get('reason') ?? '')?.[1] ?? '';
    const reason: EndReason = /ack/i.test(text)
      ? 'ack_timeout'
      : /session/i.test(text)
        ? 'session_expired'
        : 'transport';
    this.#named.get(srf.stackDialogId)?.over(reason);
  }

  /** Requests without a To tag make dialogs, even when one of the same Call-ID and From tag is there. */
  #dialogOf(srf: SrfRequest, request: DrachtioRequest): DrachtioDialog | undefined {
    if (request.toTag === undefined) return undefined;
    const dialog = this.#named.get(srf.stackDialogId || `${request.callId};from-tag=${request.fromTag}`);
    return dialog?.socket === srf.socket ? dialog : undefined;
  }

  /** What drachtio-server leaves to the application. It makes a dialog of an INVITE without Contact, which nobody could end. */
  #check(request: DrachtioRequest, inDialog: boolean): Refusal | undefined {
    if (!this.#gate.knows(request.source.address)) return refusal('forbidden', 403);
    const { method, toTag } = request;
    const opens = toTag === undefined && (method === 'INVITE' || method === 'OPTIONS');
    const refused =
      (opens ? this.#gate.admit(request) : undefined) ?? checkRequest(request, { inDialog, merged: false });
    if (refused !== undefined || method !== 'INVITE' || inDialog) return refused;
    if (request.headers('contact').length > 0) return undefined;
    return refusal('malformed', 400, { Warning: '399 sipscribe "no Contact"' });
  }

  /** The address that the SRC reached, when drachtio-server is on this machine; else ours towards drachtio-server. */
  #localHost(srf: SrfRequest): string {
    const { externalIp } = this.#options;
    if (externalIp !== undefined) return externalIp;
    const reached = srf.receivedOn?.replace(/:\d*$/, '').replace(/^\[|\]$/g, '');
    const ours = Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map(({ address }) => address));
    if (reached !== undefined && ours.includes(reached)) return reached;
    const local = srf.socket.localAddress ?? '127.0.0.1';
    return plainAddress(local);
  }
}
