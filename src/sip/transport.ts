import type { SrsError } from '../core/errors.js';
import type { ListenAddress } from './sip-server.js';

export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

/** Where to send. A connection that is still open is preferred over a new one to the address (RFC 3261 §18.2.2). */
export interface SipTarget extends Endpoint {
  readonly connection?: number;
  /** The host that the address was found by; a new TLS connection asks for it. */
  readonly name?: string;
  /** As in the arrival; another connection of the same peer is taken when the address cannot be reached. */
  readonly peer?: string;
  /** The host in the Via of whoever is meant. Several SRCs behind one NAT are one peer, and differ in this alone. */
  readonly sentBy?: string;
}

/** One datagram, or one message cut from a stream. */
export interface SipArrival {
  readonly transport: SipTransport;
  readonly bytes: Uint8Array;
  readonly source: Endpoint;
  /** Set on streams. */
  readonly connection?: number;
  /** Who is at the other end of the stream: equal for connections of one address and, with TLS, one verified certificate's names. */
  readonly peer?: string;
  /** The stream cannot be read on after these bytes, and its connection closes. */
  readonly problem?: SrsError;
}

/** Bytes in and out. Transports know framing and nothing else of SIP. */
export interface SipTransport {
  readonly kind: ListenAddress['transport'];
  /** Reliable transports need no retransmission of requests. */
  readonly reliable: boolean;
  /** Valid after `start`. */
  readonly address: ListenAddress;
  start(): Promise<void>;
  /** Never throws; `onError` hears what could be learnt about a failure. */
  send(bytes: Uint8Array, target: SipTarget, onError?: (error: Error) => void): void;
  /** The address of ours that the peer reaches, for Contact and Via when the socket is bound to all addresses. */
  localAddressFor(target: SipTarget): string | Promise<string>;
  /** A request that came by this connection has this host in its Via. */
  named?(connection: number, sentBy: string): void;
  close(): Promise<void>;
}

/** IPv4 addresses that a dual-stack socket shows as `::ffff:192.0.2.1`, as they are. */
export function plainAddress(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address;
}

export function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || host === '::';
}
