import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { createServer, type Server, type Socket } from 'node:net';
import {
  headerValue,
  parseSipMessage,
  type SipMessage,
  type SipRequest,
  serializeSipMessage,
} from '../../src/sip/message.js';
import { StreamFramer } from '../../src/sip/stream-framer.js';

export interface Reply {
  readonly status: number;
  readonly reason?: string;
  readonly sdp?: string;
  readonly headers?: readonly { readonly name: string; readonly value: string }[];
}

/** What a test makes the server say; an empty list is silence. `count` is how often this very request has come. */
export type Script = (request: SipRequest, count: number) => readonly Reply[];

interface Received {
  readonly message: SipMessage;
  readonly at: number;
}

export interface RtpReceived {
  readonly at: number;
  readonly bytes: Buffer;
}

const TAG = 'srs-tag';

/** A SIP server that says what a test tells it to, on real sockets, with two RTP ports that keep what comes. */
export class ScriptedSrs {
  readonly received: Received[] = [];
  readonly rtp: [RtpReceived[], RtpReceived[]] = [[], []];
  port = 0;
  script: Script = () => [];
  readonly #transport: 'udp' | 'tcp';
  readonly #udp = createSocket('udp4');
  readonly #media: [UdpSocket, UdpSocket] = [createSocket('udp4'), createSocket('udp4')];
  readonly #tcp: Server = createServer((socket) => this.#accept(socket));
  readonly #connections = new Set<Socket>();
  #answer: ((message: SipMessage) => void) | undefined;

  private constructor(transport: 'udp' | 'tcp') {
    this.#transport = transport;
  }

  static async start(transport: 'udp' | 'tcp'): Promise<ScriptedSrs> {
    const srs = new ScriptedSrs(transport);
    for (const [index, socket] of srs.#media.entries()) {
      socket.on('message', (bytes) => srs.rtp[index]?.push({ at: performance.now(), bytes }));
      await bind(socket);
    }
    srs.#udp.on('message', (bytes, from) => {
      srs.#take(parseSipMessage(bytes), (reply) => srs.#udp.send(serializeSipMessage(reply), from.port, from.address));
    });
    if (transport === 'udp') srs.port = await bind(srs.#udp);
    else {
      await new Promise<void>((resolve) => srs.#tcp.listen(0, '127.0.0.1', resolve));
      const address = srs.#tcp.address();
      srs.port = typeof address === 'object' && address !== null ? address.port : 0;
    }
    return srs;
  }

  get target(): { host: string; port: number; transport: 'udp' | 'tcp' } {
    return { host: '127.0.0.1', port: this.port, transport: this.#transport };
  }

  get mediaPorts(): [number, number] {
    return [this.#media[0].address().port, this.#media[1].address().port];
  }

  /** Requests of a method, in order of arrival, retransmissions included. */
  requests(method: string): SipRequest[] {
    return this.received.flatMap(({ message }) =>
      message.kind === 'request' && message.method === method ? [message] : [],
    );
  }

  arrivals(method: string): number[] {
    return this.received.flatMap(({ message, at }) =>
      message.kind === 'request' && message.method === method ? [at] : [],
    );
  }

  responses(): number[] {
    return this.received.flatMap(({ message }) => (message.kind === 'response' ? [message.status] : []));
  }

  /** An answer that takes both streams. */
  answerSdp(direction = 'recvonly', ports: readonly number[] = this.mediaPorts): string {
    const lines = ['v=0', 'o=srs 1 1 IN IP4 127.0.0.1', 's=-', 'c=IN IP4 127.0.0.1', 't=0 0'];
    for (const [index, port] of ports.entries()) {
      lines.push(`m=audio ${port} RTP/AVP 0 8`, `a=label:${index + 1}`, `a=${direction}`);
    }
    return `${lines.join('\r\n')}\r\n`;
  }

  ok(direction = 'recvonly', ports: readonly number[] = this.mediaPorts): Reply {
    return { status: 200, reason: 'OK', sdp: this.answerSdp(direction, ports) };
  }

  /** Takes every call and ends it politely. */
  politely: Script = (request) => {
    if (request.method === 'ACK') return [];
    if (request.method === 'INVITE') return [{ status: 100 }, this.ok()];
    return [{ status: 200 }];
  };

  /** Sends a request of our own inside the dialog of the first INVITE. */
  request(method: string, toTag?: string): void {
    const invite = this.requests('INVITE')[0];
    if (invite === undefined) throw new Error('no INVITE has come');
    this.#answer?.({
      kind: 'request',
      method,
      uri: 'sip:sipscribe@127.0.0.1',
      headers: [
        {
          name: 'via',
          value: `SIP/2.0/${this.#transport.toUpperCase()} 127.0.0.1:${this.port};branch=z9hG4bK-srs-${method}`,
        },
        { name: 'from', value: `<sip:srs@127.0.0.1>;tag=${TAG}` },
        { name: 'to', value: toTag === undefined ? (headerValue(invite, 'from') ?? '') : `<sip:x@y>;tag=${toTag}` },
        { name: 'call-id', value: headerValue(invite, 'call-id') ?? '' },
        { name: 'cseq', value: `1 ${method}` },
        { name: 'max-forwards', value: '70' },
      ],
      body: new Uint8Array(0),
    });
  }

  /** Sends the same reply to a request once more, as a server does that has seen no ACK. */
  repeat(request: SipRequest, reply: Reply): void {
    this.#answer?.(this.#reply(request, reply));
  }

  /** Breaks all connections. */
  cut(): void {
    for (const socket of this.#connections) socket.destroy();
  }

  async stop(): Promise<void> {
    this.cut();
    for (const socket of [this.#udp, ...this.#media]) socket.close();
    if (this.#transport === 'tcp') await new Promise((resolve) => this.#tcp.close(resolve));
  }

  #accept(socket: Socket): void {
    const framer = new StreamFramer();
    this.#connections.add(socket);
    socket.on('error', () => {});
    socket.on('data', (bytes) => {
      for (const item of framer.push(bytes)) {
        if (item.kind !== 'message') continue;
        this.#take(parseSipMessage(item.bytes), (reply) => {
          // In two pieces, as a network may deliver it.
          const whole = serializeSipMessage(reply);
          socket.write(whole.subarray(0, 20));
          socket.write(whole.subarray(20));
        });
      }
    });
  }

  #take(message: SipMessage, answer: (message: SipMessage) => void): void {
    this.received.push({ message, at: performance.now() });
    this.#answer = answer;
    if (message.kind === 'response') return;
    const cseq = headerValue(message, 'cseq');
    const count = this.requests(message.method).filter((request) => headerValue(request, 'cseq') === cseq).length;
    for (const reply of this.script(message, count)) answer(this.#reply(message, reply));
  }

  #reply(request: SipRequest, { status, reason, sdp, headers }: Reply): SipMessage {
    const copied = request.headers.filter(({ name }) => ['via', 'from', 'call-id', 'cseq'].includes(name));
    const to = headerValue(request, 'to') ?? '';
    const tagged = status === 100 || to.includes('tag=') ? to : `${to};tag=${TAG}`;
    return {
      kind: 'response',
      status,
      reason: reason ?? '',
      headers: [
        ...copied,
        { name: 'to', value: tagged },
        { name: 'contact', value: `<sip:srs@127.0.0.1:${this.port}>;+sip.srs` },
        ...(sdp === undefined ? [] : [{ name: 'content-type', value: 'application/sdp' }]),
        ...(headers ?? []),
      ],
      body: Buffer.from(sdp ?? ''),
    };
  }
}

async function bind(socket: UdpSocket): Promise<number> {
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  return socket.address().port;
}
