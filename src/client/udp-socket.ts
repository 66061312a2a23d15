import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { SrsError } from '../core/errors.js';

/** A bound UDP socket: the client's only way to datagrams, for SIP and for RTP. */
export class UdpSocket {
  readonly port: number;
  onMessage: ((bytes: Buffer, from: RemoteInfo) => void) | undefined;
  /** Errors of sending and receiving, such as a peer's "port unreachable". They do not close the socket. */
  onError: ((error: Error) => void) | undefined;
  readonly #socket: Socket;
  #closing = false;
  #pending = 0;

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.port = socket.address().port;
    socket.on('message', (bytes, from) => this.onMessage?.(bytes, from));
    socket.on('error', (error) => this.onError?.(error));
  }

  /** Binds to a port that the system chooses. Throws `SRS_PORTS_EXHAUSTED`. */
  static async bind(address: string): Promise<UdpSocket> {
    const socket = createSocket({ type: isIPv6(address) ? 'udp6' : 'udp4', recvBufferSize: 1 << 20 });
    await new Promise<void>((resolve, reject) => {
      socket.once('error', (cause) => {
        socket.close();
        reject(new SrsError('SRS_PORTS_EXHAUSTED', `no UDP socket on ${address}: ${cause.message}`, { cause }));
      });
      socket.bind({ address, port: 0, exclusive: true }, resolve);
    });
    socket.removeAllListeners('error');
    return new UdpSocket(socket);
  }

  /** Binds to an even port, as RTP wants it (RFC 3550 §11). */
  static async bindEven(address: string): Promise<UdpSocket> {
    const odd: UdpSocket[] = [];
    try {
      for (let attempt = 0; attempt < 64; attempt++) {
        const socket = await UdpSocket.bind(address);
        if (socket.port % 2 === 0) return socket;
        odd.push(socket);
      }
    } finally {
      for (const socket of odd) socket.close();
    }
    throw new SrsError('SRS_PORTS_EXHAUSTED', `no even UDP port on ${address}`);
  }

  /** The address that the system would use to reach a peer. Sends nothing. */
  static async localAddressTowards(host: string, port: number): Promise<string> {
    const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4');
    try {
      await new Promise<void>((resolve, reject) => {
        socket.once('error', reject);
        socket.connect(port, host, resolve);
      });
      return socket.address().address;
    } finally {
      socket.close();
    }
  }

  /** Hands a datagram to the system; a failure goes to `onError`. */
  send(bytes: Uint8Array, port: number, address: string): void {
    if (this.#closing) return;
    this.#pending += 1;
    this.#socket.send(bytes, port, address, (error) => {
      this.#pending -= 1;
      if (error) this.onError?.(error);
      this.#closeWhenSent();
    });
  }

  /**
   * Idempotent. Node looks addresses up one turn later even when they are addresses already, and a close before that would drop the
   * last ACK of a refused call; so the socket closes when what was handed over is out.
   */
  close(): void {
    if (this.#closing) return;
    this.#closing = true;
    this.onMessage = undefined;
    this.#closeWhenSent();
  }

  #closeWhenSent(): void {
    if (this.#closing && this.#pending === 0) this.#socket.close();
  }
}
