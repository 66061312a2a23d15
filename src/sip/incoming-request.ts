import { SrsError } from '../core/errors.js';
import { type CSeq, parseCSeq } from './cseq.js';
import { splitList } from './header-list.js';
import { headerValue, headerValues, type SipHeader, type SipRequest } from './message.js';
import { parseNameAddress } from './name-address.js';
import type { ListenAddress, SipRequestView } from './sip-server.js';
import type { Endpoint, SipArrival, SipTarget } from './transport.js';
import { MAGIC_COOKIE, parseVia, stampVia, type Via } from './via.js';

/** What a response needs, even when the rest of the request cannot be read. */
export interface Answerable {
  /** With `received` and `rport` in its topmost Via. */
  readonly message: SipRequest;
  readonly via: Via;
  /** Where responses go (RFC 3261 §18.2.2, RFC 3581 §4). */
  readonly replyTarget: SipTarget;
}

/** @throws SrsError `SRS_SIP_MALFORMED` when the topmost Via is missing or cannot be read */
export function makeAnswerable(request: SipRequest, arrival: SipArrival): Answerable {
  const at = request.headers.findIndex((header) => header.name === 'via');
  const [first, ...others] = splitList(request.headers[at]?.value ?? '');
  if (first === undefined) throw new SrsError('SRS_SIP_MALFORMED', 'the request has no Via');
  const via = parseVia(first);
  const stamped: SipHeader = { name: 'via', value: [stampVia(first, via, arrival.source), ...others].join(', ') };
  const headers = request.headers.slice();
  headers[at] = stamped;
  const { address, port } = arrival.source;
  const wanted = via.port ?? (arrival.transport.kind === 'tls' ? 5061 : 5060);
  // A peer's end of a connection takes no new one: when the connection is gone, the answer goes to the port in Via.
  const { connection, peer } = arrival;
  const replyTarget =
    connection === undefined
      ? { address, port: via.params.has('rport') ? port : wanted }
      : { address, port: wanted, connection, sentBy: via.host, ...(peer === undefined ? {} : { peer }) };
  return { message: { ...request, headers }, via, replyTarget };
}

/** A request whose mandatory headers are there and can be read, with the keys that it is matched by. */
export class IncomingRequest implements Answerable, SipRequestView {
  readonly message: SipRequest;
  readonly via: Via;
  readonly replyTarget: SipTarget;
  readonly arrival: SipArrival;
  readonly receivedAt: number;
  readonly callId: string;
  readonly cseq: CSeq;
  /** Empty for peers of RFC 2543 that send none. */
  readonly fromTag: string;
  readonly toTag: string | undefined;

  /** @throws SrsError `SRS_SIP_MALFORMED` */
  constructor(answerable: Answerable, arrival: SipArrival, receivedAt: number) {
    const { message } = answerable;
    this.message = message;
    this.via = answerable.via;
    this.replyTarget = answerable.replyTarget;
    this.arrival = arrival;
    this.receivedAt = receivedAt;
    const single = readSingles(message);
    this.callId = mandatory(single, 'call-id');
    this.cseq = parseCSeq(mandatory(single, 'cseq'));
    if (this.cseq.method !== message.method) {
      throw new SrsError('SRS_SIP_MALFORMED', 'CSeq names another method than the request line');
    }
    this.fromTag = parseNameAddress(mandatory(single, 'from')).params.get('tag') ?? '';
    this.toTag = parseNameAddress(mandatory(single, 'to')).params.get('tag') || undefined;
  }

  get method(): string {
    return this.message.method;
  }

  get uri(): string {
    return this.message.uri;
  }

  get body(): Uint8Array {
    return this.message.body;
  }

  get raw(): Uint8Array {
    return this.arrival.bytes;
  }

  get source(): Endpoint & { readonly transport: ListenAddress['transport'] } {
    return { transport: this.arrival.transport.kind, ...this.arrival.source };
  }

  header(name: string): string | undefined {
    return headerValue(this.message, name);
  }

  headers(name: string): readonly string[] {
    return headerValues(this.message, name);
  }

  /** Key of the server transaction (RFC 3261 §17.2.3); ACK and CANCEL ask for that of the method they belong to. */
  transactionKey(method: string): string {
    const { branch, host, port } = this.via;
    if (isBranch(branch)) return `${branch}|${host.toLowerCase()}|${port ?? 5060}|${method}`;
    // RFC 2543 had no unique branch, and some peers write the cookie with nothing behind it. The To tag is left out, because the
    // ACK carries the one of our response.
    const top = splitList(headerValue(this.message, 'via') ?? '')[0];
    return `2543|${this.uri}|${this.fromTag}|${this.callId}|${this.cseq.number}|${top}|${method}`;
  }

  /** The peer speaks as RFC 2543 did: no branch, no From tag. It need not send Contact either. */
  get isRfc2543(): boolean {
    return this.fromTag === '' && !isBranch(this.via.branch);
  }

  /** Equal for all that one caller sends for one call (§12.1.1), before a To tag tells its dialogs apart. */
  get callerKey(): string {
    return `${this.callId}|${this.fromTag}`;
  }

  /** Equal for copies of one request that came by several ways (§8.2.2.2). */
  get mergeKey(): string {
    return `${this.callId}|${this.fromTag}|${this.cseq.number}|${this.method}`;
  }
}

/** Headers that stand once; two that differ would be read one way here and the other way by the next (RFC 3261 §7.3.1). */
const SINGLE = new Set(['call-id', 'cseq', 'from', 'to', 'max-forwards', 'content-type']);
const DOUBLED = /[;,]\s*[;,]/;

/** @throws SrsError `SRS_SIP_MALFORMED` when a header that stands once is there twice, or a Via has empty elements */
function readSingles(message: SipRequest): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const { name, value } of message.headers) {
    if (!SINGLE.has(name)) {
      if (name === 'via' && DOUBLED.test(value)) throw new SrsError('SRS_SIP_MALFORMED', 'a Via has empty elements');
      continue;
    }
    const other = found.get(name);
    if (other === undefined) found.set(name, value);
    else if (other !== value) throw new SrsError('SRS_SIP_MALFORMED', `the request has more than one ${name}`);
  }
  return found;
}

function isBranch(branch: string | undefined): branch is string {
  return branch !== undefined && branch.length > MAGIC_COOKIE.length && branch.startsWith(MAGIC_COOKIE);
}

function mandatory(single: ReadonlyMap<string, string>, name: string): string {
  const value = single.get(name);
  if (value === undefined || value === '') throw new SrsError('SRS_SIP_MALFORMED', `the request has no ${name}`);
  return value;
}
