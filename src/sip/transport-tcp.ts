import { connect, type Socket } from 'node:net';
import type { SipTarget } from './transport.js';
import { StreamTransport } from './transport-stream.js';

/** SIP over TCP. */
export class TcpTransport extends StreamTransport {
  readonly kind = 'tcp';

  protected secure(socket: Socket): void {
    this.established(socket);
  }

  /** An address is all that is known of a peer. */
  protected identity(): string {
    return '';
  }

  protected dial(target: SipTarget): Socket {
    return connect({ host: target.address, port: target.port });
  }
}
