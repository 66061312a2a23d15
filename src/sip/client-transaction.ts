import { SrsError } from '../core/errors.js';
import type { Scope } from '../core/scope.js';
import { parseCSeq } from './cseq.js';
import { splitList } from './header-list.js';
import { headerValue, type SipMessage, type SipRequest, type SipResponse, serializeSipMessage } from './message.js';
import { Retransmission } from './retransmission.js';
import { type SipTimers, transactionLifetimeMs } from './sip-timers.js';
import { parseVia } from './via.js';

export interface ClientTransactionOptions {
  /** Complete, with a topmost Via whose branch is new. */
  readonly request: SipRequest;
  readonly send: (bytes: Uint8Array) => void;
  /** False on UDP: the request is repeated until it is answered. */
  readonly reliable: boolean;
  readonly timers: SipTimers;
  readonly scope: Scope;
  /** An INVITE that is still proceeding this long after its first provisional response is cancelled; never when not given. */
  readonly cancelAfterMs?: number;
  readonly onProvisional?: (response: SipResponse) => void;
  /** Once for failures and non-INVITE; for every copy of a 2xx to INVITE, since each needs its ACK from the caller (§13.2.2.4). */
  readonly onFinal: (response: SipResponse) => void;
  /** `SRS_SIP_TIMEOUT`, or whatever `fail` was given. */
  readonly onFailure: (error: Error) => void;
  /** The transaction is forgotten. */
  readonly onEnd?: (transaction: ClientTransaction) => void;
}

/** What responses are matched by (§17.1.3), or undefined when the message cannot be read that far. */
export function clientTransactionKey(message: SipMessage): string | undefined {
  try {
    const via = parseVia(splitList(headerValue(message, 'via') ?? '')[0] ?? '');
    const { method } = parseCSeq(headerValue(message, 'cseq') ?? '');
    return via.branch === undefined ? undefined : `${via.branch}|${method}`;
  } catch {
    return undefined;
  }
}

/** A client transaction (RFC 3261 §17.1, with the accepted state of RFC 6026 §7.2). Acknowledges failures of INVITE itself. */
export class ClientTransaction {
  readonly key: string;
  readonly #options: ClientTransactionOptions;
  readonly #invite: boolean;
  #state: 'calling' | 'proceeding' | 'completed' | 'accepted' | 'terminated' = 'calling';
  #repeat: Retransmission | undefined;
  #cancelTimer: (() => void) | undefined;
  #ack: Uint8Array | undefined;

  /** @throws SrsError `SRS_SIP_MALFORMED` when Via or CSeq of the request cannot be read */
  constructor(options: ClientTransactionOptions) {
    const key = clientTransactionKey(options.request);
    if (key === undefined) throw new SrsError('SRS_SIP_MALFORMED', 'a request of ours has no branch or no CSeq');
    this.key = key;
    this.#options = options;
    this.#invite = options.request.method === 'INVITE';
  }

  /** Sends the request and starts timers A and B, or E and F. */
  start(): void {
    const { request, send, reliable, timers, scope } = this.#options;
    const bytes = serializeSipMessage(request);
    send(bytes);
    if (!reliable) {
      const longest = this.#invite ? Number.POSITIVE_INFINITY : timers.t2Ms;
      this.#repeat = new Retransmission(scope, () => send(bytes), timers.t1Ms, longest);
    }
    this.#after(transactionLifetimeMs(timers), () => {
      this.fail(new SrsError('SRS_SIP_TIMEOUT', `${request.method} was not answered`));
    });
  }

  receive(response: SipResponse): void {
    if (this.#state === 'terminated') return;
    if (response.status < 200) this.#provisional(response);
    else if (this.#invite) this.#finalOfInvite(response);
    else if (this.#state === 'calling' || this.#state === 'proceeding') {
      this.#state = 'completed';
      this.#repeat?.stop();
      this.#after(this.#options.reliable ? 0 : this.#options.timers.t4Ms, () => this.terminate()); // Timer K.
      this.#options.onFinal(response);
    }
  }

  /** Ends without an answer, as when the connection cannot be made. */
  fail(error: Error): void {
    if (this.#state !== 'calling' && this.#state !== 'proceeding') return;
    this.terminate();
    this.#options.onFailure(error);
  }

  terminate(): void {
    if (this.#state === 'terminated') return;
    this.#state = 'terminated';
    this.#repeat?.stop();
    this.#cancelTimer?.();
    this.#options.onEnd?.(this);
  }

  #provisional(response: SipResponse): void {
    if (this.#state !== 'calling' && this.#state !== 'proceeding') return;
    const first = this.#state === 'calling';
    this.#state = 'proceeding';
    if (this.#invite) {
      if (first) this.#ring();
    } else if (first) this.#repeat?.slowTo(this.#options.timers.t2Ms);
    this.#options.onProvisional?.(response);
  }

  /** A ringing INVITE may take as long as it likes, unless its patience was given. */
  #ring(): void {
    this.#repeat?.stop();
    this.#cancelTimer?.();
    const { cancelAfterMs } = this.#options;
    if (cancelAfterMs !== undefined) this.#after(cancelAfterMs, () => this.#cancel());
  }

  /** RFC 3261 §9.1: the CANCEL is repeated as long as the INVITE has no final response, for 64*T1 at most. */
  #cancel(): void {
    const { request, send, reliable, timers, scope } = this.#options;
    const bytes = serializeSipMessage(cancelOf(request));
    send(bytes);
    if (!reliable) this.#repeat = new Retransmission(scope, () => send(bytes), timers.t1Ms, timers.t2Ms);
    this.#after(transactionLifetimeMs(timers), () => {
      this.fail(new SrsError('SRS_SIP_TIMEOUT', 'INVITE was not answered, nor was its CANCEL'));
    });
  }

  #finalOfInvite(response: SipResponse): void {
    const { timers, reliable, send, onFinal } = this.#options;
    const lifetime = transactionLifetimeMs(timers);
    if (this.#state === 'completed') {
      if (this.#ack !== undefined && response.status >= 300) send(this.#ack);
      return;
    }
    if (this.#state === 'accepted') {
      if (response.status < 300) onFinal(response);
      return;
    }
    this.#repeat?.stop();
    if (response.status < 300) {
      this.#state = 'accepted';
      this.#after(lifetime, () => this.terminate()); // Timer M.
    } else {
      this.#state = 'completed';
      this.#ack = serializeSipMessage(failureAck(this.#options.request, response));
      send(this.#ack);
      this.#after(reliable ? 0 : lifetime, () => this.terminate()); // Timer D.
    }
    onFinal(response);
  }

  #after(ms: number, action: () => void): void {
    this.#cancelTimer?.();
    this.#cancelTimer = this.#options.scope.timeout(action, ms);
  }
}

/** The CANCEL of an INVITE (§9.1): same branch, To without change, CSeq with the same number. */
function cancelOf(request: SipRequest): SipRequest {
  const kept = request.headers.filter(({ name }) =>
    ['via', 'from', 'to', 'call-id', 'max-forwards', 'route'].includes(name),
  );
  const cseq = parseCSeq(headerValue(request, 'cseq') ?? '');
  const headers = [...kept, { name: 'cseq', value: `${cseq.number} CANCEL` }];
  return { kind: 'request', method: 'CANCEL', uri: request.uri, headers, body: new Uint8Array(0) };
}

/** The ACK to a failure (§17.1.1.3): same branch, the To of the response. */
function failureAck(request: SipRequest, response: SipResponse): SipRequest {
  const via = request.headers.find((header) => header.name === 'via');
  const kept = request.headers.filter(({ name }) => ['from', 'call-id', 'max-forwards', 'route'].includes(name));
  const cseq = parseCSeq(headerValue(request, 'cseq') ?? '');
  return {
    kind: 'request',
    method: 'ACK',
    uri: request.uri,
    headers: [
      ...(via ? [via] : []),
      ...kept,
      { name: 'to', value: headerValue(response, 'to') ?? headerValue(request, 'to') ?? '' },
      { name: 'cseq', value: `${cseq.number} ACK` },
    ],
    body: new Uint8Array(0),
  };
}
