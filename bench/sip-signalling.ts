import { systemClock } from '../src/core/clock.js';
import { createLogger } from '../src/core/logger.js';
import { Metrics } from '../src/core/metrics.js';
import { EventBus } from '../src/listeners/bus.js';
import type { LegOptions, MediaCall, MediaPlane } from '../src/rtp/media-plane.js';
import { SessionRecorder } from '../src/session/session-recorder.js';
import { EmbeddedSipServer } from '../src/sip/embedded-server.js';
import { createSiprecDoor } from '../src/sip/siprec-door.js';
import { MemoryEventLog } from '../src/store/event-log.js';

/**
 * The signalling side of a server and nothing else, as a process that prints its port: the SIP engine, the reading of SDP and metadata,
 * sessions with their history, records as text, events and the log are those of the product; behind its two ports, media opens no
 * sockets and writes no files, and the disk forgets. What these cost is the business of their own benches.
 */
class NoMedia implements MediaPlane {
  readonly ffmpeg = new Set<never>();
  #calls = 0;
  #port = 10_000;

  async start(): Promise<void> {}
  async stop(): Promise<void> {}

  get load(): MediaPlane['load'] {
    return { calls: this.#calls, ports: 0 };
  }

  async openCall(): Promise<MediaCall> {
    const startedAt = Date.now();
    this.#calls += 1;
    return {
      openLeg: async ({ leg }: LegOptions) => {
        this.#port = this.#port >= 60_000 ? 10_000 : this.#port + 2;
        return { leg, port: this.#port };
      },
      updateLeg: async () => {},
      closeLeg: async () => {},
      discardLeg: async () => {},
      setPaused: async () => ({ atMs: 0, at: Date.now() }),
      finish: async () => {
        this.#calls -= 1;
        return { startedAt, durationMs: Date.now() - startedAt, legs: [], bytes: 0 };
      },
    };
  }
}

const metrics = new Metrics({ vendors: [], models: [] });
const logger = createLogger({ level: 'info', format: 'json' });
const clock = systemClock;
const bus = new EventBus({ metrics, logger, clock, log: new MemoryEventLog({ maxEvents: 10_000 }) });
const recorder = new SessionRecorder({
  dataDirectory: '/nowhere',
  maxSessions: 100_000,
  services: {
    metrics,
    logger,
    clock,
    media: new NoMedia(),
    disk: { write: async () => {} },
    cutsUtterances: false,
    submit: () => Promise.reject(new Error('nothing is cut')),
    publish: (draft) => bus.publish(draft),
    mediaAddress: () => '127.0.0.1',
  },
});
const server = new EmbeddedSipServer({
  host: '127.0.0.1',
  udpPorts: [0],
  tcpPorts: [],
  serverName: 'bench',
  handlers: createSiprecDoor({ recorder, metrics, logger, keepInvite: true }),
  metrics,
  logger,
});
await server.start();
