import { createSocket } from 'node:dgram';
import { isIPv4, isIPv6 } from 'node:net';

/** `bytes` are good until it returns: their memory may be used again for the next packet. They may be written over. */
export type PacketReceiver = (bytes: Uint8Array, address: string, port: number) => void;

/** A bound UDP port that hands over what arrives, and from which reports leave. */
export interface PacketSource {
  readonly port: number;
  /**
   * Hands over what has come, 32 packets at most. Node's own sockets do that by themselves, whenever the event loop turns.
   *
   * @param rest only what the last time has left
   */
  drain(rest?: boolean): void;
  /** Sends at once, and tells nobody whether it could: RTCP has no answer to wait for. `address` is an IP address. */
  send(bytes: Uint8Array, address: string, port: number): void;
  /** Resolves when the port is free again. Idempotent. */
  close(): Promise<void>;
}

/** Rejects with the system's error (`EADDRINUSE`, `EACCES`, `EADDRNOTAVAIL`). */
export type OpenPacketSource = (address: string, port: number, receive: PacketReceiver) => Promise<PacketSource>;

/**
 * Binds a UDP port with Node's own socket. One socket per stream with the system's default buffer holds 5 s of a G.711 stream, so a stall of the thread loses
 * nothing; a shared socket would lose packets at once.
 */
export const openNodeSocket: OpenPacketSource = (address, port, receive) => {
  return new Promise((resolve, reject) => {
    const family = isIPv6(address) ? 6 : 4;
    const socket = createSocket({
      type: family === 6 ? 'udp6' : 'udp4',
      // Targets are addresses. Node's own look-up would send a turn later, and a close before that would drop the last report.
      lookup: (host, _options, callback) => callback(null, host, family),
    });
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
        drain: () => {},
        send: (payload, to, toPort) => {
          if (closing) return;
          // A socket for both families takes IPv4 addresses as mapped ones (RFC 4291 §2.5.5.2).
          socket.send(payload, toPort, family === 6 && isIPv4(to) ? `::ffff:${to}` : to, () => {});
        },
        close: () => {
          closing ??= new Promise((done) => {
            socket.close(() => done());
          });
          return closing;
        },
      });
    });
  });
};
