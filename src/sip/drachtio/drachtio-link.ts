import type { Socket } from 'node:net';
import Srf, { type SrfRequest, type SrfResponse, type SrfWire } from 'drachtio-srf';
import { SrsError } from '../../core/errors.js';
import type { Logger } from '../../core/logger.js';
import { Scope } from '../../core/scope.js';
import type { ListenAddress } from '../sip-server.js';
import { readableFrame } from './frame-guard.js';
import { parseHostPorts } from './host-ports.js';

export type {
  SrfAgent,
  SrfIncomingResponse,
  SrfMessage,
  SrfRequest,
  SrfResponse,
} from 'drachtio-srf';

export interface DrachtioLinkOptions {
  readonly host: string;
  readonly port: number;
  readonly secret: string;
  readonly logger: Logger;
  /** How long the first connection may take. */
  readonly connectMs: number;
  /** How long the other side may say nothing, answers to pings included, in ms. */
  readonly silenceMs: number;
  readonly onRequest: (request: SrfRequest, response: SrfResponse) => void;
  /** The control connection is gone, and with it every dialog that was made over it. */
  readonly onLost: (socket: Socket) => void;
}

/** Asked for outside dialogs. Without a route drachtio-server answers 503 where 481 or 405 is right. */
const ROUTES = [
  'invite',
  'options',
  'info',
  'update',
  'message',
  'notify',
  'subscribe',
  'refer',
  'publish',
  'register',
];
const PING_MS = 15_000;
const RETRY_MS = 2_000;

/** The control connection to drachtio-server. The only door to drachtio-srf. */
export class DrachtioLink {
  readonly #options: DrachtioLinkOptions;
  readonly #scope = new Scope('drachtio');
  readonly #srf = new Srf();
  #addresses: readonly ListenAddress[] = [];
  #socket: Socket | undefined;
  /** What happens when this ping has its answer. */
  #barrier: { readonly id: string; readonly then: () => void } | undefined;
  #heardAt = 0;
  #stopped = false;

  constructor(options: DrachtioLinkOptions) {
    this.#options = options;
    // The first one takes every request; the others only ask drachtio-server for them.
    this.#srf.use((request, response) => options.onRequest(request, response));
    for (const method of ROUTES) this.#srf.use(method, () => {});
    this.#srf.on('error', (error: Error) => {
      if (!this.#stopped) options.logger.debug({ err: error }, 'drachtio-server cannot be reached');
    });
  }

  /** Where drachtio-server listens; empty while it is not connected. */
  get addresses(): readonly ListenAddress[] {
    return this.#addresses;
  }

  /**
   * Resolves when connected and let in.
   *
   * @throws SrsError `SRS_CONFIG_INVALID` after `connectMs`, or when the secret is refused; `SRS_SIP_BUSY` when stopped meanwhile
   */
  async start(): Promise<void> {
    const { host, port, secret, connectMs } = this.#options;
    // It would end its field of the control protocol.
    if (/[|\r\n]/.test(secret)) throw new SrsError('SRS_CONFIG_INVALID', 'DRACHTIO_SECRET: no | and no line break');
    await new Promise<void>((resolve, reject) => {
      // The end of the scope takes the timer below with it, and nobody else would end this wait.
      this.#scope.own(() => reject(new SrsError('SRS_SIP_BUSY', 'the server was stopped while it started')));
      const giveUp = this.#scope.timeout(() => {
        const text = `DRACHTIO_HOST: no drachtio-server answered at ${host}:${port} within ${connectMs / 1_000} s`;
        reject(new SrsError('SRS_CONFIG_INVALID', text));
      }, connectMs);
      this.#srf.on('connect', (error: Error | null, hostPorts?: string) => {
        if (error) {
          giveUp();
          reject(new SrsError('SRS_CONFIG_INVALID', `DRACHTIO_SECRET: drachtio-server at ${host}:${port} refused it`));
          this.#refused();
        } else {
          this.#whenRouted(() => {
            giveUp();
            this.#connected(hostPorts ?? '');
            resolve();
          });
        }
      });
      const reconnect = { retryMaxDelay: RETRY_MS };
      this.#srf.connect({ host, port, secret, enablePing: true, pingInterval: PING_MS, reconnect });
      const wire = this.#srf.app.client?.wp;
      if (wire !== undefined) this.#guard(wire);
    });
    this.#scope.interval(() => this.#checkSilence(), this.#options.silenceMs / 4);
  }

  /** Closes the connection and stops trying. Idempotent. */
  async stop(): Promise<void> {
    this.#stopped = true;
    const wire = this.#srf.app.client?.wp;
    if (wire !== undefined) {
      // drachtio-srf's own disconnect throws while it is not connected, and would go on trying.
      wire.closing = true;
      clearTimeout(wire.reconnectVars.retryTimer ?? undefined);
      if (wire.socket !== this.#socket) wire.socket?.destroy();
    }
    this.#addresses = [];
    this.#socket?.end();
    const socket = this.#socket;
    if (socket !== undefined && !socket.destroyed) {
      await new Promise<void>((resolve) => {
        const cancel = this.#scope.timeout(() => socket.destroy(), 500);
        socket.once('close', () => {
          cancel();
          resolve();
        });
      });
    }
    await this.#scope.close();
  }

  /** The routes were sent just now; drachtio-server answers 503 until it has read them, and it answers in order. */
  #whenRouted(then: () => void): void {
    const wire = this.#srf.app.client?.wp;
    if (wire === undefined || this.#socket === undefined) return;
    this.#barrier = { id: wire.send(this.#socket, 'ping'), then };
  }

  #passBarrier(frame: string): void {
    const barrier = this.#barrier;
    if (barrier === undefined || frame.split('|', 3)[2] !== barrier.id) return;
    this.#barrier = undefined;
    barrier.then();
  }

  #connected(hostPorts: string): void {
    if (this.#stopped) return;
    this.#addresses = parseHostPorts(hostPorts);
    this.#options.logger.info({ addresses: this.#addresses }, 'connected to drachtio-server');
  }

  /** After a start that went well the secret can still be changed on the other side. */
  #refused(): void {
    if (!this.#stopped) this.#options.logger.error('drachtio-server refused the secret');
  }

  /** Keeps what drachtio-server sends from throwing out of a socket's handler, and watches each connection of the link. */
  #guard(wire: SrfWire): void {
    const listeners = wire.listeners('msg');
    wire.removeAllListeners('msg');
    wire.on('msg', (socket: Socket, frame: string) => {
      this.#heardAt = performance.now();
      const readable = readableFrame(frame);
      if (readable === undefined) {
        this.#options.logger.warn({ bytes: frame.length }, 'frame of drachtio-server cannot be read');
        return;
      }
      for (const listener of listeners) this.#safely(() => listener.call(wire, socket, readable));
      this.#passBarrier(readable);
    });
    wire.prependListener('connect', (socket: Socket) => this.#watch(socket));
  }

  #watch(socket: Socket): void {
    if (this.#stopped) {
      socket.destroy();
      return;
    }
    this.#socket = socket;
    this.#heardAt = performance.now();
    const readers = socket.listeners('data');
    socket.removeAllListeners('data');
    socket.on('data', (chunk) => {
      for (const reader of readers) {
        if (!this.#safely(() => reader.call(socket, chunk))) socket.destroy();
      }
    });
    socket.once('close', () => {
      if (this.#socket === socket) this.#lost(socket);
    });
  }

  #lost(socket: Socket): void {
    this.#socket = undefined;
    this.#addresses = [];
    if (!this.#stopped) this.#options.logger.error('the connection to drachtio-server is lost');
    this.#options.onLost(socket);
  }

  #safely(read: () => void): boolean {
    try {
      read();
      return true;
    } catch (error) {
      // The error of drachtio-srf holds the message, which may hold names.
      const { name } = error instanceof Error ? error : { name: 'unknown' };
      this.#options.logger.error({ error: name }, 'what drachtio-server sent was not taken');
      return false;
    }
  }

  /** drachtio-srf sends pings and never looks for their answers. */
  #checkSilence(): void {
    if (this.#socket === undefined || performance.now() - this.#heardAt < this.#options.silenceMs) return;
    this.#options.logger.warn('drachtio-server does not answer pings');
    this.#socket.destroy();
  }
}
