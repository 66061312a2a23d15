import type { Socket } from 'node:net';
import type { SipLimits } from './limits.js';
import { StreamFramer, type StreamItem } from './stream-framer.js';
import { type Endpoint, plainAddress } from './transport.js';

export interface TcpConnectionOptions {
  readonly socket: Socket;
  readonly limits: SipLimits;
  /** A connection without traffic is closed after this, unless it is in use all the same. */
  readonly idleMs: number;
  readonly inUse?: () => boolean;
  /** A message must be complete this long after its first byte. */
  readonly messageMs: number;
  /** Unsent bytes at which a peer that does not read is cut off. */
  readonly maxUnsentBytes: number;
  readonly onItem: (item: Exclude<StreamItem, { kind: 'ping' }>) => void;
  /** We cut it off: a message took too long, or the peer does not read. */
  readonly onCut?: (reason: 'slow' | 'unread') => void;
  readonly onClose: (error: Error | undefined) => void;
}

const PONG = new Uint8Array([0x0d, 0x0a]);

/** One stream to one peer, made by either side. */
export class TcpConnection {
  readonly remote: Endpoint;
  readonly #socket: Socket;
  readonly #options: TcpConnectionOptions;
  readonly #framer: StreamFramer;
  /** Calls the deadline of an unfinished message off. */
  #deadline: (() => void) | undefined;
  #error: Error | undefined;

  constructor(remote: Endpoint, options: TcpConnectionOptions) {
    const { socket } = options;
    this.remote = remote;
    this.#socket = socket;
    this.#options = options;
    this.#framer = new StreamFramer(options.limits);
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 60_000);
    socket.setTimeout(options.idleMs);
    socket.on('timeout', () => {
      // Keep-alives of TCP tell whether its peer is still there.
      if (!socket.connecting && options.inUse?.() === true) socket.setTimeout(options.idleMs);
      else socket.destroy();
    });
    socket.on('data', (chunk) => this.#read(chunk));
    socket.on('error', (error) => {
      this.#error = error;
    });
    socket.on('close', () => {
      this.#deadline?.();
      options.onClose(this.#error);
    });
  }

  get open(): boolean {
    return !this.#socket.destroyed && this.#socket.writable;
  }

  get localAddress(): string | undefined {
    return this.#socket.localAddress === undefined ? undefined : plainAddress(this.#socket.localAddress);
  }

  write(bytes: Uint8Array): void {
    if (!this.open) return;
    this.#socket.write(bytes);
    if (this.#socket.writableLength > this.#options.maxUnsentBytes) this.#cut('unread');
  }

  /** Sends what is still to be sent, then closes; a peer that does not read is not waited for. */
  async close(graceMs: number): Promise<void> {
    if (this.#socket.destroyed) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => this.#socket.destroy(), graceMs);
      this.#socket.once('close', () => {
        clearTimeout(timer);
        resolve();
      });
      this.#socket.destroySoon();
    });
  }

  #read(chunk: Uint8Array): void {
    const items = this.#framer.push(chunk);
    for (const item of items) {
      if (item.kind === 'ping') this.write(PONG);
      else this.#options.onItem(item);
      if (item.kind === 'broken') this.#socket.destroySoon();
    }
    // What is left after a whole message is a new one, with a time of its own.
    if (this.#framer.pendingBytes === 0 || items.length > 0) {
      this.#deadline?.();
      this.#deadline = undefined;
    }
    if (this.#framer.pendingBytes > 0 && !this.#socket.destroyed) {
      this.#deadline ??= this.#startDeadline();
    }
  }

  /** When this process itself was late, bytes that wait in the socket are read before anybody is judged. */
  #startDeadline(): () => void {
    let verdict: NodeJS.Immediate | undefined;
    const timer = setTimeout(() => {
      verdict = setImmediate(() => this.#cut('slow'));
    }, this.#options.messageMs);
    return () => {
      clearTimeout(timer);
      clearImmediate(verdict);
    };
  }

  #cut(reason: 'slow' | 'unread'): void {
    if (this.#socket.destroyed) return;
    this.#socket.destroy();
    this.#options.onCut?.(reason);
  }
}
