import { lookup } from 'node:dns/promises';
import { connect, isIP, type Socket } from 'node:net';
import { SrsError } from '../core/errors.js';
import { DEFAULT_SIP_LIMITS } from '../sip/limits.js';
import { parseSipMessage, type SipMessage } from '../sip/message.js';
import { TcpConnection } from '../sip/tcp-connection.js';
import type { Endpoint } from '../sip/transport.js';
import { UdpTransport } from '../sip/transport-udp.js';

export interface SipTarget {
  /** Name or IP address. */
  readonly host: string;
  readonly port: number;
  readonly transport: 'udp' | 'tcp';
}

/** SIP messages to and from one server. What cannot be parsed is dropped, as by any user agent. */
export interface SipLink {
  readonly transport: 'udp' | 'tcp';
  readonly localAddress: string;
  readonly localPort: number;
  /** Where the server was found. */
  readonly remote: Endpoint;
  onMessage: ((message: SipMessage, from: Endpoint) => void) | undefined;
  onFailure: ((error: SrsError) => void) | undefined;
  /** `to` matters for UDP only: a connection has one other end. */
  send(bytes: Uint8Array, to?: Endpoint): void;
  /** Sends what was handed over, then closes. Idempotent. */
  close(): void;
}

/** Opens UDP or connects TCP. Throws `SRS_SIP_TIMEOUT` when nobody is found there. */
export async function openSipLink(target: SipTarget): Promise<SipLink> {
  const remote = { address: await resolveHost(target.host), port: target.port };
  return target.transport === 'tcp' ? TcpLink.connect(remote) : UdpLink.open(remote);
}

async function resolveHost(host: string): Promise<string> {
  if (isIP(host) !== 0) return host;
  try {
    return (await lookup(host)).address;
  } catch (cause) {
    throw new SrsError('SRS_SIP_TIMEOUT', `no address is known for ${host}`, { cause });
  }
}

class UdpLink implements SipLink {
  readonly transport = 'udp';
  readonly remote: Endpoint;
  localAddress = '';
  onMessage: ((message: SipMessage, from: Endpoint) => void) | undefined;
  onFailure: ((error: SrsError) => void) | undefined;
  readonly #socket: UdpTransport;

  private constructor(remote: Endpoint) {
    this.remote = remote;
    this.#socket = new UdpTransport({
      host: isIP(remote.address) === 6 ? '::' : '0.0.0.0',
      port: 0,
      onMessage: ({ bytes, source }) => {
        const message = tryParse(bytes);
        if (message !== undefined) this.onMessage?.(message, source);
      },
      onError: (cause) => this.onFailure?.(new SrsError('SRS_SIP_TIMEOUT', `UDP failed: ${cause.message}`, { cause })),
    });
  }

  static async open(remote: Endpoint): Promise<UdpLink> {
    const link = new UdpLink(remote);
    await link.#socket.start();
    link.localAddress = await link.#socket.localAddressFor(remote);
    return link;
  }

  get localPort(): number {
    return this.#socket.address.port;
  }

  send(bytes: Uint8Array, to: Endpoint = this.remote): void {
    this.#socket.send(bytes, to);
  }

  close(): void {
    void this.#socket.close();
  }
}

const CONNECT_TIMEOUT_MS = 10_000;
const MESSAGE_MS = 32_000;
const MAX_UNSENT_BYTES = 1024 * 1024;
const CLOSE_GRACE_MS = 300;

class TcpLink implements SipLink {
  readonly transport = 'tcp';
  readonly localAddress: string;
  readonly localPort: number;
  readonly remote: Endpoint;
  onMessage: ((message: SipMessage, from: Endpoint) => void) | undefined;
  onFailure: ((error: SrsError) => void) | undefined;
  readonly #connection: TcpConnection;

  private constructor(socket: Socket, remote: Endpoint) {
    this.#connection = new TcpConnection(remote, {
      socket,
      limits: DEFAULT_SIP_LIMITS,
      // A recorded call may be silent on the signalling side for hours.
      idleMs: 0,
      messageMs: MESSAGE_MS,
      maxUnsentBytes: MAX_UNSENT_BYTES,
      onItem: (item) => {
        if (item.kind === 'broken') this.#fail(`the SRS sent what is no message: ${item.error.message}`);
        const message = item.kind === 'message' ? tryParse(item.bytes) : undefined;
        if (message !== undefined) this.onMessage?.(message, remote);
      },
      onClose: (error) =>
        this.#fail(error ? `the connection broke: ${error.message}` : 'the SRS closed the connection'),
    });
    this.localAddress = this.#connection.localAddress ?? '';
    this.localPort = socket.localPort ?? 0;
    this.remote = remote;
  }

  static async connect(remote: Endpoint): Promise<TcpLink> {
    const socket = connect({ host: remote.address, port: remote.port });
    await new Promise<void>((resolve, reject) => {
      const refuse = (why: string): void => {
        socket.destroy();
        reject(new SrsError('SRS_SIP_TIMEOUT', `no TCP connection to ${remote.address}:${remote.port}: ${why}`));
      };
      socket.setTimeout(CONNECT_TIMEOUT_MS, () => refuse(`nothing within ${CONNECT_TIMEOUT_MS} ms`));
      socket.once('error', (error) => refuse(error.message));
      socket.once('connect', resolve);
    });
    socket.removeAllListeners();
    return new TcpLink(socket, remote);
  }

  send(bytes: Uint8Array): void {
    this.#connection.write(bytes);
  }

  close(): void {
    this.onFailure = undefined;
    void this.#connection.close(CLOSE_GRACE_MS);
  }

  #fail(why: string): void {
    this.onFailure?.(new SrsError('SRS_SIP_TIMEOUT', why));
  }
}

function tryParse(bytes: Uint8Array): SipMessage | undefined {
  try {
    return parseSipMessage(bytes);
  } catch {
    return undefined;
  }
}
