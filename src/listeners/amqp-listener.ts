import type { CallEvent } from '../core/call-event.js';
import type { Logger } from '../core/logger.js';
import type { Metrics } from '../core/metrics.js';
import { AmqpConnection, type AmqpConnectionOptions } from './amqp-connection.js';
import { routeOf } from './amqp-topology.js';
import { CallLanes, type Outgoing } from './call-lanes.js';
import { amqpBody, EVENT_SCHEMA } from './event-json.js';
import type { ListenerHealth, TranscriptListener } from './listener.js';

export interface AmqpListenerOptions extends Omit<AmqpConnectionOptions, 'topology' | 'metrics' | 'logger'> {
  readonly queue: string;
  /** Empty = the default exchange, straight to the queue. */
  readonly exchange?: string;
  /** Events held for a broker that is away. */
  readonly maxWaiting?: number;
  readonly maxWaitingBytes?: number;
  /** Messages sent and not yet confirmed, over all calls. */
  readonly maxInFlight?: number;
  /** A broker that is there but confirms nothing for so long is connected to afresh. */
  readonly confirmTimeoutMs?: number;
  readonly metrics: Metrics;
  readonly logger: Logger;
}

const MAX_WAITING = 100_000;
const MAX_WAITING_BYTES = 256 * 1024 * 1024;
const MAX_IN_FLIGHT = 256;
const CONFIRM_TIMEOUT_MS = 60_000;
const FIRST_RETRY_MS = 100;
const MAX_RETRY_MS = 30_000;
/** After the first ten, a line for so many lost events. */
const LOSSES_PER_LINE = 1_000;
/** More than these waiting while connected means that the broker is slower than the calls. */
const MANY_WAITING = 1_000;

/**
 * Publishes events to RabbitMQ with publisher confirms. An event is forgotten here only when the broker has confirmed it, and
 * in each call the next one leaves only then (`call-lanes.ts`). After a broken connection an event may arrive twice, with
 * the same `message_id`.
 */
export class AmqpListener implements TranscriptListener {
  readonly name = 'amqp';
  readonly #options: AmqpListenerOptions;
  readonly #connection: AmqpConnection;
  readonly #lanes = new CallLanes();
  /** Sent on the present connection and not answered yet, by message id. */
  readonly #unanswered = new Map<string, number>();
  readonly #returned = new Set<string>();
  readonly #flushes = new Set<() => void>();
  #blocked = false;
  #lost = 0;
  #refusals = 0;
  #retry: NodeJS.Timeout | undefined;
  #watchdog: NodeJS.Timeout | undefined;
  #closing: Promise<void> | undefined;

  /** Begins to connect at once; the broker may be absent. */
  constructor(options: AmqpListenerOptions) {
    this.#options = options;
    this.#connection = new AmqpConnection(
      { ...options, topology: { queue: options.queue, exchange: options.exchange ?? '' } },
      {
        up: () => this.#pump(),
        down: () => this.#startOver(),
        returned: (messageId) => this.#returned.add(messageId),
        blocked: (blocked) => {
          this.#blocked = blocked;
          this.#pump();
        },
      },
    );
    this.#connection.open();
  }

  publish(event: CallEvent): void {
    const { queue, exchange = '', maxWaiting = MAX_WAITING, maxWaitingBytes = MAX_WAITING_BYTES } = this.#options;
    if (this.#closing || !routeOf(event.type, { queue, exchange })) return;
    const body = Buffer.from(JSON.stringify(amqpBody(event)));
    if (this.#lanes.count >= maxWaiting || this.#lanes.bytes + body.length > maxWaitingBytes) {
      this.#lose(event);
      return;
    }
    this.#lanes.add({ event, body });
    this.#pump();
  }

  health(): ListenerHealth {
    const waiting = this.#lanes.count;
    if (this.#lost > 0)
      return {
        state: this.#connection.up ? 'degraded' : 'down',
        waiting,
        detail: `${this.#lost} events did not fit and are lost`,
      };
    if (!this.#connection.up) {
      return { state: 'degraded', waiting, detail: `broker away: ${this.#connection.lastError ?? 'connecting'}` };
    }
    if (this.#blocked) return { state: 'degraded', waiting, detail: 'the broker blocks publishers' };
    if (this.#refusals > 0) return { state: 'degraded', waiting, detail: 'the broker cannot route messages' };
    if (waiting > MANY_WAITING) return { state: 'degraded', waiting, detail: 'the broker is slow' };
    return { state: 'ok', waiting };
  }

  async flush(signal: AbortSignal): Promise<void> {
    if (this.#lanes.count === 0 || signal.aborted) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        this.#flushes.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      this.#flushes.add(done);
      signal.addEventListener('abort', done);
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    clearTimeout(this.#retry);
    clearInterval(this.#watchdog);
    const waiting = this.#lanes.count;
    if (waiting > 0) this.#options.logger.error({ waiting }, 'AMQP events were not confirmed before the end');
    await this.#connection.close();
    for (const done of [...this.#flushes]) done();
  }

  #pump(): void {
    const { maxInFlight = MAX_IN_FLIGHT } = this.#options;
    while (!this.#closing && this.#connection.up && !this.#blocked && this.#lanes.inFlight < maxInFlight) {
      const outgoing = this.#lanes.take();
      if (!outgoing) break;
      if (!this.#send(outgoing)) break;
    }
    this.#options.metrics.amqpWaiting.set(this.#lanes.count);
  }

  #send(outgoing: Outgoing): boolean {
    const { event, body } = outgoing;
    const { queue, exchange = '' } = this.#options;
    const route = routeOf(event.type, { queue, exchange });
    if (!route) {
      this.#lanes.confirmed(outgoing);
      return true;
    }
    this.#unanswered.set(event.eventId, performance.now());
    this.#watch();
    try {
      this.#connection.publish(
        {
          exchange: route.exchange,
          routingKey: route.routingKey,
          body,
          options: {
            mandatory: route.mandatory,
            persistent: true,
            contentType: 'application/json',
            contentEncoding: 'utf-8',
            messageId: event.eventId,
            type: event.type,
            // AMQP counts in seconds.
            timestamp: Math.floor(event.at / 1000),
            headers: { schema: EVENT_SCHEMA },
          },
        },
        (taken) => this.#answered(outgoing, taken),
      );
      return true;
    } catch (error) {
      // The channel died under us: `down` follows and everything in flight is sent again on the next connection.
      this.#options.logger.warn({ err: error }, 'AMQP publish failed');
      this.#connection.reconnect();
      return false;
    }
  }

  #answered(outgoing: Outgoing, taken: boolean): void {
    const { metrics } = this.#options;
    const id = outgoing.event.eventId;
    this.#unanswered.delete(id);
    const returned = this.#returned.delete(id);
    if (taken && !returned) {
      this.#refusals = 0;
      metrics.amqpPublished.inc();
      this.#lanes.confirmed(outgoing);
      if (this.#lanes.count === 0) for (const done of [...this.#flushes]) done();
    } else {
      if (returned) metrics.amqpReturned.inc();
      this.#lanes.refused(outgoing);
      this.#retryLater(returned);
    }
    this.#pump();
  }

  /** A refused event stays first in its call and is tried again, ever more slowly. The queue may have been deleted. */
  #retryLater(returned: boolean): void {
    if (this.#retry || this.#closing) return;
    const delayMs = Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(this.#refusals, 12));
    this.#refusals += 1;
    this.#options.logger.warn({ returned, delayMs }, 'AMQP broker did not take an event');
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      this.#connection
        .redeclare()
        .catch((error: unknown) => this.#options.logger.warn({ err: error }, 'AMQP topology cannot be declared'))
        .finally(() => {
          this.#lanes.releaseHeld();
          this.#pump();
        });
    }, delayMs);
  }

  #startOver(): void {
    clearTimeout(this.#retry);
    this.#retry = undefined;
    clearInterval(this.#watchdog);
    this.#watchdog = undefined;
    this.#blocked = false;
    this.#unanswered.clear();
    this.#returned.clear();
    this.#lanes.reset();
  }

  /** Heartbeats find a dead broker; this finds a live one that confirms nothing. */
  #watch(): void {
    const timeoutMs = this.#options.confirmTimeoutMs ?? CONFIRM_TIMEOUT_MS;
    this.#watchdog ??= setInterval(() => {
      const [oldest] = this.#unanswered.values();
      if (oldest === undefined) {
        clearInterval(this.#watchdog);
        this.#watchdog = undefined;
      } else if (!this.#blocked && performance.now() - oldest > timeoutMs) {
        this.#options.logger.warn({ unanswered: this.#unanswered.size }, 'AMQP broker confirms nothing');
        this.#connection.reconnect();
      }
    }, timeoutMs / 4);
  }

  /** A broker that was away for longer than memory lasts: never silent. */
  #lose(event: CallEvent): void {
    const { metrics, logger } = this.#options;
    this.#lost += 1;
    metrics.listenerErrors.inc({ listener: this.name });
    // At 500 calls dozens come per second, for as long as the broker is away: the metric counts each, the log tells how it grows.
    if (this.#lost > 10 && this.#lost % LOSSES_PER_LINE !== 0) return;
    logger.error({ type: event.type, callId: event.callId, lost: this.#lost }, 'AMQP event lost: too many wait');
  }
}
