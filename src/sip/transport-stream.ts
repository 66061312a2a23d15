import { createServer, type Server, type Socket } from 'node:net';
import type { ConnectionRefusal } from '../core/metrics.js';
import { ConnectionLimits } from './connection-limits.js';
import { DEFAULT_SIP_LIMITS, type SipLimits } from './limits.js';
import { ownedText } from './owned-text.js';
import type { ListenAddress } from './sip-server.js';
import type { StreamItem } from './stream-framer.js';
import { TcpConnection } from './tcp-connection.js';
import {
  type Endpoint,
  isWildcard,
  plainAddress,
  type SipArrival,
  type SipTarget,
  type SipTransport,
} from './transport.js';

export interface StreamTransportOptions {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  readonly limits?: SipLimits;
  /** Whether a connection from this address may be made; any may when not given. */
  readonly knows?: (address: string) => boolean;
  /** Shared by all transports of a server. */
  readonly admission?: ConnectionLimits;
  /** A connection without traffic is closed after this; 15 minutes when not given. */
  readonly idleMs?: number;
  /** A message must be complete this long after its first byte; 10 s when not given. */
  readonly messageMs?: number;
  /** Whether a call needs this connection, though nothing is said on it. */
  readonly inUse?: (transport: SipTransport, connection: number) => boolean;
  readonly onMessage: (arrival: SipArrival) => void;
  readonly onError?: (error: Error) => void;
  /** A connection was refused or cut off. */
  readonly onRefused?: (reason: ConnectionRefusal, transport: 'tcp' | 'tls', peer: string, detail?: string) => void;
}

const MAX_UNSENT_BYTES = 1024 * 1024;
const IDLE_MS = 900_000;
const MESSAGE_MS = 10_000;
const CONNECT_MS = 10_000;
const CLOSE_GRACE_MS = 300;
/** Connections of ours that are open or being made: answers to peers that have gone must not make them without end. */
const MAX_DIALLED = 256;

/** What TCP and TLS have in common: accepts, connects, frames, and reuses whichever connection is open to the peer. */
export abstract class StreamTransport implements SipTransport {
  abstract readonly kind: 'tcp' | 'tls';
  readonly reliable = true;
  readonly #options: StreamTransportOptions;
  readonly #admission: ConnectionLimits;
  readonly #connections = new Map<number, TcpConnection>();
  readonly #byRemote = new Map<string, number>();
  /** Connections of ours that are being made, with what is to be done for each message written to them when they cannot be. */
  readonly #dialling = new Map<TcpConnection, ((error: Error) => void)[]>();
  /** Accepted connections by peer, the latest one last. */
  readonly #byPeer = new Map<string, Set<TcpConnection>>();
  /** The host in the Via of the latest request that came by each. */
  readonly #names = new WeakMap<TcpConnection, string>();
  /** As accepted: with TLS these lie under the connections, and are there before them. */
  readonly #accepted = new Set<Socket>();
  #dialled = 0;
  #server: Server | undefined;
  #port: number;
  #nextId = 1;
  #closed = false;

  constructor(options: StreamTransportOptions) {
    this.#options = options;
    this.#admission = options.admission ?? new ConnectionLimits({ total: 1_024, perPeer: 256 });
    this.#port = options.port;
  }

  /** Makes an accepted socket ready, and hands it to `established`; destroys it when that fails. */
  protected abstract secure(socket: Socket): void;

  /** What was proven about the peer of a connection that it made, or undefined when nothing was. */
  protected abstract identity(socket: Socket): string | undefined;

  /** A new connection to a peer. What is written to it before it is ready must wait. */
  protected abstract dial(target: SipTarget): Socket;

  /** Runs before the port is bound. */
  protected async prepare(): Promise<void> {}

  get address(): ListenAddress {
    return { transport: this.kind, host: this.#options.host, port: this.#port };
  }

  /** Open connections, and those in a handshake. */
  get connections(): number {
    return this.#accepted.size + this.#dialled;
  }

  async start(): Promise<void> {
    await this.prepare();
    const { host, port, onError } = this.#options;
    const server = createServer((socket) => this.#accept(socket));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host, port }, () => {
        server.off('error', reject);
        resolve();
      });
    });
    server.on('error', (error) => onError?.(error));
    this.#server = server;
    const bound = server.address();
    if (bound !== null && typeof bound !== 'string') this.#port = bound.port;
  }

  send(bytes: Uint8Array, target: SipTarget, onError?: (error: Error) => void): void {
    if (this.#closed) return;
    const open = this.#openTo(target);
    const instead = (error: Error): void => this.#sendByAlias(bytes, target, error, onError);
    if (open !== undefined) {
      this.#dialling.get(open)?.push(instead);
      open.write(bytes);
      return;
    }
    if (this.#dialled >= MAX_DIALLED) {
      instead(new Error('too many connections of ours are open'));
      return;
    }
    this.#dialled++;
    const socket = this.dial(target);
    socket.once('close', () => this.#dialled--);
    const connection = this.#adopt(socket, { address: target.address, port: target.port }, undefined, (error) => {
      const written = this.#dialling.get(connection);
      this.#dialling.delete(connection);
      if (written === undefined) onError?.(error);
      else for (const each of written) each(error);
    });
    this.#dialling.set(connection, [instead]);
    socket.setTimeout(CONNECT_MS);
    socket.once(this.kind === 'tls' ? 'secureConnect' : 'connect', () => {
      this.#dialling.delete(connection);
      socket.setTimeout(this.#options.idleMs ?? IDLE_MS);
    });
    connection.write(bytes);
  }

  /**
   * Many SRCs listen nowhere: a connection that the same peer has made since is as good as the one that is gone (RFC 5923 §5). One on
   * which another host was named in Via is of a neighbour behind the same NAT, whose 481 would end a recording that goes on.
   */
  #sendByAlias(bytes: Uint8Array, { peer, sentBy }: SipTarget, error: Error, onError?: (error: Error) => void): void {
    const others = this.#closed || peer === undefined ? [] : [...(this.#byPeer.get(peer) ?? [])];
    const isSame = (name: string | undefined): boolean => name === undefined || sentBy === undefined || name === sentBy;
    const latest = others.filter((other) => other.open && isSame(this.#names.get(other))).at(-1);
    if (latest === undefined) onError?.(error);
    else latest.write(bytes);
  }

  named(connection: number, sentBy: string): void {
    const known = this.#connections.get(connection);
    if (known !== undefined && this.#names.get(known) !== sentBy) this.#names.set(known, ownedText(sentBy));
  }

  localAddressFor(target: SipTarget): string {
    const local = this.#openTo(target)?.localAddress;
    return local !== undefined && isWildcard(this.#options.host) ? local : this.#options.host;
  }

  async close(): Promise<void> {
    this.#closed = true;
    const server = this.#server;
    this.#server = undefined;
    const stopped = server === undefined ? undefined : new Promise<void>((resolve) => server.close(() => resolve()));
    await Promise.all([...this.#connections.values()].map((connection) => connection.close(CLOSE_GRACE_MS)));
    await Promise.all([...this.#accepted].map(destroyed));
    await stopped;
  }

  /** An accepted connection can be read and written from now on. */
  protected established(socket: Socket): void {
    const { remoteAddress, remotePort } = socket;
    if (this.#closed || remoteAddress === undefined || remotePort === undefined) {
      socket.destroy();
      return;
    }
    const address = plainAddress(remoteAddress);
    const identity = this.identity(socket);
    const peer = identity === undefined ? undefined : `${address}|${identity}`;
    const connection = this.#adopt(socket, { address, port: remotePort }, peer);
    if (peer === undefined) return;
    const siblings = this.#byPeer.get(peer) ?? new Set();
    this.#byPeer.set(peer, siblings.add(connection));
    socket.once('close', () => {
      siblings.delete(connection);
      if (siblings.size === 0 && this.#byPeer.get(peer) === siblings) this.#byPeer.delete(peer);
    });
  }

  protected refused(reason: ConnectionRefusal, peer: string | undefined, detail?: string): void {
    this.#options.onRefused?.(reason, this.kind, peer === undefined ? 'unknown' : plainAddress(peer), detail);
  }

  #openTo(target: SipTarget): TcpConnection | undefined {
    const id = target.connection ?? -1;
    const same = this.#connections.get(id);
    if (same?.open) return same;
    const other = this.#connections.get(this.#byRemote.get(remoteKey(target)) ?? -1);
    return other?.open ? other : undefined;
  }

  #accept(socket: Socket): void {
    const { remoteAddress } = socket;
    socket.on('error', () => {});
    if (this.#closed || remoteAddress === undefined) {
      socket.destroy();
      return;
    }
    const address = plainAddress(remoteAddress);
    // Strangers must not take the places of those who may call, nor a handshake's time.
    const known = this.#options.knows?.(address) ?? true;
    const release = known ? this.#admission.admit(address) : 'forbidden';
    if (typeof release === 'string') {
      socket.destroy();
      this.refused(release, remoteAddress);
      return;
    }
    this.#accepted.add(socket);
    socket.once('close', () => {
      this.#accepted.delete(socket);
      release();
    });
    this.secure(socket);
  }

  #adopt(socket: Socket, remote: Endpoint, peer: string | undefined, onError?: (error: Error) => void): TcpConnection {
    const id = this.#nextId++;
    const key = remoteKey(remote);
    const connection = new TcpConnection(remote, {
      socket,
      limits: this.#options.limits ?? DEFAULT_SIP_LIMITS,
      idleMs: this.#options.idleMs ?? IDLE_MS,
      messageMs: this.#options.messageMs ?? MESSAGE_MS,
      maxUnsentBytes: MAX_UNSENT_BYTES,
      inUse: () => this.#options.inUse?.(this, id) === true,
      onItem: (item) => this.#deliver(item, id, remote, peer),
      onCut: (reason) => this.refused(reason, remote.address),
      onClose: (error) => {
        this.#connections.delete(id);
        if (this.#byRemote.get(key) === id) this.#byRemote.delete(key);
        onError?.(error ?? new Error('the connection was closed'));
      },
    });
    this.#connections.set(id, connection);
    this.#byRemote.set(key, id);
    return connection;
  }

  #deliver(
    item: Exclude<StreamItem, { kind: 'ping' }>,
    connection: number,
    source: Endpoint,
    peer: string | undefined,
  ): void {
    const known = peer === undefined ? {} : { peer };
    const arrival = { transport: this, bytes: item.bytes, source, connection, ...known };
    this.#options.onMessage(item.kind === 'broken' ? { ...arrival, problem: item.error } : arrival);
  }
}

function destroyed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.once('close', () => resolve());
    socket.destroy();
  });
}

const remoteKey = (remote: Endpoint): string => `${remote.address}|${remote.port}`;
