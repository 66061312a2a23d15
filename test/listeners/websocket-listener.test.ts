import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { silentLogger } from '../../src/core/logger.js';
import { WebSocketListener, type WebSocketListenerOptions } from '../../src/listeners/websocket-listener.js';
import { MemoryEventLog } from '../../src/store/event-log.js';
import { aliceLeg, type Desk, desk, metricValue, spoken } from '../helpers/call-events.js';
import { eventually } from '../helpers/eventually.js';

type Frame = Record<string, unknown>;

let office: Desk;
let http: Server;
let listener: WebSocketListener;
let base: string;
const readers: Reader[] = [];

beforeEach(() => start());
afterEach(stop);

async function start(options: Partial<WebSocketListenerOptions> = {}, log = new MemoryEventLog()): Promise<void> {
  office = desk(log);
  listener = new WebSocketListener({ log, metrics: office.metrics, logger: silentLogger, ...options });
  office.bus.subscribe(listener);
  http = createServer((_request, response) => response.end());
  http.on('upgrade', (request, socket, head) => {
    if (!listener.handleUpgrade(request, socket, head)) socket.destroy();
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const { port }: AddressInfo = http.address() as AddressInfo;
  base = `ws://127.0.0.1:${port}/ws/transcriptions`;
}

async function stop(): Promise<void> {
  for (const reader of readers.splice(0)) reader.socket.terminate();
  await listener.close();
  http.closeAllConnections();
  await new Promise((resolve) => http.close(resolve));
}

async function startWith(options: Partial<WebSocketListenerOptions>, log?: MemoryEventLog): Promise<void> {
  await stop();
  await start(options, log);
}

/** A real client that keeps every frame. */
class Reader {
  readonly frames: Frame[] = [];
  readonly socket: WebSocket;
  closed: number | undefined;

  constructor(url: string, options: ConstructorParameters<typeof WebSocket>[2] = {}, protocols: string[] = []) {
    this.socket = new WebSocket(url, protocols, options);
    this.socket.on('message', (data) => this.frames.push(JSON.parse(String(data))));
    this.socket.on('close', (code) => {
      this.closed = code;
    });
    readers.push(this);
  }

  async open(): Promise<this> {
    await new Promise((resolve, reject) => {
      this.socket.once('open', resolve);
      this.socket.once('error', reject);
      this.socket.once('unexpected-response', (_request, response) =>
        reject(new Error(`status ${response.statusCode}`)),
      );
    });
    return this;
  }

  /** Sends and waits for the answer. */
  async ask(message: unknown): Promise<Frame> {
    const before = this.frames.length;
    this.socket.send(typeof message === 'string' ? message : JSON.stringify(message));
    return eventually('an answer', () => this.frames[before]);
  }

  get seqs(): unknown[] {
    return this.frames.filter((frame) => 'event_id' in frame).map((frame) => frame.seq);
  }

  async has(count: number): Promise<void> {
    await eventually(`${count} frames`, () => this.frames.length >= count);
  }
}

const reader = (query = '', ...rest: [object?, string[]?]): Promise<Reader> => new Reader(base + query, ...rest).open();
const bobLeg = { leg: 2, label: '2', speaker: { name: 'Bob' } };

describe('a WebSocket reader', () => {
  it('that names nothing gets every event, each in a frame of its own', async () => {
    const all = await reader();
    const event = office.bus.publish(spoken('c1', 1, 'hello'));
    office.bus.publish(spoken('c2', 2));
    office.bus.publish({
      type: 'call.ended',
      callId: 'c1',
      sessionId: 's',
      legs: [],
      reason: 'bye',
      durationMs: 5,
      recording: 'r',
    });
    await all.has(3);
    expect(all.frames[0]).toMatchObject({
      type: 'transcript.final',
      seq: event.seq,
      event_id: event.eventId,
      call_uuid: 'c1_1',
      transcription: 'hello',
      is_final: true,
      participant_name: 'Alice',
    });
    expect(all.frames.map((frame) => frame.type)).toEqual(['transcript.final', 'transcript.final', 'call.ended']);
    expect(await metricValue(office.metrics, 'siprec_websocket_clients')).toBe(1);
  });

  it('gets one leg by call_uuid and a whole call by call_id', async () => {
    const leg = await reader('?call_uuid=c1_2');
    const call = await reader('?call_id=c1');
    const both = await reader('?call_uuid=c1_1&call_uuid=c2_2');
    for (const id of ['c1', 'c2']) for (const who of [aliceLeg, bobLeg]) office.bus.publish(spoken(id, 1, 'x', who));
    office.bus.publish({
      type: 'call.ended',
      callId: 'c1',
      sessionId: 's',
      legs: [],
      reason: 'bye',
      durationMs: 5,
      recording: 'r',
    });
    await call.has(3);
    await both.has(2);
    await leg.has(1);
    expect(leg.frames.map((frame) => frame.call_uuid)).toEqual(['c1_2']);
    expect(call.frames.map((frame) => frame.call_uuid)).toEqual(['c1_1', 'c1_2', 'c1']);
    expect(both.frames.map((frame) => frame.call_uuid)).toEqual(['c1_1', 'c2_2']);
  });

  it('subscribes to several legs on one connection, unsubscribes and pings', async () => {
    const desk1 = await reader();
    expect(await desk1.ask({ type: 'ping' })).toMatchObject({ type: 'pong' });
    expect(await desk1.ask({ type: 'subscribe', call_uuid: 'c1_1' })).toMatchObject({
      type: 'subscribed',
      call_uuid: 'c1_1',
    });
    expect(await desk1.ask({ type: 'subscribe', call_id: 'c2' })).toMatchObject({ type: 'subscribed', call_id: 'c2' });
    office.bus.publish(spoken('c1', 1));
    office.bus.publish(spoken('c3', 1));
    office.bus.publish(spoken('c2', 1));
    await eventually('two events', () => desk1.seqs.length === 2);
    expect(desk1.seqs).toEqual([1, 3]);
    expect(await desk1.ask({ type: 'unsubscribe', call_uuid: 'c1_1' })).toMatchObject({ type: 'unsubscribed' });
    expect(await desk1.ask({ type: 'unsubscribe', call_id: 'c2' })).toMatchObject({ type: 'unsubscribed' });
    office.bus.publish(spoken('c1', 2));
    expect(await desk1.ask({ type: 'subscribe', call_uuid: '*' })).toMatchObject({ type: 'subscribed' });
    office.bus.publish(spoken('c9', 2));
    await eventually('one more event', () => desk1.seqs.length === 3);
    expect(desk1.seqs).toEqual([1, 3, 5]);
  });

  it.each([
    'not json',
    '[]',
    '"x"',
    '{"type":"dance"}',
    '{"type":"subscribe","call_uuid":7}',
    '{"type":"subscribe","call_uuid":""}',
  ])('that says %s gets an error and stays connected', async (message) => {
    const odd = await reader();
    expect(await odd.ask(message)).toMatchObject({ type: 'error', code: 'bad_message', message: expect.any(String) });
    expect(await odd.ask({ type: 'ping' })).toMatchObject({ type: 'pong' });
  });

  it('that sends a message beyond all measure is cut off, and nobody else is', async () => {
    const [rude, polite] = [await reader(), await reader()];
    rude.socket.send('x'.repeat(100_000));
    await eventually('the cut', () => rude.closed === 1009);
    office.bus.publish(spoken('c1', 1));
    await polite.has(1);
  });
});

describe('a WebSocket reader that comes back', () => {
  it('gets what it missed and then what happens, without gap or duplicate', async () => {
    // Small enough that events are published while the replay is still on its way.
    await startWith({ queueLimit: 50 });
    for (let n = 1; n <= 700; n += 1) office.bus.publish(spoken(n % 2 ? 'odd' : 'even', n));
    // The tick in which the reader is let in is the one in which a gap or a duplicate would come about.
    http.once('upgrade', () => {
      for (let n = 0; n < 10; n += 1) office.bus.publish(spoken('odd', n));
    });
    const publishing = setInterval(() => office.bus.publish(spoken('odd', 0)), 1);
    const back = await reader('?since=400');
    await eventually('replay and live', () => back.seqs.length >= 350);
    clearInterval(publishing);
    const last = office.log.lastSeq;
    await eventually('the end', () => back.seqs.length >= last - 400);
    expect(back.seqs).toEqual(Array.from({ length: last - 400 }, (_, index) => 401 + index));
    expect(back.frames).toHaveLength(last - 400);
  });

  it('gets only what it subscribes to', async () => {
    for (let n = 1; n <= 10; n += 1) office.bus.publish(spoken(n % 2 ? 'odd' : 'even', n));
    const back = await reader('?call_id=even&since=3');
    office.bus.publish(spoken('odd', 11));
    office.bus.publish(spoken('even', 12));
    await back.has(5);
    expect(back.seqs).toEqual([4, 6, 8, 10, 12]);
  });

  it('is told what is no longer held', async () => {
    await startWith({}, new MemoryEventLog({ maxEvents: 5 }));
    for (let n = 1; n <= 20; n += 1) office.bus.publish(spoken('c', n));
    const late = await reader('?since=10');
    await late.has(6);
    expect(late.frames[0]).toEqual({ type: 'events_dropped', count: 5, since: 10, reason: 'expired' });
    expect(late.seqs).toEqual([16, 17, 18, 19, 20]);
  });

  it('from before a restart of the server is told so and gets what there is', async () => {
    office.bus.publish(spoken('c', 1));
    const old = await reader('?since=5000');
    await old.has(2);
    expect(old.frames[0]).toMatchObject({ type: 'events_dropped', reason: 'restarted' });
    expect(old.seqs).toEqual([1]);
  });

  it('with a place that is no number is refused', async () => {
    await expect(reader('?since=yesterday')).rejects.toThrow('status 400');
  });

  it('catches up at its own pace when there is more than may wait for it', async () => {
    await startWith({ queueLimit: 20 });
    for (let n = 1; n <= 500; n += 1) office.bus.publish(spoken('c', n));
    const back = await reader('?since=0');
    await eventually('everything', () => back.seqs.length === 500);
    expect(back.frames).toHaveLength(500);
  });
});

describe('a slow WebSocket reader', () => {
  it('misses events, is told how many, and can fetch them with since', async () => {
    await startWith({ queueLimit: 50, queueLimitBytes: 256 * 1024 });
    const [slow, quick] = [await reader(), await reader()];
    slow.socket.pause();
    const text = 'long '.repeat(4_000);
    let published = 0;
    await eventually('the reader falls behind', async () => {
      for (let n = 0; n < 20; n += 1) office.bus.publish(spoken('c', n, text));
      published += 20;
      return (await metricValue(office.metrics, 'siprec_websocket_dropped_events_total')) > 30;
    });
    await eventually('the other reader has everything', () => quick.seqs.length === published);
    slow.socket.resume();
    const notice = await eventually('the notice', () => slow.frames.find((frame) => frame.type === 'events_dropped'));
    office.bus.publish(spoken('c', 0, 'afterwards'));
    await eventually('live again', () => slow.frames.at(-1)?.transcription === 'afterwards');
    const notices = slow.frames.filter((frame) => frame.type === 'events_dropped');
    expect(notices).toHaveLength(1);
    expect(notice).toMatchObject({ reason: 'slow', since: slow.seqs.at(-2) });
    expect(slow.seqs.length + Number(notice.count)).toBe(published + 1);
    const back = await reader(`?since=${notice.since}`);
    await eventually('the missed ones', () => back.seqs.length >= Number(notice.count));
    expect(new Set([...slow.seqs, ...back.seqs]).size).toBe(published + 1);
  });
});

describe('the WebSocket listener', () => {
  it('cuts a dead peer after two missed heartbeats and keeps a quiet one', async () => {
    await startWith({ heartbeatMs: 50 });
    const [quiet, dead] = [await reader('?call_id=none'), await reader()];
    let pings = 0;
    quiet.socket.on('ping', () => {
      pings += 1;
    });
    dead.socket.pause();
    await eventually('the dead one is gone', () => listener.clients === 1);
    await eventually('more beats', () => pings > 8);
    expect(quiet.closed).toBeUndefined();
    expect(listener.clients).toBe(1);
  });

  it('asks for a token, in the header or as a subprotocol, when keys are configured', async () => {
    await startWith({ apiKeys: ['s3cret', 'other'] });
    await expect(reader()).rejects.toThrow('status 401');
    await expect(reader('', { headers: { authorization: 'Bearer wrong' } })).rejects.toThrow('status 401');
    await expect(reader('', {}, ['bearer.wrong'])).rejects.toThrow('status 401');
    await reader('', { headers: { authorization: 'Bearer other' } });
    const page = await reader('', {}, ['bearer.s3cret', 'sipscribe']);
    expect(page.socket.protocol).toBe('sipscribe');
    expect((await reader('', {}, ['bearer.s3cret'])).socket.protocol).toBe('bearer.s3cret');
  });

  it('lets no page of another origin listen', async () => {
    await startWith({ allowedOrigins: ['https://desk.example'] });
    const { host, port } = new URL(base);
    const from = (origin: string, headers = {}): Promise<Reader> => reader('', { headers: { origin, ...headers } });
    await expect(from('https://evil.example')).rejects.toThrow('status 403');
    await expect(from('null')).rejects.toThrow('status 403');
    // DNS rebinding: the page's own name was made to point here.
    const rebound = `evil.example:${port}`;
    await expect(from(`http://${rebound}`, { host: rebound })).rejects.toThrow('status 403');
    await from(`http://${host}`);
    await from('https://desk.example');
  });

  it('takes no more clients than it may', async () => {
    await startWith({ maxClients: 2 });
    const [first] = [await reader(), await reader()];
    await expect(reader()).rejects.toThrow('status 503');
    first.socket.close();
    await eventually('a place is free', () => listener.clients === 1);
    await reader();
  });

  it('leaves an upgrade for another path alone', async () => {
    await expect(new Reader(base.replace('transcriptions', 'other')).open()).rejects.toThrow();
  });

  it('says goodbye when it closes, waits for nobody for long, and leaves no handle', async () => {
    const [polite, deaf] = [await reader(), await reader()];
    deaf.socket.pause();
    const started = performance.now();
    await listener.close();
    expect(performance.now() - started).toBeLessThan(3_000);
    await eventually('the goodbye', () => polite.closed === 1001);
    expect(listener.clients).toBe(0);
    expect(await metricValue(office.metrics, 'siprec_websocket_clients')).toBe(0);
    expect(() => office.bus.publish(spoken('c', 1))).not.toThrow();
    await expect(reader()).rejects.toThrow('status 503');
  });

  it('hands over what it holds before it ends', async () => {
    const last = await reader();
    for (let n = 1; n <= 200; n += 1) office.bus.publish(spoken('c', n));
    await office.bus.flush(AbortSignal.timeout(5_000));
    expect(listener.health().waiting).toBe(0);
    await last.has(200);
  });
});
