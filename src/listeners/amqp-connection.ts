import { type ChannelModel, type ConfirmChannel, connect, type Options, type SocketOptions } from 'amqplib';
import { SrsError } from '../core/errors.js';
import type { Logger } from '../core/logger.js';
import type { Metrics } from '../core/metrics.js';
import { type AmqpTopology, DEAD_LETTER_EXCHANGE, deadLetterQueue, QUEUE_BINDING } from './amqp-topology.js';

/** Contents of PEM files, not their paths. */
export interface AmqpTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  /** Takes any certificate. */
  readonly skipVerify?: boolean;
}

export interface AmqpConnectionOptions {
  /** `amqp://` or `amqps://`, with user and password. */
  readonly url: string;
  readonly topology: AmqpTopology;
  readonly tls?: AmqpTls;
  /** A broker that is silent for two to three of these is gone. A `heartbeat` in the URL is stronger. */
  readonly heartbeatSeconds?: number;
  readonly connectTimeoutMs?: number;
  /** First and longest wait between attempts. */
  readonly retryDelayMs?: number;
  readonly maxRetryDelayMs?: number;
  readonly metrics: Metrics;
  readonly logger: Logger;
}

export interface AmqpMessage {
  readonly exchange: string;
  readonly routingKey: string;
  readonly body: Buffer;
  readonly options: Options.Publish;
}

/** What the owner of a connection hears. */
export interface AmqpConnectionEvents {
  /** A confirm channel is open and the topology is there. */
  up(): void;
  /** The channel is gone; answers to what was sent on it will not come. */
  down(): void;
  /** The broker could not route the message; its confirm follows. */
  returned(messageId: string): void;
  /** The broker asks publishers to stop (memory or disk alarm), or to go on. */
  blocked(blocked: boolean): void;
}

const HEARTBEAT_SECONDS = 10;
const CONNECT_TIMEOUT_MS = 10_000;
const RETRY_DELAY_MS = 200;
const MAX_RETRY_DELAY_MS = 30_000;
/** A connection that was up for so long has earned a quick next attempt. */
const STEADY_MS = 10_000;
const FAREWELL_MS = 1_000;
const PRECONDITION_FAILED = 406;

/**
 * The only door to amqplib: one connection with one confirm channel, made again for as long as it is open. The broker may be
 * absent at the start. Every attempt has a lifeline of its own, because a frozen broker answers neither data nor a close.
 */
export class AmqpConnection {
  readonly #options: AmqpConnectionOptions;
  readonly #events: AmqpConnectionEvents;
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;
  #channel: ConfirmChannel | undefined;
  #model: ChannelModel | undefined;
  #lifeline: AbortController | undefined;
  #failures = 0;
  /** Monotonic ms of the moment the present connection came up. */
  #upSince: number | undefined;
  #lastError: string | undefined;
  #foreignReported = false;

  constructor(options: AmqpConnectionOptions, events: AmqpConnectionEvents) {
    this.#options = options;
    this.#events = events;
  }

  /** Begins to connect. Never throws. */
  open(): void {
    this.#running ??= this.#run();
  }

  get up(): boolean {
    return this.#channel !== undefined;
  }

  /** Why it is not up, without addresses or secrets. */
  get lastError(): string | undefined {
    return this.#lastError;
  }

  /**
   * Hands a message to the channel. `done` is called once with whether the broker took it, or never when the connection
   * goes down first. Throws `SRS_LISTENER` when there is no channel.
   */
  publish(message: AmqpMessage, done: (taken: boolean) => void): void {
    const channel = this.#channel;
    if (!channel) throw new SrsError('SRS_LISTENER', 'no AMQP channel is open');
    try {
      channel.publish(message.exchange, message.routingKey, message.body, message.options, (error: unknown) => {
        if (error === null || error === undefined) {
          if (this.#channel === channel) done(true);
          return;
        }
        // A channel that closes fails all its callbacks first: a turn later a broken connection is told from a refusal.
        setImmediate(() => {
          if (this.#channel === channel) done(false);
        });
      });
    } catch (error) {
      throw new SrsError('SRS_LISTENER', 'the AMQP channel took no message', { cause: error });
    }
  }

  /** Declares exchanges and queues again, for one that somebody deleted. */
  async redeclare(): Promise<void> {
    if (this.#model) await this.#declare(this.#model);
  }

  /** Gives the present connection up; the next one follows. */
  reconnect(): void {
    this.#lifeline?.abort();
  }

  /** Idempotent. After it no socket and no timer is left. */
  async close(): Promise<void> {
    if (!this.#stop.signal.aborted) {
      await this.#farewell();
      this.#stop.abort();
      this.#lifeline?.abort();
    }
    await this.#running;
  }

  async #run(): Promise<void> {
    const { metrics, logger } = this.#options;
    while (!this.#stop.signal.aborted) {
      this.#upSince = undefined;
      try {
        await this.#connectOnce();
      } catch (error) {
        this.#lastError = reasonOf(error);
      }
      if (this.#stop.signal.aborted) break;
      // Measured from the connection, not from the attempt: one that times out slowly is no steady one.
      const steady = this.#upSince !== undefined && performance.now() - this.#upSince > STEADY_MS;
      this.#failures = steady ? 1 : this.#failures + 1;
      const delayMs = this.#delay();
      logger.warn({ reason: this.#lastError, failures: this.#failures, delayMs }, 'AMQP broker is away');
      await this.#sleep(delayMs);
      if (!this.#stop.signal.aborted) metrics.amqpReconnects.inc();
    }
  }

  /**
   * One connection from its beginning to its end; always rejects with the reason. Each step is raced against the lifeline:
   * a broker that goes away in the middle of the conversation leaves some of amqplib's promises open for ever.
   */
  async #connectOnce(): Promise<void> {
    const lifeline = new AbortController();
    this.#lifeline = lifeline;
    const cut = failure((fail) => {
      lifeline.signal.addEventListener('abort', () => fail(new Error('the connection was given up')));
    });
    const deadline = setTimeout(() => lifeline.abort(), 2 * (this.#options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS));
    try {
      const model = await Promise.race([connect(this.#address(), this.#socketOptions(lifeline.signal)), cut]);
      const over = failure((fail) => {
        model.on('error', (error: Error) => fail(error));
        model.on('close', (error?: Error) => fail(error ?? new Error('the connection was closed')));
      });
      await Promise.race([this.#declare(model), over, cut]);
      const channel = await Promise.race([model.createConfirmChannel(), over, cut]);
      const channelOver = failure((fail) => {
        channel.on('error', (error: Error) => fail(error));
        channel.on('close', () => fail(new Error('the channel was closed')));
      });
      clearTimeout(deadline);
      this.#takeUp(model, channel);
      await Promise.race([over, channelOver, cut]);
    } finally {
      clearTimeout(deadline);
      this.#takeDown();
      lifeline.abort();
    }
  }

  #takeUp(model: ChannelModel, channel: ConfirmChannel): void {
    this.#upSince = performance.now();
    if (this.#stop.signal.aborted) throw new Error('closed');
    channel.on('return', (message) => {
      const id: unknown = message.properties.messageId;
      if (typeof id === 'string') this.#events.returned(id);
    });
    model.on('blocked', () => this.#events.blocked(true));
    model.on('unblocked', () => this.#events.blocked(false));
    this.#model = model;
    this.#channel = channel;
    this.#lastError = undefined;
    this.#options.metrics.amqpConnected.set(1);
    this.#options.logger.info({ queue: this.#options.topology.queue }, 'AMQP broker connected');
    this.#events.up();
  }

  #takeDown(): void {
    this.#model = undefined;
    this.#options.metrics.amqpConnected.set(0);
    if (!this.#channel) return;
    this.#channel = undefined;
    this.#events.down();
  }

  /** Says goodbye to the broker, so that it does not log a broken client, but does not insist. */
  async #farewell(): Promise<void> {
    const model = this.#model;
    if (!model) return;
    let timer: NodeJS.Timeout | undefined;
    const tired = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, FAREWELL_MS);
    });
    // From here on a confirm is no longer waited for.
    this.#takeDown();
    await Promise.race([model.close().catch(() => {}), tired]);
    clearTimeout(timer);
  }

  async #declare(model: ChannelModel): Promise<void> {
    const { queue, exchange } = this.#options.topology;
    const dead = deadLetterQueue(queue);
    await this.#ensure(model, async (channel, passive) => {
      if (passive) await channel.checkExchange(DEAD_LETTER_EXCHANGE);
      else await channel.assertExchange(DEAD_LETTER_EXCHANGE, 'topic', { durable: true });
    });
    await this.#ensure(model, async (channel, passive) => {
      if (passive) await channel.checkQueue(dead);
      else await channel.assertQueue(dead, { durable: true });
      await channel.bindQueue(dead, DEAD_LETTER_EXCHANGE, '#');
    });
    await this.#ensure(model, async (channel, passive) => {
      if (passive) await channel.checkQueue(queue);
      else await channel.assertQueue(queue, { durable: true, deadLetterExchange: DEAD_LETTER_EXCHANGE });
    });
    if (exchange === '') return;
    await this.#ensure(model, async (channel, passive) => {
      if (passive) await channel.checkExchange(exchange);
      else await channel.assertExchange(exchange, 'topic', { durable: true });
      await channel.bindQueue(queue, exchange, QUEUE_BINDING);
    });
  }

  /**
   * Declares something on a channel of its own, because a refusal closes the channel. What exists already with other
   * arguments, made by an operator or by another SIPREC server, is used as it is.
   */
  async #ensure(
    model: ChannelModel,
    declare: (channel: ConfirmChannel, passive: boolean) => Promise<void>,
  ): Promise<void> {
    try {
      await onChannel(model, (channel) => declare(channel, false));
    } catch (error) {
      if (codeOf(error) !== PRECONDITION_FAILED) throw error;
      if (!this.#foreignReported) {
        this.#foreignReported = true;
        this.#options.logger.warn('a queue or exchange exists with other arguments and is used as it is');
      }
      await onChannel(model, (channel) => declare(channel, true));
    }
  }

  /** The URL with our heartbeat, unless it names one. */
  #address(): string {
    const url = new URL(this.#options.url);
    if (!url.searchParams.has('heartbeat')) {
      url.searchParams.set('heartbeat', String(this.#options.heartbeatSeconds ?? HEARTBEAT_SECONDS));
    }
    return url.toString();
  }

  #socketOptions(signal: AbortSignal): SocketOptions {
    const { tls, connectTimeoutMs } = this.#options;
    const options: SocketOptions & { signal: AbortSignal } = {
      timeout: connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
      noDelay: true,
      keepAlive: true,
      clientProperties: { connection_name: 'sipscribe' },
      ...(tls?.ca === undefined ? {} : { ca: tls.ca }),
      ...(tls?.cert === undefined ? {} : { cert: tls.cert }),
      ...(tls?.key === undefined ? {} : { key: tls.key }),
      ...(tls?.skipVerify ? { rejectUnauthorized: false } : {}),
      signal,
    };
    return options;
  }

  #delay(): number {
    const { retryDelayMs = RETRY_DELAY_MS, maxRetryDelayMs = MAX_RETRY_DELAY_MS } = this.#options;
    const base = Math.min(maxRetryDelayMs, retryDelayMs * 2 ** Math.min(this.#failures - 1, 20));
    // Recorders that lost one broker must not come back in step.
    return Math.round(base * (0.75 + Math.random() * 0.25));
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#stop.signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      this.#stop.signal.addEventListener('abort', done);
      if (this.#stop.signal.aborted) done();
    });
  }
}

/** A promise that only ever rejects, and may do so before anybody listens. */
function failure(watch: (fail: (error: Error) => void) => void): Promise<never> {
  const promise = new Promise<never>((_resolve, reject) => watch(reject));
  promise.catch(() => {});
  return promise;
}

async function onChannel(model: ChannelModel, work: (channel: ConfirmChannel) => Promise<void>): Promise<void> {
  const channel = await model.createConfirmChannel();
  // The refusal of a declaration also comes as an event, which nobody else listens to.
  channel.on('error', () => {});
  await work(channel);
  await channel.close();
}

function codeOf(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'number' ? error.code : undefined;
}

/** A system error's code or the broker's words; messages of `URL` and of sockets hold addresses, not secrets. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  if ('code' in error && typeof error.code === 'string') return error.code;
  return error.message.slice(0, 200);
}
