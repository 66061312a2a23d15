import { randomUUID } from 'node:crypto';
import { token } from '../../../src/core/ids.js';
import type { Scope } from '../../../src/core/scope.js';
import { type ClientTransaction, clientTransactionKey } from '../../../src/sip/client-transaction.js';
import { IncomingRequest, makeAnswerable } from '../../../src/sip/incoming-request.js';
import type { SipLimits } from '../../../src/sip/limits.js';
import {
  readSipMessage,
  type SipHeader,
  type SipRequest,
  type SipResponse,
  serializeSipMessage,
} from '../../../src/sip/message.js';
import { reasonPhrase } from '../../../src/sip/reason-phrase.js';
import { ServerTransaction } from '../../../src/sip/server-transaction.js';
import type { SipTimers } from '../../../src/sip/sip-timers.js';
import type { SipArrival, SipTransport } from '../../../src/sip/transport.js';
import type { ControlClient, ControlMessage, ControlPort } from './control-port.js';
import { EmulatedDialog } from './emulated-dialog.js';
import { applicationHeaders, applicationMessage, copiedHeaders, dialogId, hasLongLine, origin } from './frames.js';

export interface SipSideOptions {
  readonly control: ControlPort;
  readonly scope: Scope;
  readonly timers: SipTimers;
  readonly secondMs: number;
  readonly limits: SipLimits;
  readonly transports: readonly SipTransport[];
}

/** A request that waits for the application's answer. */
interface Pending {
  readonly request: IncomingRequest;
  readonly transaction: ServerTransaction;
  readonly owner: ControlClient;
  readonly dialog: EmulatedDialog | undefined;
}

const NO_BODY = new Uint8Array(0);

/** SIP on one side, frames of the control protocol on the other. */
export class SipSide {
  readonly #options: SipSideOptions;
  readonly #transactions = new Map<string, ServerTransaction>();
  readonly #clients = new Map<string, ClientTransaction>();
  readonly #pending = new Map<string, Pending>();
  readonly #dialogs = new Map<string, EmulatedDialog>();

  constructor(options: SipSideOptions) {
    this.#options = options;
  }

  get dialogs(): number {
    return this.#dialogs.size;
  }

  async close(): Promise<void> {
    await Promise.all(this.#options.transports.map((transport) => transport.close()));
    for (const dialog of this.#dialogs.values()) dialog.end();
    for (const transaction of [...this.#transactions.values()]) transaction.terminate();
    for (const transaction of [...this.#clients.values()]) transaction.terminate();
  }

  /** An application is gone: its INVITEs get no final response, its dialogs are forgotten, and their peers hear nothing. */
  forget(client: ControlClient): void {
    for (const [id, pending] of this.#pending) if (pending.owner === client) this.#pending.delete(id);
    for (const dialog of [...this.#dialogs.values()]) if (dialog.owner === client) this.#drop(dialog);
  }

  receive(arrival: SipArrival): void {
    const reading = readSipMessage(arrival.bytes, this.#options.limits);
    if ('error' in reading) return;
    const { message } = reading;
    if (message.kind === 'response') {
      this.#clients.get(clientTransactionKey(message) ?? '')?.receive(message);
      return;
    }
    const request = new IncomingRequest(makeAnswerable(message, arrival), arrival, Date.now());
    if (hasLongLine(arrival.bytes)) {
      const response = this.#response(request, 400, token(6));
      arrival.transport.send(serializeSipMessage(response), request.replyTarget);
    } else if (request.method === 'ACK') this.#acknowledge(request);
    else this.#begin(request);
  }

  /** An answer of an application, or a request of its own. */
  fromApplication(client: ControlClient, message: ControlMessage): void {
    const [transactionId = '', id = ''] = message.tokens;
    const sip = applicationMessage(message.sip);
    if (sip.kind === 'response') this.#answer(client, message, transactionId, sip);
    else void this.#send(client, message, id, sip);
  }

  #acknowledge(request: IncomingRequest): void {
    const transaction = this.#transactions.get(request.transactionKey('INVITE'));
    if (transaction?.finalStatus !== undefined && transaction.finalStatus >= 300) transaction.acknowledged();
    const dialog = this.#dialogs.get(dialogId(request));
    if (dialog === undefined || request.toTag !== dialog.localTag) return;
    dialog.acknowledged(request);
    this.#forward(dialog.owner, request, randomUUID(), dialog, '');
  }

  #begin(request: IncomingRequest): void {
    const key = request.transactionKey(request.method);
    const known = this.#transactions.get(key);
    if (known !== undefined) {
      known.retransmitted();
      return;
    }
    const transaction = new ServerTransaction({
      key,
      toTag: token(6),
      method: request.method,
      transport: request.arrival.transport,
      replyTarget: request.replyTarget,
      timers: this.#options.timers,
      scope: this.#options.scope,
      onEnd: () => this.#transactions.delete(key),
    });
    this.#transactions.set(key, transaction);
    if (request.method === 'CANCEL') this.#cancel(request, transaction);
    else this.#offer(request, transaction);
  }

  /** Gives a request to the application that owns its dialog, or asked for its method. */
  #offer(request: IncomingRequest, transaction: ServerTransaction): void {
    const { method } = request;
    const found = request.toTag === undefined ? undefined : this.#dialogs.get(dialogId(request));
    const dialog = found?.localTag === request.toTag ? found : undefined;
    if (dialog === undefined && request.toTag !== undefined && (method === 'BYE' || method === 'INVITE')) {
      transaction.respond(this.#response(request, 481, transaction.toTag));
      return;
    }
    const owner = dialog?.owner ?? this.#options.control.forMethod(method);
    if (owner === undefined) {
      transaction.respond(this.#response(request, 503, transaction.toTag));
      return;
    }
    if (method === 'INVITE') transaction.respond(this.#response(request, 100, undefined));
    dialog?.heard(request);
    const id = randomUUID();
    this.#pending.set(id, { request, transaction, owner, dialog });
    this.#forward(owner, request, id, dialog, request.source.transport);
  }

  #forward(
    owner: ControlClient,
    request: IncomingRequest,
    id: string,
    dialog: EmulatedDialog | undefined,
    proto: string,
  ): void {
    const { bytes, source, transport } = request.arrival;
    const here = `${transport.address.host}|${transport.address.port}|`;
    const names = dialog === undefined ? `${id}||${here}` : `${id}|${dialog.id}|`;
    const text = Buffer.from(bytes).toString('utf8');
    this.#options.control.send(owner, `sip|${origin('network', bytes.length, proto, source)}|${names}\r\n${text}`);
  }

  #cancel(request: IncomingRequest, transaction: ServerTransaction): void {
    const invite = this.#transactions.get(request.transactionKey('INVITE'));
    const waiting = [...this.#pending].find(([, pending]) => pending.transaction === invite);
    transaction.respond(this.#response(request, waiting === undefined ? 481 : 200, transaction.toTag));
    if (waiting === undefined) return;
    const [id, pending] = waiting;
    this.#pending.delete(id);
    pending.transaction.respond(this.#response(pending.request, 487, pending.transaction.toTag));
    this.#forward(pending.owner, request, id, pending.dialog, request.source.transport);
  }

  #answer(client: ControlClient, message: ControlMessage, id: string, reply: SipResponse): void {
    const { control, secondMs } = this.#options;
    const pending = this.#pending.get(id);
    if (pending === undefined) {
      control.answer(client, message, 'NOK|Response not sent due to unknown transaction');
      return;
    }
    const { request, transaction } = pending;
    const { method } = request;
    const response = this.#response(request, reply.status, transaction.toTag, reply);
    transaction.respond(response);
    if (reply.status >= 200) this.#pending.delete(id);
    let { dialog } = pending;
    if (method === 'INVITE' && reply.status >= 200 && reply.status < 300) {
      dialog ??= this.#open(request, transaction, client);
      dialog.answered(request, transaction);
    }
    const interval = Number(
      /^\d+/.exec(response.headers.find(({ name }) => name === 'session-expires')?.value ?? '')?.[0],
    );
    if (dialog !== undefined && interval > 0) dialog.expireAfter(interval * secondMs);
    if (method === 'BYE' && dialog !== undefined) this.#drop(dialog);
    const text = Buffer.from(serializeSipMessage(response)).toString('utf8');
    const where = origin('application', Buffer.byteLength(text), request.source.transport, request.replyTarget);
    control.answer(client, message, `OK|${where}|${id}|${dialogId(request)}||Msg sent:|\r\n${text}`);
  }

  #open(request: IncomingRequest, transaction: ServerTransaction, owner: ControlClient): EmulatedDialog {
    const { scope, timers } = this.#options;
    const { toTag: localTag } = transaction;
    const dialog = new EmulatedDialog({
      invite: request,
      localTag,
      owner,
      scope,
      timers,
      onDead: (dead, reason) => void this.#kill(dead, reason),
    });
    this.#dialogs.set(dialog.id, dialog);
    return dialog;
  }

  /** drachtio-server ends a dialog itself and tells the application by a BYE that it need not answer. */
  async #kill(dialog: EmulatedDialog, reason: string): Promise<void> {
    if (!this.#drop(dialog)) return;
    const headers = [{ name: 'reason', value: `SIP;cause=200;text="${reason}"` }];
    const bye = await dialog.build('BYE', headers, NO_BODY);
    const target = await dialog.target();
    const text = Buffer.from(serializeSipMessage(bye)).toString('utf8');
    const where = origin('application', text.length, dialog.invite.source.transport, target);
    this.#options.control.send(dialog.owner, `sip|${where}|unsolicited|${dialog.id}|\r\n${text}`);
    this.#transmit(dialog, bye, target, () => {});
  }

  async #send(client: ControlClient, message: ControlMessage, id: string, sip: SipRequest): Promise<void> {
    const { control } = this.#options;
    const dialog = this.#dialogs.get(id);
    if (dialog === undefined || dialog.owner !== client) {
      control.answer(client, message, 'NOK|unable to find dialog for dialog id provided');
      return;
    }
    const { host, port } = dialog.invite.arrival.transport.address;
    const request = await dialog.build(sip.method, applicationHeaders(sip, `${host}:${port}`), sip.body);
    const target = await dialog.target();
    const transactionId = randomUUID();
    const proto = dialog.invite.source.transport;
    const text = Buffer.from(serializeSipMessage(request)).toString('utf8');
    const where = origin('application', Buffer.byteLength(text), proto, target);
    control.answer(client, message, `OK|${where}|${transactionId}|Msg sent:|\r\n${text}`);
    this.#transmit(dialog, request, target, (response) => {
      if (sip.method === 'BYE') this.#drop(dialog);
      const raw = Buffer.from(serializeSipMessage(response)).toString('utf8');
      const from = origin('network', Buffer.byteLength(raw), proto, target);
      control.send(client, `sip|${from}|${transactionId}|${dialog.id}|\r\n${raw}`);
    });
  }

  #transmit(
    dialog: EmulatedDialog,
    request: SipRequest,
    target: Awaited<ReturnType<EmulatedDialog['target']>>,
    onResponse: (response: SipResponse) => void,
  ): void {
    dialog.send(request, target, {
      response: onResponse,
      // When nobody answers, the stack makes a 408 of its own.
      nothing: () => onResponse({ ...copyOf(request), status: 408, reason: 'Request Timeout' }),
      start: (transaction) => this.#clients.set(transaction.key, transaction),
      end: (transaction) => this.#clients.delete(transaction.key),
    });
  }

  #drop(dialog: EmulatedDialog): boolean {
    dialog.end();
    return this.#dialogs.delete(dialog.id);
  }

  #response(request: IncomingRequest, status: number, toTag: string | undefined, reply?: SipResponse): SipResponse {
    const { host, port } = request.arrival.transport.address;
    const here = `${host}:${port}`;
    const headers: SipHeader[] = copiedHeaders(request.message, toTag ?? '').map((header) =>
      toTag === undefined && header.name === 'to' ? { name: 'to', value: request.header('to') ?? '' } : header,
    );
    if (reply !== undefined) headers.push(...applicationHeaders(reply, here));
    if (reply !== undefined && request.method === 'INVITE' && request.toTag === undefined && status < 300) {
      for (const value of request.headers('record-route')) headers.push({ name: 'record-route', value });
      if (!headers.some(({ name }) => name === 'contact')) headers.push({ name: 'contact', value: `<sip:${here}>` });
    }
    const reason = reply?.reason ?? reasonPhrase(status);
    return { kind: 'response', status, reason, headers, body: reply?.body ?? NO_BODY };
  }
}

function copyOf(request: SipRequest): Pick<SipResponse, 'kind' | 'headers' | 'body'> {
  return { kind: 'response', headers: copiedHeaders(request, 'none'), body: NO_BODY };
}
