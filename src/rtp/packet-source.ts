import { createSocket } from 'node:dgram';
import { isIPv6 } from 'node:net';

/** The sender's `port` and `address` are only read, never kept by reference. */
export type PacketReceiver = (bytes: Uint8Array, address: string, port: number) => void;

/** A bound UDP port that hands over what arrives. */
export interface PacketSource {
  readonly port: number;
  /** Resolves when the port is free again. Idempotent. */
  close(): Promise<void>;
}

/**
 * Binds a UDP port. One socket per stream with the system's default buffer holds 5 s of a G.711 stream, so a stall of the thread loses
 * nothing; a shared socket would lose packets at once.
 *
 * Rejects with the system's error (`EADDRINUSE`, `EACCES`, `EADDRNOTAVAIL`).
 */
export function openPacketSource(address: string, port: number, receive: PacketReceiver): Promise<PacketSource> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
    let closing: Promise<void> | undefined;
    socket.once('error', (error) => {
      socket.close();
      reject(error);
    });
    socket.bind({ address, port, exclusive: true }, () => {
      socket.removeAllListeners('error');
      // A receiving socket has no errors that matter later; a stray one must not end the thread.
      socket.on('error', () => {});
      socket.on('message', (bytes, from) => receive(bytes, from.address, from.port));
      resolve({
        port: socket.address().port,
        close: () => {
          closing ??= new Promise((done) => {
            socket.close(() => done());
          });
          return closing;
        },
      });
    });
  });
}
