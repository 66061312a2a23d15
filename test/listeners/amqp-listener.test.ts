import { type AddressInfo, createServer, connect as openSocket } from 'node:net';
import { type ChannelModel, connect, type GetMessage } from 'amqplib';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { CallEvent } from '../../src/core/call-event.js';
import { silentLogger } from '../../src/core/logger.js';
import { AmqpListener, type AmqpListenerOptions } from '../../src/listeners/amqp-listener.js';
import { type Desk, desk, metricValue, spoken } from '../helpers/call-events.js';
import { eventually } from '../helpers/eventually.js';
import { type RabbitMq, startRabbitMq } from '../helpers/rabbitmq.js';

const CALLS = ['a', 'b', 'c', 'd', 'e'];
const EVENTS = 500;

let broker: RabbitMq;
let office: Desk;
let listener: AmqpListener | undefined;
let queueNumber = 0;
let queue: string;

beforeAll(async () => {
  broker = await startRabbitMq();
}, 120_000);
afterAll(() => broker.dispose());

beforeEach(() => {
  queueNumber += 1;
  queue = `test.${queueNumber}`;
  office = desk();
});
afterEach(async () => {
  await listener?.close();
  listener = undefined;
});

function listen(options: Partial<AmqpListenerOptions> = {}): AmqpListener {
  listener = new AmqpListener({ ...settings(), ...options });
  office.bus.subscribe(listener);
  return listener;
}

function settings(): AmqpListenerOptions {
  return {
    url: broker.url,
    queue,
    heartbeatSeconds: 1,
    connectTimeoutMs: 2_000,
    retryDelayMs: 50,
    maxRetryDelayMs: 500,
    metrics: office.metrics,
    logger: silentLogger,
  };
}

async function withBroker<T>(work: (model: ChannelModel) => Promise<T>): Promise<T> {
  const model = await connect(broker.url);
  try {
    return await work(model);
  } finally {
    await model.close();
  }
}

/** Everything that lies in a queue now. */
function drain(name: string): Promise<GetMessage[]> {
  return withBroker(async (model) => {
    const channel = await model.createChannel();
    channel.on('error', () => {});
    const messages: GetMessage[] = [];
    for (;;) {
      const message = await channel.get(name, { noAck: true });
      if (!message) return messages;
      messages.push(message);
    }
  });
}

const connected = (): Promise<boolean> =>
  eventually('the listener is connected', () => listener?.health().state === 'ok');
const flushed = (ms = 60_000): Promise<void> => office.bus.flush(AbortSignal.timeout(ms));

/** Publishes 500 events of five calls, and does something to the broker on the way. */
async function storm(disturb: (n: number) => Promise<void> | void): Promise<CallEvent[]> {
  const events: CallEvent[] = [];
  await connected();
  for (let n = 0; n < EVENTS; n += 1) {
    events.push(office.bus.publish(spoken(CALLS[n % CALLS.length] ?? '', n)));
    // At first the broker keeps up; what is done to it later meets confirmed, flying and waiting events.
    if (n < 200) await eventually('confirms come', () => (listener?.health().waiting ?? 0) <= 10);
    else if (n % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
    await disturb(n);
  }
  return events;
}

/** At least once, and in order per call when a consumer leaves out what it has seen. */
function expectAllInOrder(messages: readonly GetMessage[], events: readonly CallEvent[]): void {
  const seen = new Set<string>();
  const order = new Map<string, number[]>();
  for (const message of messages) {
    const id = String(message.properties.messageId);
    const body = JSON.parse(message.content.toString('utf8'));
    expect(body.event_id).toBe(id);
    if (seen.has(id)) continue;
    seen.add(id);
    order.set(body.call_id, [...(order.get(body.call_id) ?? []), body.seq]);
  }
  expect(seen).toEqual(new Set(events.map((event) => event.eventId)));
  for (const [call, seqs] of order) {
    expect(seqs).toEqual(events.filter((event) => event.callId === call).map((event) => event.seq));
  }
}

describe('the AMQP listener', () => {
  it('publishes transcripts to the queue, persistent, with all that a consumer needs', async () => {
    listen();
    const event = office.bus.publish(spoken('c1', 1, 'hello'));
    await flushed();
    const [message, ...rest] = await drain(queue);
    expect(rest).toEqual([]);
    expect(message?.fields).toMatchObject({ exchange: '', routingKey: queue });
    expect(message?.properties).toMatchObject({
      deliveryMode: 2,
      contentType: 'application/json',
      messageId: event.eventId,
      type: 'transcript.final',
      timestamp: Math.floor(event.at / 1000),
      headers: { schema: 'sipscribe.event/1' },
    });
    expect(JSON.parse(message?.content.toString() ?? '')).toMatchObject({
      call_uuid: 'c1_1',
      transcription: 'hello',
      metadata: { is_final: true },
      stream_label: '1',
      participant_name: 'Alice',
      participant_role: 'caller',
    });
    expect(await metricValue(office.metrics, 'siprec_amqp_published_messages_total')).toBe(1);
    expect(await metricValue(office.metrics, 'siprec_amqp_connection_status')).toBe(1);
    expect(await metricValue(office.metrics, 'siprec_amqp_waiting_messages')).toBe(0);
  });

  it('sends straight to the queue nothing but transcripts', async () => {
    listen();
    office.bus.publish({ type: 'call.started', callId: 'c1', sessionId: 's', legs: [] });
    office.bus.publish(spoken('c1', 1));
    await flushed();
    expect((await drain(queue)).map((message) => message.properties.type)).toEqual(['transcript.final']);
  });

  it('publishes every event to a topic exchange by its type, and keeps transcripts in the queue', async () => {
    const exchange = `topic.${queueNumber}`;
    listen({ exchange });
    await connected();
    const everything = await withBroker(async (model) => {
      const channel = await model.createChannel();
      const { queue: name } = await channel.assertQueue(`all.${queueNumber}`);
      await channel.bindQueue(name, exchange, '#');
      return name;
    });
    office.bus.publish({ type: 'call.started', callId: 'c1', sessionId: 's', legs: [] });
    office.bus.publish(spoken('c1', 1));
    await flushed();
    const keys = (await drain(everything)).map((message) => message.fields.routingKey);
    expect(keys).toEqual(['call.started', 'transcript.final']);
    expect((await drain(queue)).map((message) => message.fields.routingKey)).toEqual(['transcript.final']);
  });

  it('keeps what a consumer rejects in the dead letter queue', async () => {
    listen();
    office.bus.publish(spoken('c1', 1));
    await flushed();
    await withBroker(async (model) => {
      const channel = await model.createChannel();
      const message = await channel.get(queue);
      if (message) channel.reject(message, false);
      await channel.close();
    });
    await eventually('the dead letter', async () => (await drain(`${queue}.dead`)).length === 1);
  });

  it('uses a queue that exists already with other arguments as it is', async () => {
    await withBroker(async (model) => {
      const channel = await model.createChannel();
      await channel.assertQueue(queue, { durable: true, maxLength: 1_000 });
    });
    listen();
    office.bus.publish(spoken('c1', 1));
    await flushed();
    expect(await drain(queue)).toHaveLength(1);
  });

  it('gets back what cannot be routed, makes the queue again and delivers in order', async () => {
    listen();
    await connected();
    await withBroker(async (model) => {
      const channel = await model.createChannel();
      await channel.deleteQueue(queue);
    });
    const events = [1, 2, 3].map((n) => office.bus.publish(spoken('c1', n)));
    await flushed();
    expectAllInOrder(await drain(queue), events);
    expect(await metricValue(office.metrics, 'siprec_amqp_returned_messages_total')).toBeGreaterThan(0);
    expect(listener?.health().state).toBe('ok');
  });

  it('comes through when the connection breaks at every moment of its making', async () => {
    const proxy = await breakingProxy();
    try {
      listen({ url: `amqp://guest:guest@127.0.0.1:${proxy.port}`, retryDelayMs: 5, maxRetryDelayMs: 10 });
      const event = office.bus.publish(spoken('c1', 1));
      await flushed(15_000);
      expectAllInOrder(await drain(queue), [event]);
      expect(proxy.broken()).toBeGreaterThan(10);
    } finally {
      await listener?.close();
      await proxy.close();
    }
  });

  it('goes on trying at a peer that accepts and says nothing', async () => {
    const silent = createServer((socket) => socket.on('error', () => {}).resume());
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const { port } = silent.address() as AddressInfo;
    listen({ url: `amqp://127.0.0.1:${port}`, connectTimeoutMs: 50 });
    await eventually(
      'a third attempt',
      async () => (await metricValue(office.metrics, 'siprec_amqp_reconnect_attempts_total')) >= 2,
    );
    await listener?.close();
    await new Promise((resolve) => silent.close(resolve));
  });

  it('never holds or throws at a publisher, and says when events did not fit', async () => {
    const small = listen({ url: 'amqp://127.0.0.1:1', maxWaiting: 3 });
    for (let n = 0; n < 5; n += 1) office.bus.publish(spoken('c1', n));
    expect(small.health()).toMatchObject({ state: 'down', waiting: 3 });
    expect(small.health().detail).toContain('2 events');
    expect(await office.metrics.render()).toContain('siprec_listener_errors_total{listener="amqp"} 2');
  });

  it('loses nothing and keeps the order of each call through a restart of the broker', {
    timeout: 60_000,
  }, async () => {
    listen();
    const events = await storm(async (n) => {
      if (n === 250) await broker.stop();
      if (n === 400) {
        await eventually('the listener says so', () => listener?.health().state === 'degraded');
        await broker.start();
      }
    });
    await flushed();
    expectAllInOrder(await drain(queue), events);
    expect(await metricValue(office.metrics, 'siprec_amqp_published_messages_total')).toBe(EVENTS);
    expect(await metricValue(office.metrics, 'siprec_amqp_reconnect_attempts_total')).toBeGreaterThan(0);
  });

  it('loses nothing through kill -9 of the broker, nor when it starts before the broker', {
    timeout: 60_000,
  }, async () => {
    listen();
    const early = { queue: `early.${queueNumber}`, ...desk() };
    const events = await storm(async (n) => {
      // Stopped first, so that what is in flight at the kill was surely never read.
      if (n === 210) broker.freeze();
      if (n !== 250) return;
      await broker.kill9();
      const absent = new AmqpListener({ ...settings(), queue: early.queue, metrics: early.metrics });
      early.bus.subscribe(absent);
      early.bus.publish(spoken('c1', 1));
      await eventually('a failed attempt', () => absent.health().detail?.includes('ECONNREFUSED'));
      expect(absent.health()).toMatchObject({ state: 'degraded', waiting: 1 });
      await broker.start();
    });
    await flushed();
    expectAllInOrder(await drain(queue), events);
    await early.bus.flush(AbortSignal.timeout(30_000));
    expect(await drain(early.queue)).toHaveLength(1);
    await early.bus.close();
  });

  it('loses nothing and keeps the order of each call when the broker freezes', { timeout: 60_000 }, async () => {
    listen();
    const events = await storm(async (n) => {
      if (n < 200) return;
      // The connection still looks alive, and nothing is confirmed any more.
      if (n === 200) broker.freeze();
      if (n === 205) await eventually('the silence is noticed', () => listener?.health().state !== 'ok', 15_000);
      if (n !== 300) return;
      expect(listener?.health()).toMatchObject({ state: 'degraded' });
      expect(listener?.health().waiting).toBeGreaterThan(90);
      broker.thaw();
    });
    await flushed();
    expectAllInOrder(await drain(queue), events);
  });

  it('closes within its time and leaves no handle, whether the broker answers, is frozen or is not there', async () => {
    await withHandles(async () => {
      listen();
      await connected();
    });
    await withHandles(async () => {
      listen();
      await connected();
      broker.freeze();
      office.bus.publish(spoken('c1', 1));
    });
    broker.thaw();
    await withHandles(async () => {
      const away = listen({ url: 'amqp://127.0.0.1:1' });
      await eventually('a failed attempt', () => away.health().detail?.includes('ECONNREFUSED'));
    });
  });
});

async function withHandles(work: () => Promise<void>): Promise<void> {
  const handles = (): string[] => process.getActiveResourcesInfo().filter((name) => /TCP|TLS|Timeout/.test(name));
  const before = handles().length;
  await work();
  const started = performance.now();
  await listener?.close();
  expect(performance.now() - started).toBeLessThan(4_000);
  await eventually('no handle is left', () => handles().length <= before + 1);
}

/** Passes bytes between a client and the broker, and breaks each connection some bytes later than the one before. */
async function breakingProxy(): Promise<{ port: number; broken: () => number; close: () => Promise<unknown> }> {
  let connections = 0;
  let broken = 0;
  const proxy = createServer((client) => {
    connections += 1;
    let budget = 300 + 10 * connections;
    const upstream = openSocket(broker.port, '127.0.0.1');
    const end = (): void => {
      client.destroy();
      upstream.destroy();
    };
    for (const socket of [client, upstream]) socket.on('error', end).on('close', end);
    client.on('data', (chunk) => upstream.write(chunk));
    upstream.on('data', (chunk) => {
      client.write(chunk.subarray(0, budget));
      budget -= chunk.length;
      if (budget > 0) return;
      broken += 1;
      client.end(end);
    });
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  const { port } = proxy.address() as AddressInfo;
  return { port, broken: () => broken, close: () => new Promise((resolve) => proxy.close(resolve)) };
}
