import { lookup } from 'node:dns/promises';
import { connect, isIP, type Socket } from 'node:net';
import { SrsError } from '../core/errors.js';
import { parseSipMessage, type SipMessage, serializeSipMessage } from '../sip/message.js';
import { StreamFramer } from '../sip/stream-framer.js';
import { UdpSocket } from './udp-socket.js';

export interface SipTarget {
  /** Name or IP address. */
  readonly host: string;
  readonly port: number;
  readonly transport: 'udp' | 'tcp';
}

export interface Hop {
  readonly address: string;
  readonly port: number;
}

/** SIP messages to and from one server. What cannot be parsed is dropped, as by any user agent. */
export interface SipLink {
  readonly transport: 'udp' | 'tcp';
  readonly localAddress: string;
  readonly localPort: number;
  /** Where the server was found. */
  readonly remote: Hop;
  onMessage: ((message: SipMessage, from: Hop) => void) | undefined;
  onFailure: ((error: SrsError) => void) | undefined;
  /** `to` matters for UDP only: a connection has one other end. */
  send(message: SipMessage, to?: Hop): void;
  /** Idempotent. */
  close(): void;
}

/** Opens UDP or connects TCP. Throws `SRS_SIP_TIMEOUT` when nobody is found there. */
export async function openSipLink(target: SipTarget): Promise<SipLink> {
  const remote = { address: await resolveHost(target.host), port: target.port };
  if (target.transport === 'tcp') return TcpLink.connect(remote);
  const localAddress = await UdpSocket.localAddressTowards(remote.address, remote.port);
  return new UdpLink(await UdpSocket.bind(localAddress), localAddress, remote);
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
  readonly localAddress: string;
  readonly remote: Hop;
  onMessage: ((message: SipMessage, from: Hop) => void) | undefined;
  onFailure: ((error: SrsError) => void) | undefined;
  readonly #socket: UdpSocket;

  constructor(socket: UdpSocket, localAddress: string, remote: Hop) {
    this.#socket = socket;
    this.localAddress = localAddress;
    this.remote = remote;
    socket.onMessage = (bytes, from) => {
      const message = tryParse(bytes);
      if (message !== undefined) this.onMessage?.(message, { address: from.address, port: from.port });
    };
  }

  get localPort(): number {
    return this.#socket.port;
  }

  send(message: SipMessage, to: Hop = this.remote): void {
    this.#socket.send(serializeSipMessage(message), to.port, to.address);
  }

  close(): void {
    this.#socket.close();
  }
}

const CONNECT_TIMEOUT_MS = 10_000;

class TcpLink implements SipLink {
  readonly transport = 'tcp';
  readonly localAddress: string;
  readonly localPort: number;
  readonly remote: Hop;
  onMessage: ((message: SipMessage, from: Hop) => void) | undefined;
  onFailure: ((error: SrsError) => void) | undefined;
  readonly #socket: Socket;
  readonly #framer = new StreamFramer();

  private constructor(socket: Socket, remote: Hop) {
    this.#socket = socket;
    this.localAddress = socket.localAddress ?? '';
    this.localPort = socket.localPort ?? 0;
    this.remote = remote;
    socket.on('data', (bytes) => this.#take(bytes));
    socket.on('error', (cause) => this.#fail(`the connection broke: ${cause.message}`));
    socket.on('close', () => this.#fail('the SRS closed the connection'));
  }

  static async connect(remote: Hop): Promise<TcpLink> {
    const socket = connect({ host: remote.address, port: remote.port, noDelay: true });
    await new Promise<void>((resolve, reject) => {
      const refuse = (why: string): void => {
        socket.destroy();
        reject(new SrsError('SRS_SIP_TIMEOUT', `no TCP connection to ${remote.address}:${remote.port}: ${why}`));
      };
      socket.setTimeout(CONNECT_TIMEOUT_MS, () => refuse(`nothing within ${CONNECT_TIMEOUT_MS} ms`));
      socket.once('error', (error) => refuse(error.message));
      socket.once('connect', resolve);
    });
    socket.setTimeout(0);
    socket.removeAllListeners('error');
    return new TcpLink(socket, remote);
  }

  send(message: SipMessage): void {
    this.#socket.write(serializeSipMessage(message));
  }

  close(): void {
    this.onFailure = undefined;
    this.#socket.end();
    this.#socket.destroySoon();
  }

  #take(bytes: Buffer): void {
    for (const item of this.#framer.push(bytes)) {
      if (item.kind === 'broken') {
        this.#fail(`the SRS sent what is no message: ${item.error.message}`);
        this.#socket.destroy();
      } else if (item.kind === 'message') {
        const message = tryParse(item.bytes);
        if (message !== undefined) this.onMessage?.(message, this.remote);
      }
    }
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
