import { randomUUID } from 'node:crypto';
import { createServer, type Server, type Socket } from 'node:net';

/** drachtio-server reads into a ring of so many bytes. A longer message never becomes whole, and nothing after it is read. */
const RING_BYTES = 12_228;

/** One application that is connected to the admin port. */
export interface ControlClient {
  readonly socket: Socket;
  readonly routes: Set<string>;
  authenticated: boolean;
  /** A message over `RING_BYTES` came: nothing is read any more, and nobody is told. */
  wedged: boolean;
}

/** A message of an application, split. */
export interface ControlMessage {
  readonly id: string;
  readonly kind: string;
  readonly tokens: readonly string[];
  /** The SIP message after the first line. */
  readonly sip: string;
}

export interface ControlPortOptions {
  readonly secret: string;
  /** What is told of listening sockets, as `udp/127.0.0.1:5060,...`. */
  readonly hostPorts: () => string;
  readonly onMessage: (client: ControlClient, message: ControlMessage) => void;
  readonly onGone: (client: ControlClient) => void;
}

/** The admin port of drachtio-server: `<bytes>#<uuid>|<kind>|...` in both directions. */
export class ControlPort {
  readonly clients: ControlClient[] = [];
  /** First lines of all that applications sent. */
  readonly received: string[] = [];
  /** The longest message of an application, in bytes. */
  longest = 0;
  readonly #options: ControlPortOptions;
  readonly #server: Server;
  #next = 0;

  constructor(options: ControlPortOptions) {
    this.#options = options;
    this.#server = createServer((socket) => this.#accept(socket));
  }

  async listen(port: number): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject).listen(port, '127.0.0.1', resolve);
    });
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  /** Cuts all connections and listens no more. */
  async close(): Promise<void> {
    for (const { socket } of [...this.clients]) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  /** The next application that asked for this method, in turn. */
  forMethod(method: string): ControlClient | undefined {
    const wanting = this.clients.filter(({ routes }) => routes.has(method.toLowerCase()));
    return wanting.length === 0 ? undefined : wanting[this.#next++ % wanting.length];
  }

  /** Sends `uuid|<rest>`. */
  send(client: ControlClient, rest: string): void {
    const payload = `${randomUUID()}|${rest}`;
    if (!client.socket.destroyed) client.socket.write(`${Buffer.byteLength(payload)}#${payload}`);
  }

  answer(client: ControlClient, message: ControlMessage, rest: string): void {
    this.send(client, `response|${message.id}|${rest}`);
  }

  /** Writes bytes that are no frame of ours, for tests of the application. */
  sendRaw(bytes: string | Uint8Array): void {
    for (const { socket } of this.clients) socket.write(bytes);
  }

  #accept(socket: Socket): void {
    const client: ControlClient = { socket, routes: new Set(), authenticated: false, wedged: false };
    this.clients.push(client);
    let pending: Buffer = Buffer.alloc(0);
    socket.on('error', () => {});
    socket.on('close', () => {
      this.clients.splice(this.clients.indexOf(client), 1);
      this.#options.onGone(client);
    });
    socket.on('data', (chunk) => {
      pending = this.#read(client, Buffer.concat([pending, chunk]));
    });
  }

  /** Takes all whole messages; returns what is left. */
  #read(client: ControlClient, bytes: Buffer): Buffer {
    let rest = bytes;
    while (!client.wedged && !client.socket.destroyed) {
      const hash = rest.indexOf('#');
      if (hash < 0 && rest.length < 6) return rest;
      const length = Number(/^\d{1,5}$/.exec(rest.toString('latin1', 0, Math.max(0, hash)))?.[0] ?? Number.NaN);
      if (Number.isNaN(length)) {
        client.socket.destroy();
        return Buffer.alloc(0);
      }
      this.longest = Math.max(this.longest, length);
      if (length > RING_BYTES) client.wedged = true;
      if (client.wedged || rest.length < hash + 1 + length) return rest;
      this.#take(client, rest.toString('utf8', hash + 1, hash + 1 + length));
      rest = rest.subarray(hash + 1 + length);
    }
    return rest;
  }

  #take(client: ControlClient, text: string): void {
    const lineEnd = text.indexOf('\r\n');
    const line = lineEnd < 0 ? text : text.slice(0, lineEnd);
    this.received.push(line);
    const [id = '', kind = '', ...tokens] = line.split('|');
    const message = { id, kind, tokens, sip: lineEnd < 0 ? '' : text.slice(lineEnd + 2) };
    const { secret, hostPorts, onMessage } = this.#options;
    if (kind === 'authenticate' && tokens[0] === secret) {
      client.authenticated = true;
      this.answer(client, message, `OK|${hostPorts()}|v0.9.10|${hostPorts()}`);
    } else if (kind === 'route') {
      client.routes.add(tokens[0] ?? '');
      this.answer(client, message, 'OK');
    } else if (kind === 'remove_route') {
      client.routes.delete(tokens[0] ?? '');
      this.answer(client, message, 'OK');
    } else if (kind === 'ping') this.answer(client, message, 'OK|pong');
    else if (kind === 'sip') onMessage(client, message);
    else {
      this.answer(client, message, kind === 'authenticate' ? 'NO|incorrect secret' : 'NO|Unknown message type');
      client.socket.end();
    }
  }
}
