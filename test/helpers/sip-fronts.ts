import { silentLogger } from '../../src/core/logger.js';
import { Metrics } from '../../src/core/metrics.js';
import { DrachtioSipServer } from '../../src/sip/drachtio/drachtio-server.js';
import { EmbeddedSipServer } from '../../src/sip/embedded-server.js';
import type { SipHandlers, SipServer } from '../../src/sip/sip-server.js';
import { DEFAULT_SIP_TIMERS, type SipTimers } from '../../src/sip/sip-timers.js';
import { DrachtioEmulator } from './drachtio-emulator/drachtio-emulator.js';

/**
 * Both ways SIP comes in, for tests that must hold on either:
 *
 *     for (const front of FRONTS) {
 *       describe(`on the ${front.name} front`, () => {
 *         it('...', async () => {
 *           const running = await front.start(handlers);          // any SipHandlers, as of createSiprecDoor(...)
 *           ... send SIP to 127.0.0.1:running.udp or running.tcp ...
 *           await running.stop();
 *         });
 *       });
 *     }
 *
 * For a whole server: `const { env, stop } = await front.surroundings(); const server = await startTestServer(env);`, and stop the
 * server before the surroundings. `server.sip.udp` and `.tcp` are right on both.
 */
export interface SipFront {
  readonly name: 'embedded' | 'drachtio';
  start(handlers: SipHandlers, options?: FrontOptions): Promise<RunningFront>;
  /** What a whole server needs in its environment to use this front. */
  surroundings(
    options?: FrontOptions,
  ): Promise<{ readonly env: Readonly<Record<string, string>>; stop(): Promise<void> }>;
}

export interface FrontOptions {
  /** Those of RFC 3261 when not given. */
  readonly timers?: SipTimers;
  readonly peers?: readonly string[];
  readonly minimumSessionSeconds?: number;
  /** How long a request may wait for our answer on drachtio, in ms. */
  readonly patienceMs?: number;
  /** How long a second of a session interval lasts in the emulator, in ms. */
  readonly secondMs?: number;
}

export interface RunningFront {
  readonly server: SipServer;
  readonly metrics: Metrics;
  /** Ports on 127.0.0.1 that a SRC sends to. */
  readonly udp: number;
  readonly tcp: number;
  /** Dialogs that the front holds; 0 at rest. */
  dialogs(): number;
  /** Set on drachtio. */
  readonly emulator: DrachtioEmulator | undefined;
  stop(): Promise<void>;
}

const embedded: SipFront = {
  name: 'embedded',
  start: async (handlers, options = {}) => {
    const { timers = DEFAULT_SIP_TIMERS, peers, minimumSessionSeconds } = options;
    const metrics = new Metrics({ vendors: [], models: [] });
    const server = new EmbeddedSipServer({
      host: '127.0.0.1',
      udpPorts: [0],
      tcpPorts: [0],
      handlers,
      logger: silentLogger,
      metrics,
      timers,
      serverName: 'sipscribe',
      ...(peers === undefined ? {} : { peers }),
      ...(minimumSessionSeconds === undefined ? {} : { minimumSessionSeconds }),
    });
    await server.start();
    return {
      ...portsOf(server),
      server,
      metrics,
      dialogs: () => server.counts.dialogs,
      emulator: undefined,
      stop: () => server.stop(),
    };
  },
  surroundings: async () => ({ env: {}, stop: async () => {} }),
};

const drachtio: SipFront = {
  name: 'drachtio',
  start: async (handlers, options = {}) => {
    const { peers, minimumSessionSeconds, patienceMs } = options;
    const metrics = new Metrics({ vendors: [], models: [] });
    const real = realServer();
    const emulator = real === undefined ? await DrachtioEmulator.start(options) : undefined;
    const server = new DrachtioSipServer({
      ...(real ?? { host: '127.0.0.1', port: emulator?.adminPort ?? 0, secret: emulator?.secret ?? '' }),
      handlers,
      logger: silentLogger,
      metrics,
      serverName: 'sipscribe',
      ...(peers === undefined ? {} : { peers }),
      ...(minimumSessionSeconds === undefined ? {} : { minimumSessionSeconds }),
      ...(patienceMs === undefined ? {} : { patienceMs }),
    });
    await server.start();
    return {
      ...portsOf(server),
      server,
      metrics,
      dialogs: () => server.dialogs,
      emulator,
      stop: async () => {
        await server.stop();
        await emulator?.die();
      },
    };
  },
  surroundings: async (options = {}) => {
    const real = realServer();
    if (real !== undefined) {
      const env = { DRACHTIO_HOST: real.host, DRACHTIO_PORT: String(real.port), DRACHTIO_SECRET: real.secret };
      return { env, stop: async () => {} };
    }
    const emulator = await DrachtioEmulator.start(options);
    return {
      env: {
        DRACHTIO_HOST: '127.0.0.1',
        DRACHTIO_PORT: String(emulator.adminPort),
        DRACHTIO_SECRET: emulator.secret,
      },
      stop: () => emulator.die(),
    };
  },
};

export const FRONTS: readonly SipFront[] = [embedded, drachtio];

/** `DRACHTIO_REAL=host:port:secret` tries a real drachtio-server on loopback in place of the emulator. */
function realServer(): { readonly host: string; readonly port: number; readonly secret: string } | undefined {
  const [host, port, secret = 'cymru'] = (process.env.DRACHTIO_REAL ?? '').split(':');
  return host && port ? { host, port: Number(port), secret } : undefined;
}

function portsOf(server: SipServer): { readonly udp: number; readonly tcp: number } {
  const port = (kind: string): number =>
    server.addresses.find(({ transport, host }) => transport === kind && host === '127.0.0.1')?.port ?? 0;
  return { udp: port('udp'), tcp: port('tcp') };
}
