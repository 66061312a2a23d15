import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';

/**
 * A session recording client that sends any bytes as the body of an INVITE, answers a 2xx with ACK and BYE, and so leaves no session
 * behind. Every address that it names is its own on loopback.
 */
export class RawSrc {
  readonly finals = new Map<string, number>();
  readonly #socket: Socket = createSocket('udp4');
  readonly #port: number;
  #number = 0;

  private constructor(port: number) {
    this.#port = port;
    this.#socket.on('message', (bytes) => this.#take(bytes.toString('latin1')));
  }

  static async open(port: number): Promise<RawSrc> {
    const src = new RawSrc(port);
    src.#socket.bind(0, '127.0.0.1');
    await once(src.#socket, 'listening');
    return src;
  }

  close(): void {
    this.#socket.close();
  }

  send(bytes: Uint8Array): void {
    this.#socket.send(bytes, this.#port, '127.0.0.1');
  }

  /** Returns the Call-ID. */
  invite(contentType: string, body: Uint8Array): string {
    const callId = `mutated-${++this.#number}@127.0.0.1`;
    const head = this.#request('INVITE', callId, '<sip:srs@127.0.0.1>', 1, [
      `Contact: <sip:src@127.0.0.1:${this.#socket.address().port}>;+sip.src`,
      'Require: siprec',
      `Content-Type: ${contentType.replace(/[\r\n]/g, ' ')}`,
    ]);
    this.send(Buffer.concat([Buffer.from(`${head}Content-Length: ${body.length}\r\n\r\n`), body]));
    return callId;
  }

  #request(method: string, callId: string, to: string, cseq: number, extra: readonly string[] = []): string {
    const port = this.#socket.address().port;
    return [
      `${method} sip:srs@127.0.0.1:${this.#port} SIP/2.0`,
      `Via: SIP/2.0/UDP 127.0.0.1:${port};branch=z9hG4bK${callId.split('@')[0]}${method}`,
      'Max-Forwards: 70',
      `From: <sip:src@127.0.0.1>;tag=${callId.split('@')[0]}`,
      `To: ${to}`,
      `Call-ID: ${callId}`,
      `CSeq: ${cseq} ${method}`,
      ...extra,
      '',
    ].join('\r\n');
  }

  #take(text: string): void {
    const status = Number(/^SIP\/2\.0 (\d{3})/.exec(text)?.[1] ?? 0);
    const callId = /^Call-ID: *(.*?)\r?$/im.exec(text)?.[1] ?? '';
    if (status < 200 || !/^CSeq: *1 INVITE/im.test(text)) return;
    const to = /^To: *(.*?)\r?$/im.exec(text)?.[1] ?? '';
    const first = !this.finals.has(callId);
    this.finals.set(callId, status);
    // The ACK to a refusal belongs to the INVITE's transaction and carries its branch (RFC 3261 §17.1.1.3).
    const ack = this.#request('ACK', callId, to, 1);
    this.send(
      Buffer.from(
        `${status < 300 ? ack : ack.replace('ACK;', 'INVITE;').replace(/(branch=\S+)ACK/, '$1INVITE')}Content-Length: 0\r\n\r\n`,
      ),
    );
    if (status < 300 && first)
      this.send(Buffer.from(`${this.#request('BYE', callId, to, 2)}Content-Length: 0\r\n\r\n`));
  }
}
