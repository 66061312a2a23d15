import { type Clock, systemClock } from '../core/clock.js';
import type { Logger } from '../core/logger.js';
import type { Metrics } from '../core/metrics.js';
import { ConnectionLimits } from './connection-limits.js';
import { ConnectionLog } from './connection-log.js';
import type { DigestOptions } from './digest-authenticator.js';
import { DEFAULT_SIP_LIMITS } from './limits.js';
import { PeerGate } from './peer-gate.js';
import { MINIMUM_SESSION_SECONDS } from './session-interval.js';
import { SipCore } from './sip-core.js';
import { SipRouter } from './sip-router.js';
import type { ListenAddress, SipHandlers, SipServer } from './sip-server.js';
import { DEFAULT_SIP_TIMERS, type SipTimers } from './sip-timers.js';
import type { SipTransport } from './transport.js';
import type { StreamTransport, StreamTransportOptions } from './transport-stream.js';
import { TcpTransport } from './transport-tcp.js';
import { type SipTlsOptions, TlsTransport } from './transport-tls.js';
import { UdpTransport } from './transport-udp.js';

export interface EmbeddedSipServerOptions {
  /** Address to bind; `0.0.0.0` for all. */
  readonly host: string;
  /** 0 lets the system choose. */
  readonly udpPorts: readonly number[];
  readonly tcpPorts: readonly number[];
  /** Shown in Contact in place of the address that a request came in on. */
  readonly externalIp?: string;
  /** Addresses or CIDR ranges that may speak to the server; others hear 403, and get no connection. None or empty: everybody. */
  readonly peers?: readonly string[];
  /** New INVITEs and OPTIONS a second from one address (IPv6: from one /64), in bursts of twice as many; 0 or none: no limit. */
  readonly peerRate?: number;
  /** Digest authentication of new INVITEs and OPTIONS; `exempt` are networks that need none. */
  readonly digest?: DigestOptions & { readonly exempt?: readonly string[] };
  /** 65,535 when not given. */
  readonly maxMessageBytes?: number;
  /** Absent: no TLS. */
  readonly tls?: SipTlsOptions;
  /** TCP and TLS connections accepted at once; 1,024 when not given. */
  readonly maxConnections?: number;
  /** Of these, from one address (IPv6: from one /64); 256 when not given. */
  readonly peerConnections?: number;
  /** Server transactions held at once; 200,000 when not given. */
  readonly maxTransactions?: number;
  /** A TCP or TLS connection without traffic and without a call is closed after this; 15 minutes when not given. */
  readonly idleConnectionMs?: number;
  /** A message on a connection must be complete this long after its first byte; 10 s when not given. */
  readonly slowMessageMs?: number;
  readonly handlers: SipHandlers;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly clock?: Clock;
  readonly timers?: SipTimers;
  /** The smallest Session-Expires taken, in seconds; 90 when not given (RFC 4028 §4). */
  readonly minimumSessionSeconds?: number;
  /** How long an INVITE may be undecided before a reliable 183 is sent, where the peer takes one; 200 when not given. */
  readonly provisionalAfterMs?: number;
  /** The pause after a 491, in ms; by chance up to 2 s when not given (RFC 3261 §14.1). */
  readonly glareWaitMs?: () => number;
  /** Value of Server and User-Agent. */
  readonly serverName: string;
}

/** How long a stop waits for answers to BYEs that were sent before it: two repetitions over UDP. */
const FAREWELL_MS = 2_000;

/** Sizes of what the server holds; all are 0 at rest, connections kept open by peers aside. */
export interface SipServerCounts {
  readonly transactions: number;
  readonly dialogs: number;
  readonly connections: number;
}

/** The user-agent server in this process: SIP over UDP, TCP and TLS (RFC 3261). */
export class EmbeddedSipServer implements SipServer {
  readonly #core: SipCore;
  readonly #router: SipRouter;
  readonly #streams: readonly StreamTransport[];
  #starting: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;

  /** @throws SrsError `SRS_CONFIG_INVALID` when a peer is neither address nor CIDR range */
  constructor(options: EmbeddedSipServerOptions) {
    this.#core = new SipCore({
      handlers: options.handlers,
      logger: options.logger,
      metrics: options.metrics,
      clock: options.clock ?? systemClock,
      timers: options.timers ?? DEFAULT_SIP_TIMERS,
      serverName: options.serverName,
      externalIp: options.externalIp,
      minimumSessionSeconds: options.minimumSessionSeconds ?? MINIMUM_SESSION_SECONDS,
      ...(options.provisionalAfterMs === undefined ? {} : { provisionalAfterMs: options.provisionalAfterMs }),
      ...(options.glareWaitMs === undefined ? {} : { glareWaitMs: options.glareWaitMs }),
    });
    const limits = { ...DEFAULT_SIP_LIMITS, maxMessageBytes: options.maxMessageBytes ?? 65_535 };
    const gate = new PeerGate({
      peers: options.peers ?? [],
      perSecond: options.peerRate ?? 0,
      digest: options.digest && { ...options.digest, exempt: options.digest.exempt ?? [] },
      clock: options.clock ?? systemClock,
    });
    const maxTransactions = options.maxTransactions ?? 200_000;
    this.#router = new SipRouter({ core: this.#core, limits, gate, maxTransactions });
    const shared = {
      host: options.host,
      onMessage: this.#router.receive.bind(this.#router),
      onError: (error: Error) => options.logger.warn({ err: error }, 'SIP socket failed'),
    };
    const udp: SipTransport[] = options.udpPorts.map((port) => new UdpTransport({ ...shared, port }));
    const { dialogs } = this.#core;
    const inUse: StreamTransportOptions['inUse'] = (transport, connection) =>
      [...dialogs.values()].some((dialog) => dialog.goesBy(transport, connection));
    this.#streams = streamTransports(options, { ...shared, limits, inUse, knows: gate.knows.bind(gate) });
    this.#core.transports.push(...udp, ...this.#streams);
  }

  get addresses(): readonly ListenAddress[] {
    return this.#core.transports.map((transport) => transport.address);
  }

  get counts(): SipServerCounts {
    return {
      transactions: this.#router.transactions + this.#core.clientTransactions,
      dialogs: this.#core.dialogs.size,
      connections: this.#streams.reduce((sum, transport) => sum + transport.connections, 0),
    };
  }

  start(): Promise<void> {
    this.#starting ??= this.#startAll();
    return this.#starting;
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stopAll();
    return this.#stopping;
  }

  async #startAll(): Promise<void> {
    try {
      for (const transport of this.#core.transports) await transport.start();
    } catch (error) {
      await this.stop();
      throw error;
    }
    this.#core.options.logger.info({ addresses: this.addresses }, 'SIP server listens');
  }

  async #stopAll(): Promise<void> {
    await this.#core.farewells(FAREWELL_MS);
    await Promise.all(this.#core.transports.map((transport) => transport.close()));
    this.#router.stop();
    await this.#core.stop();
  }
}

function streamTransports(
  options: EmbeddedSipServerOptions,
  given: Pick<StreamTransportOptions, 'host' | 'limits' | 'inUse' | 'knows' | 'onMessage' | 'onError'>,
): StreamTransport[] {
  const { tls, logger, metrics, idleConnectionMs, slowMessageMs } = options;
  const log = new ConnectionLog(metrics, logger, options.clock ?? systemClock);
  const shared = {
    ...given,
    admission: new ConnectionLimits({
      total: options.maxConnections ?? 1_024,
      perPeer: options.peerConnections ?? 256,
    }),
    onRefused: log.note.bind(log),
    ...(idleConnectionMs === undefined ? {} : { idleMs: idleConnectionMs }),
    ...(slowMessageMs === undefined ? {} : { messageMs: slowMessageMs }),
  };
  const tcp = options.tcpPorts.map((port) => new TcpTransport({ ...shared, port }));
  return tls === undefined ? tcp : [...tcp, new TlsTransport({ ...shared, tls, logger })];
}
