import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../../config/load.js';
import { App } from '../../src/app.js';
import type { CallEvent } from '../../src/core/call-event.js';
import { silentLogger } from '../../src/core/logger.js';
import type { CallRecord } from '../../src/store/call-record.js';
import { eventually } from './eventually.js';
import { portRange } from './port-range.js';
import { scriptedModel } from './scripted-model.js';

/** A whole server in this process on loopback and free ports, with its own data and temp folders. */
export interface TestServer {
  readonly app: App;
  readonly sip: { readonly host: string; readonly udp: number; readonly tcp: number };
  /** `http://127.0.0.1:port`. */
  readonly http: string;
  readonly dataDir: string;
  readonly tempDir: string;
  /** Every event so far, in order. */
  readonly events: readonly CallEvent[];
  /** The last event of the call, when it has come. */
  ended(callId: string, timeoutMs?: number): Promise<CallEvent & { type: 'call.ended' }>;
  /** Absolute folder of a finished recording. */
  folder(ended: CallEvent & { type: 'call.ended' }): string;
  record(ended: CallEvent & { type: 'call.ended' }): CallRecord;
  metric(name: string, labels?: Readonly<Record<string, string>>): Promise<number>;
  stop(): Promise<void>;
}

/** Starts a server. The native engine with a scripted model unless `env` says otherwise. */
export async function startTestServer(env: Readonly<Record<string, string>> = {}): Promise<TestServer> {
  const root = mkdtempSync(join(tmpdir(), 'sipscribe-test-'));
  const dataDir = join(root, 'data');
  const tempDir = join(root, 'tmp');
  const ports = portRange(200);
  const config = loadConfig({
    env: {
      SIP_HOST: '127.0.0.1',
      UDP_PORTS: '0',
      TCP_PORTS: '0',
      HTTP_PORT: '0',
      RTP_PORT_MIN: String(ports),
      RTP_PORT_MAX: String(ports + 199),
      DATA_DIR: dataDir,
      TMPDIR: tempDir,
      WHISPER_MAX_CONCURRENT: '1',
      WHISPER_LANGUAGE: 'en',
      ...(env.WHISPER_BINARY_PATH ? {} : { WHISPER_MODEL: scriptedModel('hello from the scripted model') }),
      ...env,
    },
  });
  const app = new App(config, silentLogger);
  const events: CallEvent[] = [];
  app.bus.on((event) => events.push(event));
  await app.start();
  const port = (transport: string): number => app.sipAddresses.find((a) => a.transport === transport)?.port ?? 0;
  const server: TestServer = {
    app,
    sip: { host: '127.0.0.1', udp: port('udp'), tcp: port('tcp') },
    http: `http://${app.httpAddress.host}:${app.httpAddress.port}`,
    dataDir,
    tempDir,
    events,
    ended: (callId, timeoutMs = 15_000) =>
      eventually(
        `call.ended of ${callId}`,
        () => events.find((e) => e.type === 'call.ended' && e.callId === callId) as never,
        timeoutMs,
      ),
    folder: (ended) => join(dataDir, ended.recording),
    record: (ended) => JSON.parse(readFileSync(join(dataDir, ended.recording, 'call.json'), 'utf8')) as CallRecord,
    metric: (name, labels = {}) => metricValue(server.http, name, labels),
    stop: async () => {
      await app.stop(0);
      rmSync(root, { recursive: true, force: true });
    },
  };
  return server;
}

/** One value of `/metrics`, scraped as Prometheus does. */
async function metricValue(http: string, name: string, labels: Readonly<Record<string, string>>): Promise<number> {
  const text = await (await fetch(`${http}/metrics`)).text();
  const wanted = Object.entries(labels).map(([key, value]) => `${key}="${value}"`);
  const line = text
    .split('\n')
    .find((l) => (l.startsWith(`${name}{`) || l.startsWith(`${name} `)) && wanted.every((pair) => l.includes(pair)));
  if (line === undefined) throw new Error(`no series ${name} ${wanted.join(',')}`);
  return Number(line.slice(line.lastIndexOf(' ') + 1));
}
