import { Buffer } from 'node:buffer';
import { SrsError } from '../../core/errors.js';
import { headerValue, headerValues, readSipMessage, type SipRequest } from '../message.js';
import { tagOf } from '../name-address.js';
import type { SipRequestView } from '../sip-server.js';
import type { SrfRequest } from './drachtio-link.js';

/** drachtio-srf's own view of bodies cannot be used for multipart, so the message is read anew from its text by our parsers. */
export class DrachtioRequest implements SipRequestView {
  readonly #message: SipRequest;
  readonly raw: Uint8Array;
  readonly source: SipRequestView['source'];
  readonly receivedAt: number;
  readonly callId: string;
  readonly fromTag: string;
  readonly toTag: string | undefined;

  /** @throws SrsError `SRS_SIP_MALFORMED`, `SRS_SIP_TOO_LARGE` */
  constructor(request: SrfRequest, receivedAt: number) {
    this.raw = Buffer.from(request.raw, 'utf8');
    const reading = readSipMessage(Buffer.from(withoutStaleLength(request.raw), 'utf8'));
    if ('error' in reading) throw reading.error;
    if (reading.message.kind !== 'request') throw new SrsError('SRS_SIP_MALFORMED', 'a response came as a request');
    this.#message = reading.message;
    this.receivedAt = receivedAt;
    this.callId = this.header('call-id') ?? '';
    this.fromTag = tagOf(this.header('from') ?? '') ?? '';
    this.toTag = tagOf(this.header('to') ?? '');
    const { protocol, source_address: address, source_port: port } = request;
    this.source = { transport: transportOf(protocol), address: address.replace(/^\[|\]$/g, ''), port };
  }

  get method(): string {
    return this.#message.method;
  }

  get uri(): string {
    return this.#message.uri;
  }

  get body(): Uint8Array {
    return this.#message.body;
  }

  header(name: string): string | undefined {
    return headerValue(this.#message, name);
  }

  headers(name: string): readonly string[] {
    return headerValues(this.#message, name);
  }
}

/** Bytes that were no UTF-8 have become three each on their way here, and Content-Length would cut the body short. */
function withoutStaleLength(raw: string): string {
  if (!raw.includes('\ufffd')) return raw;
  const blank = raw.indexOf('\r\n\r\n');
  if (blank < 0) return raw;
  return raw.slice(0, blank).replace(/\r\n(?:content-length|l)[ \t]*:[^\r\n]*/gi, '') + raw.slice(blank);
}

function transportOf(protocol: string): SipRequestView['source']['transport'] {
  const known = protocol.toLowerCase();
  if (known === 'tls' || known === 'wss') return 'tls';
  return known === 'tcp' || known === 'ws' ? 'tcp' : 'udp';
}
