import { type RawData, WebSocket } from 'ws';
import { SrsError } from '../core/errors.js';

/** One event as it comes from `/ws/transcriptions`: an object with the fields of the events reference. */
export type WatchedEvent = Readonly<Record<string, unknown>>;

export interface EventWatcherOptions {
  /** `ws://host:port/ws/transcriptions`. */
  readonly url: string;
  readonly apiKey?: string;
  /** Ends the watching. */
  readonly signal?: AbortSignal;
}

const MAX_MESSAGE_BYTES = 4 * 1024 * 1024;

/** A WebSocket client that yields every event in order: `for await (const event of watcher)`. */
export class EventWatcher implements AsyncIterable<WatchedEvent> {
  readonly #socket: WebSocket;
  readonly #waiting: WatchedEvent[] = [];
  #wake: (() => void) | undefined;
  #ended = false;
  #failure: SrsError | undefined;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on('message', (data) => this.#take(data));
    socket.on('error', (error) => {
      this.#failure ??= new SrsError('SRS_LISTENER', `the event stream broke: ${error.message}`, { cause: error });
    });
    socket.on('close', () => {
      this.#ended = true;
      this.#wake?.();
    });
  }

  /** Resolves when the connection is open. Throws `SRS_LISTENER` when the server refuses. */
  static async connect(options: EventWatcherOptions): Promise<EventWatcher> {
    const headers = options.apiKey === undefined ? {} : { Authorization: `Bearer ${options.apiKey}` };
    const socket = new WebSocket(options.url, { headers, maxPayload: MAX_MESSAGE_BYTES, handshakeTimeout: 10_000 });
    // The watcher listens before the connection opens: the server may send with its first breath.
    const watcher = new EventWatcher(socket);
    await new Promise<void>((resolve, reject) => {
      socket.once('open', resolve);
      socket.once('close', () =>
        reject(watcher.#failure ?? new SrsError('SRS_LISTENER', 'the event stream did not open')),
      );
    });
    options.signal?.addEventListener('abort', () => watcher.close(), { once: true });
    if (options.signal?.aborted) watcher.close();
    return watcher;
  }

  /** Sends a client message such as `{ type: 'subscribe', call_uuid }`. */
  send(message: object): void {
    this.#socket.send(JSON.stringify(message));
  }

  /** Idempotent; events that have come are still yielded. */
  close(): void {
    this.#socket.close();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<WatchedEvent> {
    for (;;) {
      const event = this.#waiting.shift();
      if (event !== undefined) {
        yield event;
      } else if (this.#ended) {
        if (this.#failure) throw this.#failure;
        return;
      } else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }

  #take(data: RawData): void {
    const event = readEvent(data);
    if (event === undefined) {
      this.#failure ??= new SrsError('SRS_LISTENER', 'the event stream sent a frame that is not one JSON object');
      this.#socket.close(1003);
      return;
    }
    this.#waiting.push(event);
    this.#wake?.();
  }
}

function readEvent(data: RawData): WatchedEvent | undefined {
  const bytes = Array.isArray(data)
    ? Buffer.concat(data)
    : Buffer.from(data instanceof ArrayBuffer ? new Uint8Array(data) : data);
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'));
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isRecord(value: unknown): value is WatchedEvent {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
