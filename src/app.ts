import type { Config } from '../config/config.js';
import { findFfmpeg } from './audio/ffmpeg-program.js';
import { systemClock } from './core/clock.js';
import { SrsError } from './core/errors.js';
import type { Logger } from './core/logger.js';
import { Metrics } from './core/metrics.js';
import { packageVersion } from './core/package-version.js';
import { Scope } from './core/scope.js';
import { FileFinisher } from './files/file-finisher.js';
import type { HealthPart, HealthReport } from './http/health-report.js';
import { HttpServer } from './http/http-server.js';
import { AmqpListener } from './listeners/amqp-listener.js';
import { readAmqpTls } from './listeners/amqp-tls.js';
import { EventBus } from './listeners/bus.js';
import { WebSocketListener } from './listeners/websocket-listener.js';
import { MediaThreads } from './rtp/media-pool.js';
import { SessionRecorder } from './session/session-recorder.js';
import { DrachtioSipServer } from './sip/drachtio/drachtio-server.js';
import { EmbeddedSipServer } from './sip/embedded-server.js';
import type { ListenAddress, SipServer } from './sip/sip-server.js';
import { createSiprecDoor } from './sip/siprec-door.js';
import { Speech } from './speech.js';
import { DiskThread } from './store/disk-thread.js';
import { DiskWatch } from './store/disk-watch.js';
import { MemoryEventLog } from './store/event-log.js';
import { makeWritableDirectory } from './store/writable-directory.js';

/** After the grace, how long the last words and messages may take before they are given up. */
const FLUSH_MS = 15_000;
/** After that, how long the news of what was given up may take to reach disk and listeners. */
const LAST_NEWS_MS = 2_000;

/**
 * The composition root: the only place that reads the configuration whole and makes the parts. Parts start from the inside out, so
 * that no door opens before what lies behind it is ready, and stop in the reverse order.
 */
export class App {
  readonly metrics: Metrics;
  readonly bus: EventBus;
  readonly recorder: SessionRecorder;
  readonly #config: Config;
  readonly #log: Logger;
  readonly #scope = new Scope('app');
  readonly #speech: Speech;
  readonly #media: MediaThreads;
  readonly #disk = new DiskThread();
  readonly #watch: DiskWatch;
  readonly #files: FileFinisher;
  readonly #sip: SipServer;
  readonly #http: HttpServer;
  readonly #startedAt = systemClock.monotonic();
  #phase: HealthReport['phase'] = 'starting';
  /** Ends a start that is under way: a large model takes longer than an operator waits. */
  readonly #startAbort = new AbortController();
  #starting: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;

  constructor(config: Config, logger: Logger) {
    this.#config = config;
    this.#log = logger;
    this.metrics = new Metrics({ vendors: config.stt.vendors, models: [config.whisper.model], processFigures: true });
    const shared = { metrics: this.metrics, logger, clock: systemClock };
    const events = new MemoryEventLog({ maxEvents: config.websocket.replayLimit });
    this.bus = new EventBus({ ...shared, log: events });
    const websocket = new WebSocketListener({
      ...shared,
      ...config.websocket,
      log: events,
      apiKeys: config.http.apiKeys,
    });
    this.bus.subscribe(websocket);
    this.#speech = new Speech(config, this.metrics, logger);
    this.#watch = new DiskWatch({
      ...shared,
      directory: config.dataDir,
      minFreeBytes: config.disk.minFree,
      disk: this.#disk,
    });
    this.#media = new MediaThreads({
      ...shared,
      findFfmpeg,
      ...config.rtp,
      backlogBytes: config.disk.backlog,
      onWriteFailed: () => this.#watch.suspect(),
      dtmf: config.dtmf,
      utterance: {
        endSilenceMs: config.stt.utterance.endSilenceMs,
        maxUtteranceMs: config.stt.utterance.maxMs,
        minSpeechMs: config.stt.utterance.minMs,
      },
    });
    this.#files = new FileFinisher({ ...shared, formats: config.recordingFormats });
    this.recorder = new SessionRecorder({
      dataDirectory: config.dataDir,
      maxSessions: config.limits.maxConcurrentCalls,
      services: {
        ...shared,
        media: this.#media,
        disk: this.#disk,
        diskStanding: this.#watch,
        files: this.#files,
        cutsUtterances: this.#speech.enabled,
        submit: (job) => this.#speech.submit(job),
        snapshotRequest: config.sip.snapshotRequest,
        keepsSignalling: config.sip.keepInvite,
        publish: (draft) => this.bus.publish(draft),
        mediaAddress: (localAddress) => this.#mediaAddress(localAddress),
        dtmf: config.dtmf,
        pause: { ...config.pause, signal: config.sip.signalPause },
        protection: { srtp: config.sip.srtp, keysNeedTls: config.sip.sdesNeedsTls },
        ...(config.whisper.language === undefined ? {} : { language: config.whisper.language }),
      },
    });
    this.#sip = this.#sipServer();
    this.#http = new HttpServer({
      ...shared,
      ...config.http,
      health: () => this.health(),
      calls: this.recorder,
      onUpgrade: [(request, socket, head) => websocket.handleUpgrade(request, socket, head)],
    });
  }

  get sipAddresses(): readonly ListenAddress[] {
    return this.#sip.addresses;
  }

  get httpAddress(): { readonly host: string; readonly port: number } {
    return this.#http.address;
  }

  /** Whether `stop` was called. */
  get stopping(): boolean {
    return this.#stopping !== undefined;
  }

  /** Starts every part. On a throw, also by a `stop` meanwhile, what was started is stopped again. Idempotent. */
  start(): Promise<void> {
    this.#starting ??= this.#start().catch(async (error: unknown) => {
      await this.#scope.close().catch(() => {});
      throw error;
    });
    return this.#starting;
  }

  /**
   * Takes no new session, lets the running ones go on until the grace ends, ends them, waits for their words and for listeners, and
   * closes everything. Idempotent.
   *
   * @param graceMs how long running sessions may go on
   * @param lastWordsMs how long their last words may take after that
   */
  stop(
    graceMs: number = this.#config.shutdownGraceMs,
    lastWordsMs: number = Math.max(FLUSH_MS, graceMs),
  ): Promise<void> {
    this.#stopping ??= this.#stop(graceMs, lastWordsMs);
    return this.#stopping;
  }

  health(): HealthReport {
    const parts: Record<string, HealthPart> = {
      sip: { state: this.#sip.addresses.length > 0 ? 'ok' : 'down', essential: true },
      disk: diskHealth(this.#watch.trouble),
      stt: this.#speech.health(),
    };
    for (const [name, health] of this.bus.health()) {
      const { state, waiting, detail } = health;
      parts[name] = { state, waiting, essential: false, ...(detail === undefined ? {} : { detail }) };
    }
    return {
      phase: this.#phase,
      version: packageVersion(),
      uptimeMs: systemClock.monotonic() - this.#startedAt,
      activeCalls: this.recorder.activeSessions,
      parts,
    };
  }

  async #start(): Promise<void> {
    const { amqp, dataDir } = this.#config;
    this.#scope.own(() => this.bus.close());
    await makeWritableDirectory(dataDir, 'DATA_DIR', 0o750);
    if (amqp) {
      const { url, queueName: queue, exchange, queueLimit: maxWaiting } = amqp;
      const tls = await readAmqpTls(amqp.tls);
      this.bus.subscribe(
        new AmqpListener({ url, queue, exchange, maxWaiting, tls, metrics: this.metrics, logger: this.#log }),
      );
    }
    this.#scope.own(() => this.#http.close());
    await this.#startPart(() => this.#http.start());
    this.#scope.own(() => this.#speech.close());
    await this.#startPart(() => this.#speech.start(this.#startAbort.signal));
    this.#scope.own(() => this.#disk.close());
    this.#scope.own(() => this.#watch.close());
    await this.#startPart(() => this.#watch.start());
    this.#scope.own(() => this.#files.close());
    await this.#startPart(() => this.#files.start());
    this.#scope.own(() => this.#media.stop());
    await this.#startPart(() => this.#media.start());
    this.#scope.own(() => this.#sip.stop());
    await this.#startPart(() => this.#sip.start());
    this.#phase = 'running';
    this.#log.info({ sip: this.#sip.addresses, http: this.#http.address, dataDir }, 'sipscribe is ready');
  }

  async #startPart(start: () => Promise<void>): Promise<void> {
    if (this.stopping) throw new SrsError('SRS_SIP_BUSY', 'the server was stopped while it started');
    await start();
  }

  async #stop(graceMs: number, lastWordsMs: number): Promise<void> {
    this.#phase = 'draining';
    this.#startAbort.abort();
    await this.#starting?.catch(() => {});
    this.recorder.refuseNew();
    await this.#drain(graceMs);
    await this.recorder.endAll('shutdown');
    const deadline = AbortSignal.timeout(lastWordsMs);
    await Promise.race([this.recorder.settled(), aborted(deadline)]);
    // What still has no words becomes a failure now, so that every record comes to its end and listeners hear of each utterance.
    await Promise.all([this.#speech.close(), this.#files.close()]);
    const news = AbortSignal.timeout(LAST_NEWS_MS);
    await Promise.race([this.recorder.settled(), aborted(news)]);
    await Promise.all([this.bus.flush(deadline), this.bus.flush(news)]);
    await this.#scope.close();
    this.#log.info('sipscribe has stopped');
  }

  /** Waits for the running sessions to end by themselves; says every 5 s what is awaited. */
  async #drain(graceMs: number): Promise<void> {
    const scope = new Scope('drain');
    const end = systemClock.monotonic() + graceMs;
    scope.interval(
      () => this.#log.info({ activeCalls: this.recorder.activeSessions }, 'waiting for calls to finish'),
      5_000,
    );
    while (this.recorder.activeSessions > 0 && systemClock.monotonic() < end) {
      await new Promise<void>((resolve) => scope.timeout(resolve, Math.min(100, graceMs)));
    }
    await scope.close();
  }

  /** Where SIP comes in: through a drachtio-server when one is named, else through our own sockets. */
  #sipServer(): SipServer {
    const { sip, rtp } = this.#config;
    const { metrics } = this;
    const logger = this.#log;
    const shared = {
      ...(rtp.externalAddress === undefined ? {} : { externalIp: rtp.externalAddress }),
      serverName: `sipscribe/${packageVersion()}`,
      handlers: createSiprecDoor({
        recorder: this.recorder,
        metrics,
        logger,
        strict: sip.strict,
        keepInvite: sip.keepInvite,
        ...(sip.callAttributes === undefined ? {} : { callAttributes: sip.callAttributes }),
      }),
      metrics,
      logger,
    };
    return sip.drachtio === undefined
      ? new EmbeddedSipServer({ ...sip, ...shared })
      : new DrachtioSipServer({ ...sip.drachtio, ...shared, peers: sip.peers, peerRate: sip.peerRate });
  }

  /** A configured address goes first; else the one that the SRC itself reached, which the system's routing found. */
  #mediaAddress(localAddress: string | undefined): string {
    const { externalAddress, bindAddress } = this.#config.rtp;
    const anywhere = bindAddress === '0.0.0.0' || bindAddress === '::';
    return externalAddress ?? (anywhere ? (localAddress ?? '127.0.0.1') : bindAddress);
  }
}

function diskHealth(trouble: string | undefined): HealthPart {
  const state = trouble === undefined ? 'ok' : 'down';
  return { state, essential: true, ...(trouble === undefined ? {} : { detail: trouble }) };
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
