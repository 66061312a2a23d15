import { createSocket, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import type { ListenAddress } from './sip-server.js';
import { isWildcard, plainAddress, type SipArrival, type SipTarget, type SipTransport } from './transport.js';

export interface UdpTransportOptions {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  readonly onMessage: (arrival: SipArrival) => void;
  /** The socket failed; it may go on working. */
  readonly onError?: (error: Error) => void;
}

/** A burst of INVITEs at the start of a busy hour must not be lost in the kernel. */
const RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024;
const REMEMBERED_ROUTES = 1_024;

/** SIP over UDP. The only door to `node:dgram` for SIP. */
export class UdpTransport implements SipTransport {
  readonly kind = 'udp';
  readonly reliable = false;
  readonly #options: UdpTransportOptions;
  readonly #routes = new Map<string, string>();
  #socket: Socket | undefined;
  #port: number;

  constructor(options: UdpTransportOptions) {
    this.#options = options;
    this.#port = options.port;
  }

  get address(): ListenAddress {
    return { transport: 'udp', host: this.#options.host, port: this.#port };
  }

  async start(): Promise<void> {
    const { host, port, onMessage, onError } = this.#options;
    const socket = openSocket(host);
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.bind({ address: host, port, exclusive: true }, () => {
        socket.off('error', reject);
        resolve();
      });
    });
    socket.on('error', (error) => onError?.(error));
    socket.on('message', (bytes, from) => {
      onMessage({ transport: this, bytes, source: { address: plainAddress(from.address), port: from.port } });
    });
    try {
      socket.setRecvBufferSize(RECEIVE_BUFFER_BYTES);
    } catch {
      // A system that refuses a larger buffer keeps its own.
    }
    this.#socket = socket;
    this.#port = socket.address().port;
  }

  send(bytes: Uint8Array, target: SipTarget, onError?: (error: Error) => void): void {
    const socket = this.#socket;
    if (socket === undefined) return;
    try {
      // A socket of IPv6 reaches IPv4 by mapped addresses only (RFC 4291 §2.5.5.2).
      const mapped = isIPv6(this.#options.host) && !target.address.includes(':');
      socket.send(bytes, target.port, mapped ? `::ffff:${target.address}` : target.address, (error) => {
        if (error) (onError ?? this.#options.onError)?.(error);
      });
    } catch (error) {
      (onError ?? this.#options.onError)?.(error instanceof Error ? error : new Error(String(error)));
    }
  }

  localAddressFor(target: SipTarget): string | Promise<string> {
    if (!isWildcard(this.#options.host)) return this.#options.host;
    const known = this.#routes.get(target.address);
    if (known !== undefined) return known;
    return this.#askRoute(target).then((local) => {
      if (this.#routes.size >= REMEMBERED_ROUTES) this.#routes.clear();
      this.#routes.set(target.address, local);
      return local;
    });
  }

  async close(): Promise<void> {
    const socket = this.#socket;
    this.#socket = undefined;
    if (socket !== undefined) await new Promise<void>((resolve) => socket.close(() => resolve()));
  }

  /** A connected UDP socket makes the kernel look up the route and say which source address it takes; nothing is sent. */
  #askRoute(target: SipTarget): Promise<string> {
    const probe = openSocket(target.address);
    return new Promise((resolve) => {
      const done = (local: string) => {
        probe.close();
        resolve(local);
      };
      probe.once('error', () => done(this.#options.host));
      probe.connect(target.port, target.address, () => done(plainAddress(probe.address().address)));
    });
  }
}

/** SIP sends to addresses, so the look-up of names that Node does for each datagram is cut short. */
function openSocket(address: string): Socket {
  const family = isIPv6(address) ? 6 : 4;
  return createSocket({
    type: family === 6 ? 'udp6' : 'udp4',
    lookup: (host, _options, callback) => callback(null, host, family),
  });
}
