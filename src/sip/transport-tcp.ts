import { connect, createServer, type Server, type Socket } from 'node:net';
import { DEFAULT_SIP_LIMITS, type SipLimits } from './limits.js';
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

export interface TcpTransportOptions {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  readonly limits?: SipLimits;
  /** Connections accepted at once; more are closed at once. */
  readonly maxConnections?: number;
  readonly idleMs?: number;
  readonly onMessage: (arrival: SipArrival) => void;
  readonly onError?: (error: Error) => void;
}

const MAX_UNSENT_BYTES = 1024 * 1024;
const IDLE_MS = 900_000;
const MESSAGE_MS = 32_000;
const CONNECT_MS = 10_000;
const CLOSE_GRACE_MS = 300;

/** SIP over TCP: accepts, connects, and reuses whichever connection is open to the peer. */
export class TcpTransport implements SipTransport {
  readonly kind = 'tcp';
  readonly reliable = true;
  readonly #options: TcpTransportOptions;
  readonly #connections = new Map<number, TcpConnection>();
  readonly #byRemote = new Map<string, number>();
  #server: Server | undefined;
  #port: number;
  #nextId = 1;
  #closed = false;

  constructor(options: TcpTransportOptions) {
    this.#options = options;
    this.#port = options.port;
  }

  get address(): ListenAddress {
    return { transport: 'tcp', host: this.#options.host, port: this.#port };
  }

  /** Open connections. */
  get connections(): number {
    return this.#connections.size;
  }

  async start(): Promise<void> {
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
    if (open !== undefined) {
      open.write(bytes);
      return;
    }
    const socket = connect({ host: target.address, port: target.port });
    const connection = this.#adopt(socket, { address: target.address, port: target.port }, onError);
    socket.setTimeout(CONNECT_MS);
    socket.once('connect', () => socket.setTimeout(this.#options.idleMs ?? IDLE_MS));
    connection.write(bytes);
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
    await stopped;
  }

  #openTo(target: SipTarget): TcpConnection | undefined {
    const id = target.connection ?? -1;
    const same = this.#connections.get(id);
    if (same?.open) return same;
    const other = this.#connections.get(this.#byRemote.get(remoteKey(target)) ?? -1);
    return other?.open ? other : undefined;
  }

  #accept(socket: Socket): void {
    const { remoteAddress, remotePort } = socket;
    const full = this.#connections.size >= (this.#options.maxConnections ?? 1_024);
    if (full || this.#closed || remoteAddress === undefined || remotePort === undefined) {
      socket.on('error', () => {});
      socket.destroy();
      return;
    }
    this.#adopt(socket, { address: plainAddress(remoteAddress), port: remotePort });
  }

  #adopt(socket: Socket, remote: Endpoint, onError?: (error: Error) => void): TcpConnection {
    const id = this.#nextId++;
    const key = remoteKey(remote);
    const connection = new TcpConnection(remote, {
      socket,
      limits: this.#options.limits ?? DEFAULT_SIP_LIMITS,
      idleMs: this.#options.idleMs ?? IDLE_MS,
      messageMs: MESSAGE_MS,
      maxUnsentBytes: MAX_UNSENT_BYTES,
      onItem: (item) => this.#deliver(item, id, remote),
      onClose: (error) => {
        this.#connections.delete(id);
        if (this.#byRemote.get(key) === id) this.#byRemote.delete(key);
        if (error) onError?.(error);
      },
    });
    this.#connections.set(id, connection);
    this.#byRemote.set(key, id);
    return connection;
  }

  #deliver(item: Exclude<StreamItem, { kind: 'ping' }>, connection: number, source: Endpoint): void {
    const arrival = { transport: this, bytes: item.bytes, source, connection };
    this.#options.onMessage(item.kind === 'broken' ? { ...arrival, problem: item.error } : arrival);
  }
}

const remoteKey = (remote: Endpoint): string => `${remote.address}|${remote.port}`;
