import { type IncomingMessage, STATUS_CODES } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify';
import { SrsError } from '../core/errors.js';
import type { Logger } from '../core/logger.js';
import type { Metrics } from '../core/metrics.js';
import { ApiKeys } from '../listeners/api-keys.js';
import { hostAllowed, originAllowed } from '../listeners/origin-rule.js';
import type { CallControl } from '../session/call-control.js';
import { type ApiRoute, COMMAND_LIMIT_BYTES, callsApi } from './calls-api.js';
import { type HealthReport, healthJson, reasonsAgainst } from './health-report.js';

/** Takes an upgrade, or returns false and leaves the socket as it is. */
export type UpgradeHandler = (request: IncomingMessage, socket: Duplex, head: Buffer) => boolean;

export interface HttpServerOptions {
  readonly host: string;
  /** 0 = any free one. */
  readonly port: number;
  /** Empty = no key is asked for. */
  readonly apiKeys?: readonly string[];
  readonly metrics: Metrics;
  readonly health: () => HealthReport;
  readonly logger: Logger;
  /** The calls that the API commands; without them it is not there. */
  readonly calls?: CallControl;
  /** Asked in order; an upgrade that none takes gets a 404. */
  readonly onUpgrade?: readonly UpgradeHandler[];
}

const BODY_LIMIT_BYTES = 1024 * 1024;
const HEADER_LIMIT_BYTES = 16 * 1024;
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 60_000;
const RETRY_AFTER_SECONDS = '5';

/** The only door to fastify: health, metrics, commands to calls, and the upgrade to WebSocket. Every error has the shape `{ error: { code, message } }`. */
export class HttpServer {
  readonly #options: HttpServerOptions;
  readonly #keys: ApiKeys;
  readonly #app: FastifyInstance;
  readonly #upgraded = new Set<Duplex>();
  #starting: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: HttpServerOptions) {
    this.#options = options;
    this.#keys = new ApiKeys(options.apiKeys ?? []);
    this.#app = fastify({
      bodyLimit: BODY_LIMIT_BYTES,
      requestTimeout: REQUEST_TIMEOUT_MS,
      forceCloseConnections: true,
      http: { maxHeaderSize: HEADER_LIMIT_BYTES, headersTimeout: HEADERS_TIMEOUT_MS },
      routerOptions: { maxParamLength: 200 },
      logger: false,
      clientErrorHandler: (error, socket) => answerBadRequest(error, socket),
      frameworkErrors: (error, _request, reply) => sendError(reply, error.statusCode ?? 400, error.message),
    });
    this.#hooks();
    this.#routes();
  }

  /** Binds. Throws `SRS_CONFIG_INVALID` when the address cannot be had. Idempotent. */
  start(): Promise<void> {
    this.#starting ??= this.#listen();
    return this.#starting;
  }

  /** Where it listens. Throws before `start`. */
  get address(): { readonly host: string; readonly port: number } {
    const address = this.#app.server.address();
    if (typeof address !== 'object' || address === null) throw new SrsError('SRS_INTERNAL', 'HTTP does not listen yet');
    const { address: host, port }: AddressInfo = address;
    return { host, port };
  }

  /** Idempotent; after it no socket is left, upgraded ones included. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #listen(): Promise<void> {
    const { host, port, logger } = this.#options;
    this.#app.server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) =>
      this.#upgrade(request, socket, head),
    );
    try {
      await this.#app.listen({ host, port });
    } catch (error) {
      throw new SrsError('SRS_CONFIG_INVALID', `HTTP cannot listen on ${host}:${port}`, { cause: error });
    }
    logger.info({ host, port: this.address.port }, 'HTTP listens');
  }

  async #close(): Promise<void> {
    await this.#starting?.catch(() => {});
    for (const socket of this.#upgraded) socket.destroy();
    await this.#app.close();
  }

  #hooks(): void {
    this.#app.addHook('onRequest', async (request, reply) => {
      reply.header('cache-control', 'no-store').header('x-content-type-options', 'nosniff');
      const refused = isCommand(request) ? this.#refusalOfPage(request) : undefined;
      if (refused !== undefined) return sendError(reply, 403, refused);
      if (isPublic(request) || this.#keys.accepts(keyOf(request))) return;
      reply.header('www-authenticate', 'Bearer');
      return sendError(reply, 401, 'a valid key is required: Authorization: Bearer <key>');
    });
    this.#app.setNotFoundHandler((_request, reply) => sendError(reply, 404, 'there is nothing at this path'));
    this.#app.setErrorHandler((error: FastifyError, _request, reply) => {
      const status = error.statusCode ?? 500;
      if (status >= 500) this.#options.logger.error({ err: error }, 'HTTP request failed');
      // The words of an inner fault are for the log, not for the caller.
      return sendError(reply, status, status >= 500 ? 'the server failed on this request' : error.message);
    });
  }

  /** What no page but our own may do, a browser is not to do for another. */
  #refusalOfPage({ headers }: FastifyRequest): string | undefined {
    const rule = { keyed: this.#keys.required };
    if (!originAllowed(headers, rule)) return 'a page of another origin may not do this';
    return hostAllowed(headers, rule)
      ? undefined
      : 'without API_KEYS this server must be called by its IP address or localhost';
  }

  #routes(): void {
    const { health, metrics, calls } = this.#options;
    this.#app.get('/health/live', () => ({ status: 'ok' }));
    this.#app.get('/health/ready', (_request, reply) => {
      const reasons = reasonsAgainst(health());
      if (reasons.length === 0) return { status: 'ready', reasons };
      return reply.code(503).header('retry-after', RETRY_AFTER_SECONDS).send({ status: 'not_ready', reasons });
    });
    this.#app.get('/health', () => healthJson(health()));
    this.#app.get('/metrics', async (_request, reply) => {
      const text = await metrics.render();
      return reply.header('content-type', metrics.registry.contentType).send(text);
    });
    // Fastify reads text by itself; a command is JSON.
    this.#app.removeContentTypeParser('text/plain');
    for (const route of calls ? callsApi(calls) : []) this.#route(route);
  }

  #route({ method, path: url, handle }: ApiRoute): void {
    this.#app.route<{ Params: { id?: string } }>({
      method,
      url,
      bodyLimit: COMMAND_LIMIT_BYTES,
      handler: async (request, reply) => {
        const by = this.#keys.required ? `key-${this.#keys.place(keyOf(request))}` : 'api';
        const answer = await handle({ id: request.params.id ?? '', body: request.body, by });
        if ('body' in answer) return reply.code(answer.status).send(answer.body);
        if (answer.status === 503) reply.header('retry-after', '1');
        return sendError(reply, answer.status, answer.error);
      },
    });
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    this.#upgraded.add(socket);
    socket.once('close', () => this.#upgraded.delete(socket));
    // Until somebody takes it, nobody else listens to what goes wrong on this socket.
    socket.on('error', () => {});
    try {
      if (this.#options.onUpgrade?.some((handler) => handler(request, socket, head))) return;
      endRaw(socket, 404, 'there is nothing to upgrade at this path');
    } catch (error) {
      this.#options.logger.error({ err: error }, 'HTTP upgrade failed');
      socket.destroy();
    }
  }
}

/** Probes of an orchestrator carry no key. */
function isPublic(request: FastifyRequest): boolean {
  const [path = ''] = request.url.split('?');
  return path === '/health' || path.startsWith('/health/');
}

/** By the route that was found, however its path was written. */
function isCommand(request: FastifyRequest): boolean {
  return request.routeOptions.url?.startsWith('/api/') ?? false;
}

function keyOf(request: FastifyRequest): string | undefined {
  const header = request.headers['x-api-key'];
  return ApiKeys.bearer(request.headers.authorization) ?? (typeof header === 'string' ? header : undefined);
}

function sendError(reply: FastifyReply, status: number, message: string): FastifyReply {
  return reply.code(status).type('application/json; charset=utf-8').send(errorBody(status, message));
}

function errorBody(status: number, message: string): { error: { code: string; message: string } } {
  const code = (STATUS_CODES[status] ?? 'error').toLowerCase().replaceAll(/[^a-z]+/g, '_');
  return { error: { code, message } };
}

/** What is not HTTP at all, or has too large headers, never becomes a request. */
function answerBadRequest(error: NodeJS.ErrnoException, socket: Duplex): void {
  const status = error.code === 'HPE_HEADER_OVERFLOW' ? 431 : error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : 400;
  endRaw(socket, status, 'the request cannot be read');
}

function endRaw(socket: Duplex, status: number, message: string): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const body = JSON.stringify(errorBody(status, message));
  const head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\nConnection: close\r\nContent-Type: application/json\r\n`;
  socket.end(`${head}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`, () => socket.destroy());
}
