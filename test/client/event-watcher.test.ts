import { afterEach, describe, expect, it } from 'vitest';
import { type WebSocket, WebSocketServer } from 'ws';
import { EventWatcher, type WatchedEvent } from '../../src/client/event-watcher.js';

let server: WebSocketServer | undefined;
afterEach(async () => {
  for (const client of server?.clients ?? []) client.terminate();
  await new Promise((resolve) => (server ? server.close(resolve) : resolve(undefined)));
  server = undefined;
});

async function serve(onConnection: (socket: WebSocket, authorization: string | undefined) => void): Promise<string> {
  const made = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  server = made;
  made.on('connection', (socket, request) => onConnection(socket, request.headers.authorization));
  await new Promise((resolve) => made.once('listening', resolve));
  const address = made.address();
  return `ws://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}/ws/transcriptions`;
}

async function all(watcher: EventWatcher): Promise<WatchedEvent[]> {
  const events: WatchedEvent[] = [];
  for await (const event of watcher) events.push(event);
  return events;
}

describe('the event watcher', () => {
  it('yields every event in order, those sent with the first breath too, until the server closes', async () => {
    const url = await serve((socket) => {
      for (let seq = 1; seq <= 100; seq++) socket.send(JSON.stringify({ seq, type: 'transcript.final' }));
      socket.close();
    });
    const events = await all(await EventWatcher.connect({ url }));
    expect(events.map(({ seq }) => seq)).toEqual(Array.from({ length: 100 }, (_, index) => index + 1));
  });

  it('shows its key and sends messages of the client', async () => {
    const url = await serve((socket, authorization) => {
      socket.on('message', (data) => socket.send(JSON.stringify({ echoed: JSON.parse(String(data)), authorization })));
    });
    const watcher = await EventWatcher.connect({ url, apiKey: 'k1' });
    watcher.send({ type: 'ping' });
    for await (const event of watcher) {
      expect(event).toEqual({ echoed: { type: 'ping' }, authorization: 'Bearer k1' });
      watcher.close();
    }
  });

  it('ends when its signal aborts', async () => {
    const url = await serve(() => {});
    const abort = new AbortController();
    const watcher = await EventWatcher.connect({ url, signal: abort.signal });
    const events = all(watcher);
    abort.abort();
    expect(await events).toEqual([]);
  });

  it.each([
    ['text that is no JSON', 'hello'],
    ['several objects in one frame', '{}{}'],
    ['a list', '[1]'],
  ])('breaks with an error on %s, after what came before', async (_, frame) => {
    const url = await serve((socket) => {
      socket.send('{"seq":1}');
      socket.send(frame);
    });
    const watcher = await EventWatcher.connect({ url });
    const seen: WatchedEvent[] = [];
    const reading = (async () => {
      for await (const event of watcher) seen.push(event);
    })();
    await expect(reading).rejects.toMatchObject({ code: 'SRS_LISTENER' });
    expect(seen).toEqual([{ seq: 1 }]);
  });

  it('says so when nobody listens there', async () => {
    const url = await serve(() => {});
    await new Promise((resolve) => server?.close(resolve));
    server = undefined;
    await expect(EventWatcher.connect({ url })).rejects.toMatchObject({ code: 'SRS_LISTENER' });
  });
});
