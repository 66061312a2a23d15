/**
 * What is used of drachtio-srf 5.0.29. The package ships types of its own, but they lack half of this and are wrong in places
 * (`connect` returns no promise, ports are numbers), so this declaration stands in their place.
 */
declare module 'drachtio-srf' {
  import type { EventEmitter } from 'node:events';
  import type { Socket } from 'node:net';

  export interface SrfMessage {
    /** All values of one header joined with commas. */
    get(name: string): string | undefined;
    /** The whole message. What was no UTF-8 has become U+FFFD. */
    readonly raw: string;
  }

  export interface SrfRequest extends SrfMessage, EventEmitter {
    readonly method: string;
    /** `application`: drachtio-server itself made it, as the BYE after an ACK that never came. */
    readonly source: 'network' | 'application';
    readonly source_address: string;
    readonly source_port: number;
    readonly protocol: string;
    /** `Call-ID;from-tag=...`; empty outside a dialog. */
    readonly stackDialogId: string;
    /** `host:port` of the socket that the request came in on; only outside a dialog. */
    readonly receivedOn?: string;
    /** The control connection. */
    readonly socket: Socket;
    readonly agent: SrfAgent;
  }

  export interface SrfResponse {
    /** Throws on a status that it does not know. `callback` hears nothing when the connection is lost. */
    send(
      status: number,
      reason: string,
      options: { readonly headers: Record<string, string>; readonly body?: string },
      callback: (error: unknown, sent?: SrfMessage) => void,
    ): void;
  }

  export interface SrfIncomingResponse extends SrfMessage {
    readonly status: number;
  }

  export interface SrfAgent {
    readonly wp: SrfWire;
    /** Sends a request inside a dialog. Emits `response` on the request for every response, with a function that sends the ACK. */
    request(
      options: {
        readonly method: string;
        readonly stackDialogId: string;
        readonly headers: Record<string, string>;
        readonly body?: string;
        readonly _socket: Socket;
      },
      callback: (error: unknown, sent?: SrfRequest) => void,
    ): void;
  }

  /** The control protocol's client. Emits `connect` with the socket and `msg` with socket and frame. */
  export interface SrfWire extends EventEmitter {
    /** Sends `<id>|<text>` and returns the id, which the answer names. */
    send(socket: Socket, text: string): string;
    /** Set: no more attempts to connect. */
    closing?: boolean;
    readonly reconnectVars: { retryTimer: NodeJS.Timeout | null };
    /** That of the latest attempt after the first. */
    readonly socket?: Socket;
  }

  export interface SrfConnectOptions {
    readonly host: string;
    readonly port: number;
    readonly secret: string;
    readonly enablePing: boolean;
    /** ms, 5,000 at least. */
    readonly pingInterval: number;
    readonly reconnect: { readonly retryMaxDelay: number };
  }

  export default class Srf extends EventEmitter {
    constructor();
    /** Emits `connect` with an error when the secret is refused, else with `null` and the server's addresses. */
    connect(options: SrfConnectOptions): void;
    /** A function for every request. */
    use(handler: (request: SrfRequest, response: SrfResponse) => void): void;
    /** The same, and asks drachtio-server for requests of this method outside dialogs. */
    use(method: string, handler: (request: SrfRequest, response: SrfResponse) => void): void;
    readonly app: { readonly client?: SrfAgent };
  }
}
