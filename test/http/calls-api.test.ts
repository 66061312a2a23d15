import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../../src/core/logger.js';
import { HttpServer } from '../../src/http/http-server.js';
import { eventually } from '../helpers/eventually.js';
import { offer, type Studio, stream, studio, twoPeople } from '../session/session-fixture.js';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

class Api {
  readonly #base: string;
  readonly #key: string | undefined;

  constructor(base: string, key?: string) {
    this.#base = base;
    this.#key = key;
  }

  async call(method: 'GET' | 'POST', path: string, body?: unknown, type = 'application/json'): Promise<Answer> {
    const response = await fetch(`${this.#base}${path}`, {
      method,
      headers: {
        ...(this.#key === undefined ? {} : { authorization: `Bearer ${this.#key}` }),
        ...(body === undefined ? {} : { 'content-type': type }),
      },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  }
}

async function house(apiKeys: readonly string[] = []): Promise<{ room: Studio; base: string; api: Api }> {
  const room = await studio();
  closers.push(() => room.stop());
  const server = new HttpServer({
    host: '127.0.0.1',
    port: 0,
    apiKeys,
    metrics: room.metrics,
    health: () => ({ phase: 'running', version: '0', uptimeMs: 0, activeCalls: 0, parts: {} }),
    logger: silentLogger,
    calls: room.recorder,
  });
  closers.push(() => server.close());
  await server.start();
  const base = `http://127.0.0.1:${server.address.port}`;
  return { room, base, api: new Api(base, apiKeys[0]) };
}

const iso = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);

describe('the API of calls', () => {
  it('lists the calls that are open and shows one, without words', async () => {
    const { room, api } = await house();
    expect(await api.call('GET', '/api/calls')).toEqual({ status: 200, body: { calls: [] } });
    const first = offer([stream(0), stream(1)], { metadata: twoPeople, dialect: 'oracle' });
    const { session } = await room.recorder.open(first);
    const shown = await api.call('GET', `/api/calls/${session.id}`);
    expect(shown).toEqual({
      status: 200,
      body: {
        session_id: session.id,
        call_id: first.callId,
        state: 'recording',
        started_at: iso,
        dialect: 'oracle',
        legs: [
          { leg: 1, stream_label: '1', call_uuid: `${first.callId}_1`, participant_id: 'pa', participant_name: 'Ana' },
          { leg: 2, stream_label: '2', call_uuid: `${first.callId}_2`, participant_id: 'pb', participant_name: 'Ben' },
        ],
        pauses: [],
      },
    });
    const { pauses: _pauses, ...brief } = shown.body;
    expect(await api.call('GET', '/api/calls')).toEqual({ status: 200, body: { calls: [brief] } });
  });

  it('pauses and resumes, whole or by leg, says when that came into force, and twice is the same as once', async () => {
    const { room, api } = await house(['first-key', 'second-key']);
    const { session } = await room.recorder.open(offer([stream(0), stream(1)]));
    const path = `/api/calls/${session.id}`;
    const paused = await api.call('POST', `${path}/pause`, { reason: 'card number' });
    const at = { timestamp: iso, at_ms: expect.any(Number) };
    const open = { from: iso, from_ms: expect.any(Number), by: 'key-1', reason: 'card number' };
    expect(paused).toMatchObject({
      status: 200,
      body: { effective: at, call: { state: 'paused', paused_by: 'us', paused_legs: [1, 2], pauses: [open] } },
    });
    expect(await api.call('POST', `${path}/pause`)).toEqual(paused);
    const resumed = await api.call('POST', `${path}/resume`);
    const closed = { ...open, to: iso, to_ms: expect.any(Number), ended_by: 'key-1' };
    expect(resumed).toMatchObject({
      status: 200,
      body: { effective: at, call: { state: 'recording', pauses: [closed] } },
    });
    expect(resumed.body.call).not.toHaveProperty('paused_by');
    expect(await api.call('POST', `${path}/resume`)).toEqual(resumed);
    expect(await api.call('POST', `${path}/pause`, { legs: [2] })).toMatchObject({
      status: 200,
      body: { call: { state: 'recording', paused_legs: [2], pauses: [closed, { legs: [2], by: 'key-1' }] } },
    });
    const states = room.events.flatMap((event) =>
      event.type === 'call.updated' ? [[event.state, event.pausedBy, event.pausedLegs]] : [],
    );
    expect(states).toEqual([
      ['paused', 'us', [1, 2]],
      ['recording', undefined, undefined],
      ['recording', undefined, [2]],
    ]);
  });

  it('stops a recording session', async () => {
    const { room, api } = await house();
    const { session } = await room.recorder.open(offer([stream(0)]));
    const asked: string[] = [];
    session.onEndRequested = (reason) => asked.push(reason);
    expect(await api.call('POST', `/api/calls/${session.id}/stop`)).toMatchObject({
      status: 202,
      body: { stopping: true, call: { session_id: session.id, state: 'draining' } },
    });
    expect(asked).toEqual(['stopped']);
    await eventually('the end', () =>
      room.events.some((event) => event.type === 'call.ended' && event.reason === 'stopped'),
    );
    expect((await api.call('POST', `/api/calls/${session.id}/pause`)).status).toBe(404);
  });

  it('refuses what it cannot do in one shape, and changes nothing', async () => {
    const { room, base, api } = await house(['the-key']);
    const { session } = await room.recorder.open(offer([stream(0)]));
    const pause = `/api/calls/${session.id}/pause`;
    const refused = async (status: number, code: string, answer: Promise<Answer>): Promise<void> => {
      expect(await answer).toEqual({ status, body: { error: { code, message: expect.any(String) } } });
    };
    await refused(401, 'unauthorized', new Api(base).call('GET', '/api/calls'));
    await refused(401, 'unauthorized', new Api(base, 'the-kez').call('POST', pause));
    await refused(404, 'not_found', api.call('GET', '/api/calls/nobody'));
    await refused(404, 'not_found', api.call('POST', '/api/calls/nobody/pause'));
    await refused(404, 'not_found', api.call('POST', '/api/calls/nobody/stop'));
    await refused(409, 'conflict', api.call('POST', pause, { legs: [2] }));
    for (const body of [
      [],
      null,
      'x',
      { legs: [] },
      { legs: [0] },
      { legs: 1 },
      { legs: [1.5] },
      { legs: ['1'] },
      { reason: 7 },
      { leg: [1] },
      { reason: 'x'.repeat(201) },
    ]) {
      await refused(400, 'bad_request', api.call('POST', pause, JSON.stringify(body)));
    }
    await refused(400, 'bad_request', api.call('POST', pause, '{"legs":'));
    await refused(413, 'payload_too_large', api.call('POST', pause, { reason: 'x'.repeat(5000) }));
    await refused(
      415,
      'unsupported_media_type',
      api.call('POST', pause, 'legs=1', 'application/x-www-form-urlencoded'),
    );
    await refused(415, 'unsupported_media_type', api.call('POST', pause, 'legs=1', 'text/plain'));
    expect(await api.call('GET', `/api/calls/${session.id}`)).toMatchObject({
      body: { state: 'recording', pauses: [] },
    });
    const [worker] = room.plane.workers;
    await worker?.kill();
    await refused(503, 'service_unavailable', api.call('POST', pause));
  });

  it('does nothing for a page of another origin, nor by a name that was made to point here', async () => {
    for (const keys of [[], ['the-key']]) {
      const { room, base } = await house(keys);
      const { session } = await room.recorder.open(offer([stream(0)]));
      const { port, host } = new URL(base);
      const pause = `/api/calls/${session.id}/pause`;
      const ask = (method: string, path: string, headers: Record<string, string>): Promise<number> =>
        new Promise((resolve, reject) => {
          const authorization = `Bearer ${keys[0] ?? ''}`;
          request({ port, host: '127.0.0.1', method, path, headers: { authorization, ...headers } }, (response) => {
            response.resume();
            resolve(response.statusCode ?? 0);
          })
            .on('error', reject)
            .end();
        });
      const rebound = `evil.example:${port}`;
      const named = keys.length === 0 ? 403 : 200;
      expect(await ask('POST', pause, { host, origin: 'https://evil.example' })).toBe(403);
      expect(await ask('POST', pause, { host, origin: 'null' })).toBe(403);
      expect(await ask('POST', pause, { host: rebound, origin: 'https://evil.example' })).toBe(403);
      expect(room.recorder.find(session.id).state).toBe('recording');
      // A page that reads from its own host says no origin.
      expect(await ask('GET', '/api/calls', { host: rebound })).toBe(named);
      expect(await ask('GET', '/%61pi/calls', { host: rebound })).toBe(named);
      expect(await ask('POST', pause, { host: rebound, origin: `http://${rebound}` })).toBe(named);
      expect(await ask('GET', '/health', { host: rebound })).toBe(200);
      expect(await ask('POST', pause, { host, origin: `http://${host}` })).toBe(200);
      expect(await ask('GET', '/api/calls', { host: `localhost:${port}` })).toBe(200);
      expect(await ask('GET', '/api/calls', { host: `[::1]:${port}` })).toBe(200);
    }
  });

  it('is described: every route, key and status stands in its page', async () => {
    const page = readFileSync('docs/reference/api.md', 'utf8');
    const { room, api } = await house();
    const { session } = await room.recorder.open(offer([stream(0)], { metadata: twoPeople, dialect: 'cisco' }));
    await api.call('POST', `/api/calls/${session.id}/pause`, { reason: 'x', legs: [1] });
    const answers = [
      await api.call('POST', `/api/calls/${session.id}/resume`),
      await api.call('POST', `/api/calls/${session.id}/pause`),
      await api.call('POST', `/api/calls/${session.id}/stop`),
    ];
    const keys = new Set(answers.flatMap(({ body }) => keysOf(body)));
    expect([...keys].filter((key) => !page.includes(`\`${key}\``))).toEqual([]);
    for (const route of [
      'GET /api/calls',
      'GET /api/calls/{id}',
      ...['pause', 'resume', 'stop'].map((verb) => `POST /api/calls/{id}/${verb}`),
    ]) {
      expect(page).toContain(`\`${route}\``);
    }
    for (const status of [200, 202, 400, 401, 403, 404, 409, 413, 415, 503]) expect(page).toContain(String(status));
  });
});

function keysOf(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  if (Array.isArray(value)) return value.flatMap(keysOf);
  return Object.entries(value).flatMap(([key, inner]) => [key, ...keysOf(inner)]);
}
