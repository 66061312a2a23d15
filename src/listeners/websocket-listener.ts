import { type IncomingMessage, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { type RawData, type WebSocket, WebSocketServer } from 'ws';
import type { CallEvent } from '../core/call-event.js';
import type { Logger } from '../core/logger.js';
import type { Metrics } from '../core/metrics.js';
import type { EventLog } from '../store/event-log.js';
import type { ListenerHealth, TranscriptListener } from './listener.js';
import { type Admission, chooseProtocol, UpgradeGate } from './upgrade-gate.js';
import { WebSocketClient } from './websocket-client.js';

export const WEBSOCKET_PATH = '/ws/transcriptions';

export interface WebSocketListenerOptions {
  /** The log that the bus writes. */
  readonly log: EventLog;
  /** Empty = no token is asked for. */
  readonly apiKeys?: readonly string[];
  /** Pages of other origins that may connect. */
  readonly allowedOrigins?: readonly string[];
  readonly path?: string;
  /** Every so often a ping; a client that leaves two of them unanswered is gone. */
  readonly heartbeatMs?: number;
  readonly maxClients?: number;
  /** Events, and bytes, that may wait for one slow client. */
  readonly queueLimit?: number;
  readonly queueLimitBytes?: number;
  readonly metrics: Metrics;
  readonly logger: Logger;
}

const HEARTBEAT_MS = 20_000;
const MAX_CLIENTS = 1_000;
const QUEUE_LIMIT = 1_000;
const QUEUE_LIMIT_BYTES = 4 * 1024 * 1024;
const MAX_MESSAGE_BYTES = 16 * 1024;
const MISSED_PONGS = 2;
const FAREWELL_MS = 1_000;
/** RFC 6455 §7.4.1. */
const GOING_AWAY = 1001;

interface Connected {
  readonly client: WebSocketClient;
  unansweredPings: number;
}

/** The only door to `ws` on the server's side: `GET /ws/transcriptions`, one JSON object per frame. */
export class WebSocketListener implements TranscriptListener {
  readonly name = 'websocket';
  readonly #options: WebSocketListenerOptions;
  readonly #gate: UpgradeGate;
  readonly #server: WebSocketServer;
  readonly #connected = new Map<WebSocket, Connected>();
  readonly #heartbeat: NodeJS.Timeout;
  #closing: Promise<void> | undefined;

  constructor(options: WebSocketListenerOptions) {
    this.#options = options;
    const { apiKeys = [], allowedOrigins = [], path = WEBSOCKET_PATH } = options;
    this.#gate = new UpgradeGate({ path, apiKeys, allowedOrigins });
    this.#server = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      maxPayload: MAX_MESSAGE_BYTES,
      perMessageDeflate: false,
      handleProtocols: chooseProtocol,
    });
    this.#heartbeat = setInterval(() => this.#beat(), options.heartbeatMs ?? HEARTBEAT_MS);
  }

  get clients(): number {
    return this.#connected.size;
  }

  /** Takes an `upgrade` of an HTTP server. False when it is for another path; then nothing was done to the socket. */
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): boolean {
    if (!this.#gate.concerns(request)) return false;
    const admission = this.#gate.check(request);
    if ('status' in admission) refuse(socket, admission.status, admission.message);
    else if (this.#closing) refuse(socket, 503, 'the server is shutting down');
    else if (this.#connected.size >= (this.#options.maxClients ?? MAX_CLIENTS)) refuse(socket, 503, 'too many clients');
    else this.#server.handleUpgrade(request, socket, head, (webSocket) => this.#accept(webSocket, admission));
    return true;
  }

  publish(event: CallEvent): void {
    for (const { client } of this.#connected.values()) client.publish(event);
  }

  health(): ListenerHealth {
    return { state: 'ok', waiting: this.#unwritten() };
  }

  /** A reader that does not read cannot hold a shutdown for longer than the signal allows. */
  async flush(signal: AbortSignal): Promise<void> {
    while (!signal.aborted && this.#unwritten() > 0) await new Promise((resolve) => setTimeout(resolve, 10));
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    clearInterval(this.#heartbeat);
    for (const socket of this.#connected.keys()) socket.close(GOING_AWAY, 'the server is shutting down');
    const end = performance.now() + FAREWELL_MS;
    while (this.#connected.size > 0 && performance.now() < end) await new Promise((resolve) => setTimeout(resolve, 5));
    for (const socket of this.#connected.keys()) socket.terminate();
    this.#server.close();
    this.#forgetAll();
  }

  #accept(socket: WebSocket, admission: Admission): void {
    const { log, metrics, logger, queueLimit = QUEUE_LIMIT, queueLimitBytes = QUEUE_LIMIT_BYTES } = this.#options;
    socket.on('error', (error) => logger.debug({ err: error }, 'websocket client failed'));
    const sink = {
      get bufferedAmount() {
        return socket.bufferedAmount;
      },
      send: (frame: string, written: () => void) => socket.send(frame, () => written()),
    };
    const client = new WebSocketClient(sink, admission, {
      log,
      queueLimit,
      queueLimitBytes,
      dropped: (count) => metrics.websocketDropped.inc(count),
    });
    const connected: Connected = { client, unansweredPings: 0 };
    this.#connected.set(socket, connected);
    metrics.websocketClients.set(this.#connected.size);
    socket.on('pong', () => {
      connected.unansweredPings = 0;
    });
    socket.on('message', (data, binary) => client.receive(binary ? '' : textOf(data)));
    socket.on('close', (code) => {
      this.#connected.delete(socket);
      metrics.websocketClients.set(this.#connected.size);
      logger.debug({ code, clients: this.#connected.size }, 'websocket client left');
    });
    logger.debug({ clients: this.#connected.size }, 'websocket client connected');
  }

  #beat(): void {
    for (const [socket, connected] of this.#connected) {
      if (connected.unansweredPings >= MISSED_PONGS) {
        this.#options.logger.debug('websocket client does not answer');
        socket.terminate();
        continue;
      }
      connected.unansweredPings += 1;
      socket.ping();
    }
  }

  #unwritten(): number {
    let sum = 0;
    for (const { client } of this.#connected.values()) sum += client.unwritten;
    return sum;
  }

  #forgetAll(): void {
    this.#connected.clear();
    this.#options.metrics.websocketClients.set(0);
  }
}

function textOf(data: RawData): string {
  if (Array.isArray(data)) return Buffer.concat(data).toString('utf8');
  return Buffer.from(data instanceof ArrayBuffer ? new Uint8Array(data) : data).toString('utf8');
}

/** Answers an upgrade with an HTTP error, in the shape of all our errors. */
function refuse(socket: Duplex, status: number, message: string): void {
  const code = (STATUS_CODES[status] ?? 'error').toLowerCase().replaceAll(' ', '_');
  const body = JSON.stringify({ error: { code, message } });
  const headers = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
    'Connection: close',
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    ...(status === 401 ? ['WWW-Authenticate: Bearer'] : []),
    ...(status === 503 ? ['Retry-After: 5'] : []),
  ];
  socket.on('error', () => {});
  socket.end(`${headers.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy());
}
