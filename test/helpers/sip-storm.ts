import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';

/** What became of one INVITE. */
export interface StormCall {
  readonly callId: string;
  status: number;
  to: string;
}

/**
 * Sends INVITEs as fast as a test wants and keeps every final response by its Call-ID. Acknowledges only when told to: a dialog without
 * an ACK is what a storm of half-open calls is made of.
 */
export class SipStorm {
  readonly finals = new Map<string, StormCall>();
  /** Final responses to other requests, by `Call-ID method`. */
  readonly others = new Map<string, number>();
  readonly #socket: Socket;
  readonly #port: number;
  readonly #acknowledges: boolean;

  private constructor(socket: Socket, port: number, acknowledges: boolean) {
    this.#socket = socket;
    this.#port = port;
    this.#acknowledges = acknowledges;
    socket.on('message', (bytes) => this.#take(bytes.toString('latin1', 0, 4_000)));
  }

  static async open(port: number, options: { readonly acknowledges: boolean }): Promise<SipStorm> {
    const socket = createSocket({ type: 'udp4', recvBufferSize: 4 * 1024 * 1024 });
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    return new SipStorm(socket, port, options.acknowledges);
  }

  close(): void {
    this.#socket.close();
  }

  send(bytes: Uint8Array): void {
    this.#socket.send(bytes, this.#port, '127.0.0.1');
  }

  /** A request as this socket would send it. */
  request(
    method: string,
    callId: string,
    contentType?: string,
    body: Uint8Array = Buffer.alloc(0),
    to?: string,
  ): Buffer {
    const local = `127.0.0.1:${this.#socket.address().port}`;
    const cseq = method === 'BYE' ? 2 : 1;
    const lines = [
      `${method} sip:srs@127.0.0.1:${this.#port} SIP/2.0`,
      `Via: SIP/2.0/UDP ${local};branch=z9hG4bK${callId}${method};rport`,
      'Max-Forwards: 70',
      `From: <sip:src@127.0.0.1>;tag=from${callId}`,
      `To: ${to ?? '<sip:srs@127.0.0.1>'}`,
      `Call-ID: ${callId}`,
      `CSeq: ${cseq} ${method}`,
      `Contact: <sip:src@${local}>;+sip.src`,
      ...(contentType === undefined ? [] : ['Require: siprec', `Content-Type: ${contentType}`]),
      `Content-Length: ${body.length}`,
    ];
    return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), body]);
  }

  #take(text: string): void {
    const status = Number(/^SIP\/2\.0 (\d{3})/.exec(text)?.[1] ?? 0);
    if (status < 200) {
      // A BYE of the server to a dialog that nobody acknowledged: answered, so that nothing waits for it.
      if (text.startsWith('BYE ')) this.send(Buffer.from(answerTo(text)));
      return;
    }
    const callId = /^Call-ID: *(.*?)\r?$/im.exec(text)?.[1] ?? '';
    const method = /^CSeq: *\d+ (\w+)/im.exec(text)?.[1] ?? '';
    if (method !== 'INVITE') {
      this.others.set(`${callId} ${method}`, status);
      return;
    }
    const to = /^To: *(.*?)\r?$/im.exec(text)?.[1] ?? '';
    this.finals.set(callId, { callId, status, to });
    if (status < 300 && !this.#acknowledges) return;
    const ack = this.request('ACK', callId, undefined, undefined, to).toString('latin1');
    // The ACK to a refusal belongs to the INVITE's transaction and carries its branch (RFC 3261 §17.1.1.3).
    this.send(Buffer.from(status < 300 ? ack : ack.replace(`${callId}ACK;`, `${callId}INVITE;`), 'latin1'));
  }
}

function answerTo(request: string): string {
  const copied = (request.match(/^(?:Via|From|To|Call-ID|CSeq):.*\r\n/gim) ?? []).join('');
  return `SIP/2.0 200 OK\r\n${copied}Content-Length: 0\r\n\r\n`;
}
