import { isIP } from 'node:net';
import { SrsError } from '../core/errors.js';
import { token } from '../core/ids.js';
import { Scope } from '../core/scope.js';
import { ClientTransaction, clientTransactionKey } from '../sip/client-transaction.js';
import { parseCSeq } from '../sip/cseq.js';
import {
  headerValue,
  headerValues,
  type SipMessage,
  type SipRequest,
  type SipResponse,
  serializeSipMessage,
} from '../sip/message.js';
import { parseNameAddress, tagOf } from '../sip/name-address.js';
import type { SipTimers } from '../sip/sip-timers.js';
import type { Endpoint } from '../sip/transport.js';
import { parseUri, writtenHost } from '../sip/uri.js';
import { MAGIC_COOKIE } from '../sip/via.js';
import type { SipLink } from './sip-link.js';

export interface DialogOptions {
  readonly link: SipLink;
  /** Request-URI of the INVITE. */
  readonly target: string;
  readonly callId: string;
  readonly timers: SipTimers;
  readonly onResponse?: (method: string, response: SipResponse) => void;
}

interface Body {
  readonly contentType: string;
  readonly content: Uint8Array;
}

/** An INVITE on its way. */
interface Invitation {
  readonly request: SipRequest;
  readonly transaction: ClientTransaction;
  /** Set since a provisional response came: only then may it be cancelled (RFC 3261 §9.1). */
  stopRinging: (() => void) | undefined;
}

/** How long an INVITE may ring after a provisional response. */
const RING_MS = 60_000;
const NO_BODY = new Uint8Array(0);
const USER_AGENT = 'sipscribe-call';
const ALLOW = 'INVITE, ACK, CANCEL, BYE, OPTIONS';

/** The client's side of the dialog of one recording session (RFC 3261 §12, RFC 7866 §6.1). */
export class RecordingDialog {
  /** Called once when the SRS sends BYE. */
  onEndedByPeer: (() => void) | undefined;
  readonly #options: DialogOptions;
  readonly #localTag = token(6);
  readonly #scope = new Scope('call');
  readonly #transactions = new Map<string, ClientTransaction>();
  /** ACKs to 2xx by CSeq number, sent again when the 2xx comes again (RFC 3261 §13.2.2.4). */
  readonly #acks = new Map<number, Uint8Array>();
  readonly #contact: string;
  #cseq = Math.floor(Math.random() * 10_000) + 1;
  #remoteTo: string;
  #remoteTarget: string;
  #routes: readonly string[] = [];
  #established = false;
  #over = false;
  #invitation: Invitation | undefined;

  constructor(options: DialogOptions) {
    this.#options = options;
    this.#remoteTo = `<${options.target}>`;
    this.#remoteTarget = options.target;
    const { link } = options;
    const transport = link.transport === 'tcp' ? ';transport=tcp' : '';
    this.#contact = `<sip:sipscribe@${writtenHost(link.localAddress)}:${link.localPort}${transport}>;+sip.src`;
    link.onMessage = (message, from) => this.#take(message, from);
    link.onFailure = (error) => {
      for (const transaction of [...this.#transactions.values()]) transaction.fail(error);
    };
  }

  get established(): boolean {
    return this.#established && !this.#over;
  }

  /** Sends the INVITE and its ACK. Resolves with the 2xx; throws `SRS_SIP_REJECTED` with `facts.status`, or `SRS_SIP_TIMEOUT`. */
  async invite(body: Body): Promise<SipResponse> {
    const response = await this.#exchangeInvite(body);
    this.#established = true;
    return response;
  }

  /** As `invite`, inside the dialog. A refusal leaves the dialog as it was. */
  reinvite(body: Body): Promise<SipResponse> {
    return this.#exchangeInvite(body);
  }

  /** Gives up an INVITE that has no final response yet (RFC 3261 §9.1). The INVITE itself tells the end. */
  async cancel(): Promise<void> {
    const invite = this.#invitation;
    if (invite === undefined) return;
    if (invite.stopRinging === undefined) {
      // CANCEL must wait for a provisional response; nobody may be there at all.
      invite.transaction.fail(new SrsError('SRS_SIP_TIMEOUT', 'the call was given up before the SRS answered'));
      return;
    }
    const { request } = invite;
    const copied = request.headers.filter(({ name }) => ['via', 'from', 'to', 'call-id', 'route'].includes(name));
    const cseq = `${headerValue(request, 'cseq')?.split(' ')[0]} CANCEL`;
    await this.#exchange({
      ...request,
      method: 'CANCEL',
      body: NO_BODY,
      headers: [...copied, { name: 'cseq', value: cseq }, { name: 'max-forwards', value: '70' }],
    }).catch(() => {});
  }

  /** Ends the dialog. Resolves when the SRS confirmed it; throws `SRS_SIP_TIMEOUT`. Does nothing when it is over already. */
  async bye(): Promise<void> {
    if (!this.established) return;
    this.#over = true;
    await this.#exchange(this.#request('BYE'));
  }

  /** Lets go of everything that waits. Idempotent. */
  close(): Promise<void> {
    return this.#scope.close();
  }

  async #exchangeInvite(body: Body): Promise<SipResponse> {
    const request = this.#request('INVITE', body);
    const response = await this.#exchange(request);
    if (response.status >= 300) {
      const reason = `the SRS answered INVITE with ${response.status} ${response.reason}`.trimEnd();
      throw new SrsError('SRS_SIP_REJECTED', reason, { facts: { status: response.status } });
    }
    if (!this.#established) this.#routes = [...headerValues(response, 'record-route')].reverse();
    this.#remoteTo = headerValue(response, 'to') ?? this.#remoteTo;
    this.#remoteTarget = contactUri(response) ?? this.#remoteTarget;
    const number = cseqOf(request)?.number ?? 0;
    const ack = serializeSipMessage(this.#request('ACK', undefined, number));
    this.#acks.set(number, ack);
    this.#send(ack);
    return response;
  }

  #exchange(request: SipRequest): Promise<SipResponse> {
    const { link, timers, onResponse } = this.#options;
    return new Promise((resolve, reject) => {
      let answered = false;
      const transaction = new ClientTransaction({
        request,
        send: (bytes) => this.#send(bytes),
        reliable: link.transport === 'tcp',
        timers,
        scope: this.#scope,
        onProvisional: (response) => {
          this.#rings(transaction);
          onResponse?.(request.method, response);
        },
        onFinal: (response) => {
          const ack = this.#acks.get(cseqOf(response)?.number ?? 0);
          if (answered && ack !== undefined) this.#send(ack);
          if (answered) return;
          answered = true;
          this.#decided(transaction);
          onResponse?.(request.method, response);
          resolve(response);
        },
        onFailure: (error) => {
          this.#decided(transaction);
          reject(error);
        },
        onEnd: ({ key }) => this.#transactions.delete(key),
      });
      this.#transactions.set(transaction.key, transaction);
      if (request.method === 'INVITE') this.#invitation = { request, transaction, stopRinging: undefined };
      transaction.start();
    });
  }

  #rings(transaction: ClientTransaction): void {
    const invitation = this.#invitation;
    if (invitation?.transaction !== transaction) return;
    invitation.stopRinging ??= this.#scope.timeout(() => {
      transaction.fail(new SrsError('SRS_SIP_TIMEOUT', `no final response to INVITE within ${RING_MS} ms`));
    }, RING_MS);
  }

  #decided(transaction: ClientTransaction): void {
    if (this.#invitation?.transaction !== transaction) return;
    this.#invitation.stopRinging?.();
    this.#invitation = undefined;
  }

  #request(method: string, body?: Body, cseq?: number): SipRequest {
    const { link, callId, target } = this.#options;
    const number = cseq ?? ++this.#cseq;
    const host = `${writtenHost(link.localAddress)}:${link.localPort}`;
    const headers = [
      { name: 'via', value: `SIP/2.0/${link.transport.toUpperCase()} ${host};branch=${MAGIC_COOKIE}${token()};rport` },
      ...this.#routes.map((value) => ({ name: 'route', value })),
      { name: 'max-forwards', value: '70' },
      { name: 'from', value: `<sip:sipscribe@${writtenHost(link.localAddress)}>;tag=${this.#localTag}` },
      { name: 'to', value: this.#remoteTo },
      { name: 'call-id', value: callId },
      { name: 'cseq', value: `${number} ${method}` },
      { name: 'user-agent', value: USER_AGENT },
    ];
    if (method === 'INVITE') {
      headers.push(
        { name: 'contact', value: this.#contact },
        { name: 'require', value: 'siprec' },
        { name: 'accept', value: 'application/sdp, application/rs-metadata, application/rs-metadata-request' },
        { name: 'allow', value: ALLOW },
      );
    }
    if (body !== undefined) headers.push({ name: 'content-type', value: body.contentType });
    const uri = this.#established || method === 'ACK' ? this.#remoteTarget : target;
    return { kind: 'request', method, uri, headers, body: body?.content ?? NO_BODY };
  }

  #send(bytes: Uint8Array): void {
    this.#options.link.send(bytes, this.#nextHop());
  }

  /** Where requests of the dialog go when that is an address; names are left to the place that the INVITE went to. */
  #nextHop(): Endpoint | undefined {
    if (!this.#established && this.#remoteTarget === this.#options.target) return undefined;
    try {
      const route = this.#routes[0];
      const uri = parseUri(route === undefined ? this.#remoteTarget : parseNameAddress(route).uri);
      return isIP(uri.host) === 0 ? undefined : { address: uri.host, port: uri.port ?? 5060 };
    } catch {
      return undefined;
    }
  }

  #take(message: SipMessage, from: Endpoint): void {
    if (headerValue(message, 'call-id') !== this.#options.callId) return;
    if (message.kind === 'request') this.#takeRequest(message, from);
    else this.#transactions.get(clientTransactionKey(message) ?? '')?.receive(message);
  }

  #takeRequest(request: SipRequest, from: Endpoint): void {
    if (request.method === 'ACK') return;
    // A request of another dialog must not end this one (RFC 3261 §12.2.2).
    if (tagOf(headerValue(request, 'to') ?? '') !== this.#localTag) {
      this.#reply(request, from, 481, 'Call/Transaction Does Not Exist');
    } else if (request.method === 'BYE') {
      this.#reply(request, from, 200, 'OK');
      if (this.#over) return;
      this.#over = true;
      this.onEndedByPeer?.();
    } else if (request.method === 'OPTIONS') {
      this.#reply(request, from, 200, 'OK');
    } else if (request.method === 'INVITE') {
      // This client plays files and takes no offers; the session goes on as it was (RFC 3261 §14.2).
      this.#reply(request, from, 488, 'Not Acceptable Here');
    } else {
      this.#reply(request, from, 405, 'Method Not Allowed');
    }
  }

  #reply(request: SipRequest, from: Endpoint, status: number, reason: string): void {
    const copied = request.headers.filter(({ name }) => ['via', 'from', 'to', 'call-id', 'cseq'].includes(name));
    const headers = [...copied, { name: 'allow', value: ALLOW }, { name: 'user-agent', value: USER_AGENT }];
    const response: SipResponse = { kind: 'response', status, reason, headers, body: NO_BODY };
    this.#options.link.send(serializeSipMessage(response), from);
  }
}

function contactUri(response: SipResponse): string | undefined {
  const contact = headerValues(response, 'contact')[0];
  try {
    return contact === undefined ? undefined : parseNameAddress(contact).uri;
  } catch {
    return undefined;
  }
}

function cseqOf(message: SipMessage): { number: number; method: string } | undefined {
  try {
    return parseCSeq(headerValue(message, 'cseq') ?? '');
  } catch {
    return undefined;
  }
}
