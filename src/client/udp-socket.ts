import { createSocket, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { SrsError } from '../core/errors.js';

/** A bound UDP socket that sends RTP, and what it has to say about it. */
export class UdpSocket {
  readonly port: number;
  onMessage: ((bytes: Uint8Array) => void) | undefined;
  readonly #socket: Socket;
  #closed = false;

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.port = socket.address().port;
    // "Port unreachable" and the like: RTP has no answer to wait for, and the report tells what was sent.
    socket.on('error', () => {});
    socket.on('message', (bytes) => this.onMessage?.(bytes));
  }

  /** Binds to an even port that the system chooses, as RTP wants it (RFC 3550 §11). Throws `SRS_PORTS_EXHAUSTED`. */
  static async bindEven(address: string): Promise<UdpSocket> {
    const odd: UdpSocket[] = [];
    try {
      for (let attempt = 0; attempt < 64; attempt++) {
        const socket = await UdpSocket.#bind(address);
        if (socket.port % 2 === 0) return socket;
        odd.push(socket);
      }
    } finally {
      for (const socket of odd) socket.close();
    }
    throw new SrsError('SRS_PORTS_EXHAUSTED', `no even UDP port on ${address}`);
  }

  /** An even port and the one after it, for RTP and RTCP (RFC 3550 §11). Throws `SRS_PORTS_EXHAUSTED`. */
  static async bindPair(address: string): Promise<readonly [rtp: UdpSocket, rtcp: UdpSocket]> {
    for (let attempt = 0; ; attempt++) {
      const rtp = await UdpSocket.bindEven(address);
      try {
        return [rtp, await UdpSocket.#bind(address, rtp.port + 1)];
      } catch (error) {
        rtp.close();
        if (attempt === 16) throw error;
      }
    }
  }

  static async #bind(address: string, port = 0): Promise<UdpSocket> {
    const family = isIPv6(address) ? 6 : 4;
    const socket = createSocket({
      type: family === 6 ? 'udp6' : 'udp4',
      // Targets are addresses. Node's own look-up would send each packet a turn later, and a close before that would drop it.
      lookup: (host, _options, callback) => callback(null, host, family),
    });
    await new Promise<void>((resolve, reject) => {
      socket.once('error', (cause) => {
        socket.close();
        reject(new SrsError('SRS_PORTS_EXHAUSTED', `no UDP socket on ${address}: ${cause.message}`, { cause }));
      });
      socket.bind({ address, port, exclusive: true }, resolve);
    });
    socket.removeAllListeners('error');
    return new UdpSocket(socket);
  }

  send(bytes: Uint8Array, port: number, address: string): void {
    if (!this.#closed) this.#socket.send(bytes, port, address, () => {});
  }

  /** Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#socket.close();
  }
}
