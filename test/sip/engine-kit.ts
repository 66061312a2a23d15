import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { connect, type Socket } from 'node:net';
import { silentLogger } from '../../src/core/logger.js';
import { Metrics } from '../../src/core/metrics.js';
import { EmbeddedSipServer, type EmbeddedSipServerOptions } from '../../src/sip/embedded-server.js';
import {
  headerValue,
  parseSipMessage,
  type SipMessage,
  type SipRequest,
  type SipResponse,
} from '../../src/sip/message.js';
import { tagOf } from '../../src/sip/name-address.js';
import type { SipDialogControl, SipReply, SipRequestView } from '../../src/sip/sip-server.js';
import { StreamFramer } from '../../src/sip/stream-framer.js';
import { eventually } from '../helpers/eventually.js';

/** What the application under the server saw of one call. */
export interface SeenCall {
  readonly invite: SipRequestView;
  readonly control: SipDialogControl;
  readonly requests: SipRequestView[];
  readonly acks: string[];
  readonly ends: { reason: string; bye: SipRequestView | undefined }[];
}

export interface Fixture {
  readonly server: EmbeddedSipServer;
  readonly metrics: Metrics;
  readonly calls: SeenCall[];
  readonly udp: number;
  readonly tcp: number;
  /** Decides the next INVITE; the default answers 200 with a body. */
  onInvite: (request: SipRequestView, control: SipDialogControl) => Promise<SipReply> | SipReply;
  onRequest: (request: SipRequestView) => Promise<SipReply> | SipReply;
}

export const ANSWER: SipReply = { status: 200, body: { type: 'application/sdp', content: 'v=0\r\n' } };
/** 64*T1 is about a second: enough for a busy machine, short enough to wait for. */
export const QUICK = { t1Ms: 16, t2Ms: 128, t4Ms: 50 };

export async function startServer(overrides: Partial<EmbeddedSipServerOptions> = {}): Promise<Fixture> {
  const metrics = new Metrics({ vendors: [], models: [] });
  const calls: SeenCall[] = [];
  const hooks: Pick<Fixture, 'onInvite' | 'onRequest'> = { onInvite: () => ANSWER, onRequest: () => ANSWER };
  const server = new EmbeddedSipServer({
    host: '127.0.0.1',
    udpPorts: [0],
    tcpPorts: [0],
    logger: silentLogger,
    metrics,
    timers: QUICK,
    serverName: 'sipscribe',
    handlers: {
      options: () => ({ status: 200, headers: { Accept: 'application/sdp' } }),
      invite: async (invite, control) => {
        const call: SeenCall = { invite, control, requests: [], acks: [], ends: [] };
        calls.push(call);
        const reply = await hooks.onInvite(invite, control);
        const session = {
          request: async (request: SipRequestView) => {
            call.requests.push(request);
            return hooks.onRequest(request);
          },
          acknowledged: (body: { type: string | undefined; content: Uint8Array }) => {
            call.acks.push(Buffer.from(body.content).toString());
          },
          ended: (reason: string, bye?: SipRequestView) => {
            call.ends.push({ reason, bye });
          },
        };
        return { reply, session };
      },
    },
    ...overrides,
  });
  await server.start();
  const port = (kind: string) => server.addresses.find(({ transport }) => transport === kind)?.port ?? 0;
  return Object.assign(hooks, { server, metrics, calls, udp: port('udp'), tcp: port('tcp') });
}

/** A peer on a real socket that remembers all it received. */
export abstract class Peer {
  readonly received: SipMessage[] = [];
  abstract readonly transport: 'UDP' | 'TCP' | 'TLS';
  abstract readonly port: number;
  abstract send(message: string | Uint8Array): void;
  abstract close(): Promise<void>;

  protected take(bytes: Uint8Array): void {
    this.received.push(parseSipMessage(bytes));
  }

  /** The first message not looked at before that matches. */
  next(what: string, match: (message: SipMessage) => boolean, timeoutMs = 8_000): Promise<SipMessage> {
    return eventually(
      what,
      () => {
        const at = this.received.findIndex(match);
        return at < 0 ? undefined : this.received.splice(at, 1)[0];
      },
      timeoutMs,
      5,
    );
  }

  async response(status: number, method?: string): Promise<SipResponse> {
    const message = await this.next(
      `${status} to ${method ?? 'a request'}`,
      (m) => m.kind === 'response' && m.status === status && (!method || cseqMethod(m) === method),
    );
    if (message.kind !== 'response') throw new Error('unreachable');
    return message;
  }

  /** The next final response. */
  async final(method?: string): Promise<SipResponse> {
    const message = await this.next(
      `a final response to ${method ?? 'a request'}`,
      (m) => m.kind === 'response' && m.status >= 200 && (!method || cseqMethod(m) === method),
    );
    if (message.kind !== 'response') throw new Error('unreachable');
    return message;
  }

  async request(method: string): Promise<SipRequest> {
    const message = await this.next(`a ${method}`, (m) => m.kind === 'request' && m.method === method);
    if (message.kind !== 'request') throw new Error('unreachable');
    return message;
  }
}

export class UdpPeer extends Peer {
  readonly transport = 'UDP';
  readonly #socket: UdpSocket;
  readonly #server: number;

  private constructor(socket: UdpSocket, server: number) {
    super();
    this.#socket = socket;
    this.#server = server;
    socket.on('message', (bytes) => this.take(bytes));
  }

  /** `address` may be any of 127.0.0.0/8, to be another peer. */
  static async open(server: number, address = '127.0.0.1'): Promise<UdpPeer> {
    const socket = createSocket('udp4');
    await new Promise<void>((resolve) => socket.bind(0, address, resolve));
    return new UdpPeer(socket, server);
  }

  get port(): number {
    return this.#socket.address().port;
  }

  send(message: string | Uint8Array): void {
    this.#socket.send(message, this.#server, '127.0.0.1');
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => this.#socket.close(() => resolve()));
  }
}

export class TcpPeer extends Peer {
  readonly transport = 'TCP';
  readonly socket: Socket;
  readonly port: number;
  pongs = 0;
  closed = false;

  private constructor(socket: Socket) {
    super();
    this.socket = socket;
    this.port = socket.localPort ?? 0;
    const framer = new StreamFramer();
    socket.on('data', (chunk) => {
      if (chunk.toString() === '\r\n') this.pongs++;
      for (const item of framer.push(chunk)) if (item.kind === 'message') this.take(item.bytes);
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      this.closed = true;
    });
  }

  static async open(server: number): Promise<TcpPeer> {
    const socket = connect(server, '127.0.0.1');
    await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    return new TcpPeer(socket);
  }

  send(message: string | Uint8Array): void {
    this.socket.write(message);
  }

  async close(): Promise<void> {
    this.socket.destroy();
    await eventually('the socket closes', () => this.closed);
  }
}

let serial = 0;

export interface RequestParts {
  readonly method?: string;
  readonly uri?: string;
  readonly callId?: string;
  readonly cseq?: number;
  readonly branch?: string;
  readonly fromTag?: string;
  readonly toTag?: string;
  /** Undefined: the peer's own; null: none. */
  readonly contact?: string | null;
  readonly extra?: readonly string[];
  readonly body?: string;
}

export function newCallId(): string {
  return `call-${process.pid}-${++serial}@test`;
}

export function newBranch(): string {
  return `z9hG4bK-${process.pid}-${++serial}`;
}

/** A request as a plain SRC writes it. */
export function write(peer: Peer, parts: RequestParts = {}): string {
  const { method = 'INVITE', body = '' } = parts;
  const contact = parts.contact === undefined ? contactOf(peer) : parts.contact;
  const lines = [
    `${method} ${parts.uri ?? 'sip:srs@127.0.0.1'} SIP/2.0`,
    `Via: SIP/2.0/${peer.transport} 127.0.0.1:${peer.port};branch=${parts.branch ?? newBranch()}`,
    'Max-Forwards: 70',
    `From: "SRC" <sip:src@127.0.0.1>;tag=${parts.fromTag ?? 'src'}`,
    `To: <sip:srs@127.0.0.1>${parts.toTag ? `;tag=${parts.toTag}` : ''}`,
    `Call-ID: ${parts.callId ?? newCallId()}`,
    `CSeq: ${parts.cseq ?? 1} ${method}`,
    ...(contact === null ? [] : [`Contact: ${contact}`]),
    ...(parts.extra ?? []),
    `Content-Length: ${Buffer.byteLength(body)}`,
  ];
  return `${lines.join('\r\n')}\r\n\r\n${body}`;
}

function contactOf(peer: Peer): string {
  return `<sip:src@127.0.0.1:${peer.port}${peer.transport === 'UDP' ? '' : `;transport=${peer.transport.toLowerCase()}`}>;+sip.src`;
}

export interface Call {
  readonly callId: string;
  readonly toTag: string;
  readonly answer: SipResponse;
}

/** Places a call and acknowledges it. */
export async function establish(peer: Peer, parts: RequestParts = {}): Promise<Call> {
  const callId = parts.callId ?? newCallId();
  peer.send(write(peer, { ...parts, callId }));
  const answer = await answerTo(peer, callId);
  const toTag = tagOf(headerValue(answer, 'to') ?? '') ?? '';
  peer.send(write(peer, { method: 'ACK', callId, toTag, cseq: parts.cseq ?? 1 }));
  return { callId, toTag, answer };
}

export async function answerTo(peer: Peer, callId: string): Promise<SipResponse> {
  const message = await peer.next(
    'the answer',
    (m) => m.kind === 'response' && m.status >= 200 && headerValue(m, 'call-id') === callId,
  );
  if (message.kind !== 'response' || message.status !== 200) throw new Error('the call was refused');
  return message;
}

/** Answers a request of the server's. */
export function writeResponse(request: SipRequest, status: number, extra: readonly string[] = [], body = ''): string {
  const copied = request.headers.filter(({ name }) => ['via', 'from', 'to', 'call-id', 'cseq'].includes(name));
  const lines = [...copied.map(({ name, value }) => `${name}: ${value}`), ...extra];
  const length = `Content-Length: ${Buffer.byteLength(body)}`;
  return `SIP/2.0 ${status} Because\r\n${lines.join('\r\n')}\r\n${length}\r\n\r\n${body}`;
}

export function cseqMethod(message: SipMessage): string {
  return headerValue(message, 'cseq')?.split(' ')[1] ?? '';
}

export async function atRest(fixture: Fixture): Promise<void> {
  await eventually('no transaction and no dialog is left', () => {
    const { transactions, dialogs } = fixture.server.counts;
    return transactions === 0 && dialogs === 0;
  });
}
