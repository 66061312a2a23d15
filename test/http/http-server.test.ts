import { connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../../src/core/logger.js';
import { Metrics } from '../../src/core/metrics.js';
import type { HealthReport } from '../../src/http/health-report.js';
import { HttpServer, type HttpServerOptions } from '../../src/http/http-server.js';

const healthy: HealthReport = {
  phase: 'running',
  version: '0.1.0',
  uptimeMs: 61_000,
  activeCalls: 3,
  parts: { sip: { state: 'ok', essential: true }, amqp: { state: 'ok', essential: false } },
};

let server: HttpServer | undefined;
const servers: HttpServer[] = [];
afterEach(async () => {
  for (const one of servers.splice(0)) await one.close();
});

async function serve(options: Partial<HttpServerOptions> = {}): Promise<string> {
  server = new HttpServer({
    host: '127.0.0.1',
    port: 0,
    metrics: new Metrics({ vendors: ['whisper'], models: ['base'] }),
    health: () => healthy,
    logger: silentLogger,
    ...options,
  });
  servers.push(server);
  await server.start();
  return `http://127.0.0.1:${server.address.port}`;
}

/** Sends bytes that are not a request that `fetch` would make, and reads the whole answer. */
function raw(base: string, bytes: string): Promise<string> {
  const { port } = new URL(base);
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect(Number(port), '127.0.0.1', () => socket.write(bytes));
    socket.on('data', (chunk) => {
      answer += chunk.toString();
    });
    socket.on('close', () => resolve(answer));
    socket.on('error', reject);
  });
}

describe('the HTTP server', () => {
  it('says that it lives, that it is ready, and how its parts are', async () => {
    const base = await serve();
    expect(await (await fetch(`${base}/health/live`)).json()).toEqual({ status: 'ok' });
    const ready = await fetch(`${base}/health/ready`);
    expect(ready.status).toBe(200);
    expect(await ready.json()).toEqual({ status: 'ready', reasons: [] });
    expect(await (await fetch(`${base}/health`)).json()).toMatchObject({
      status: 'ok',
      ready: true,
      uptime_seconds: 61,
      active_calls: 3,
      parts: { sip: { state: 'ok' } },
    });
  });

  it.each<[string, HealthReport, string]>([
    ['starting', { ...healthy, phase: 'starting' }, 'starting'],
    ['draining', { ...healthy, phase: 'draining' }, 'draining'],
    [
      'without an essential part',
      { ...healthy, parts: { stt: { state: 'down', essential: true, detail: 'no model' } } },
      'stt is down: no model',
    ],
  ])('is alive but not ready while %s', async (_name, report, reason) => {
    const base = await serve({ health: () => report });
    const ready = await fetch(`${base}/health/ready`);
    expect(ready.status).toBe(503);
    expect(ready.headers.get('retry-after')).toBe('5');
    expect(await ready.json()).toEqual({ status: 'not_ready', reasons: [reason] });
    expect((await fetch(`${base}/health/live`)).status).toBe(200);
  });

  it('stays ready, and says degraded, while a broker is away', async () => {
    const parts = { amqp: { state: 'down', essential: false } } as const;
    const base = await serve({ health: () => ({ ...healthy, parts }) });
    expect((await fetch(`${base}/health/ready`)).status).toBe(200);
    expect(await (await fetch(`${base}/health`)).json()).toMatchObject({ status: 'degraded', ready: true });
  });

  it('shows metrics in the Prometheus text format', async () => {
    const response = await fetch(`${await serve()}/metrics`);
    expect(response.headers.get('content-type')).toContain('text/plain');
    expect(await response.text()).toContain('# TYPE siprec_active_calls gauge\nsiprec_active_calls 0');
  });

  it('asks for a key everywhere but at the probes, when keys are configured', async () => {
    const base = await serve({ apiKeys: ['first-key', 'second-key'] });
    expect((await fetch(`${base}/health/ready`)).status).toBe(200);
    const refused = await fetch(`${base}/metrics`);
    expect(refused.status).toBe(401);
    expect(refused.headers.get('www-authenticate')).toBe('Bearer');
    expect(await refused.json()).toMatchObject({ error: { code: 'unauthorized' } });
    const status = async (headers: Record<string, string>): Promise<number> =>
      (await fetch(`${base}/metrics`, { headers })).status;
    expect(await status({ authorization: 'Bearer second-key' })).toBe(200);
    expect(await status({ 'x-api-key': 'first-key' })).toBe(200);
    expect(await status({ authorization: 'Bearer first-ke' })).toBe(401);
    expect(await status({ authorization: 'Bearer ' })).toBe(401);
    expect((await fetch(`${base}/nothing-here`)).status).toBe(401);
  });

  it('gives every error the same shape', async () => {
    const base = await serve();
    const missing = await fetch(`${base}/nowhere`);
    expect(missing.status).toBe(404);
    expect(await missing.json()).toEqual({ error: { code: 'not_found', message: expect.any(String) } });
    const failing = await serve({
      health: () => {
        throw new Error('a secret of the inside');
      },
    });
    const failed = await fetch(`${failing}/health`);
    expect(failed.status).toBe(500);
    expect(await failed.text()).not.toContain('secret');
  });

  it('answers what is not HTTP with an error and lives on', async () => {
    const base = await serve();
    expect(await raw(base, 'INVITE sip:x SIP/2.0\r\n\r\n')).toMatch(/^HTTP\/1.1 400 [\s\S]*"error"/);
    expect(await raw(base, `GET / HTTP/1.1\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`)).toMatch(/^HTTP\/1.1 431/);
    expect((await fetch(`${base}/health/live`)).status).toBe(200);
  });

  it('answers an upgrade that nobody takes with 404', async () => {
    const base = await serve({ onUpgrade: [() => false] });
    const answer = await raw(base, 'GET /x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
    expect(answer).toMatch(/^HTTP\/1.1 404 [\s\S]*"not_found"/);
  });

  it('says which address it cannot have', async () => {
    const base = await serve();
    const other = new HttpServer({
      host: '127.0.0.1',
      port: Number(new URL(base).port),
      metrics: new Metrics({ vendors: [], models: [] }),
      health: () => healthy,
      logger: silentLogger,
    });
    await expect(other.start()).rejects.toMatchObject({ code: 'SRS_CONFIG_INVALID' });
    await other.close();
  });

  it('closes at once and twice, with connections open and upgraded', async () => {
    let upgraded = 0;
    const base = await serve({
      onUpgrade: [
        () => {
          upgraded += 1;
          return true;
        },
      ],
    });
    const ends = [
      raw(base, 'GET /x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'),
      raw(base, 'GET /health/live HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n\r\n'),
    ];
    await expect.poll(() => upgraded).toBe(1);
    await Promise.all([server?.close(), server?.close()]);
    await Promise.allSettled(ends);
    await expect(fetch(`${base}/health/live`)).rejects.toThrow();
  });
});
