import { SrsError } from '../core/errors.js';
import { timeSortedId } from '../core/ids.js';
import type { EndReason, MediaAnswer, RsOffer } from '../core/model.js';
import { pooledDisk } from '../store/disk.js';
import type { CallControl, CommandEffect, LiveCall } from './call-control.js';
import type { PauseCommand } from './pause-control.js';
import type { LastWords, Recorder, RecordingSessionPort, ToldDigit } from './recorder.js';
import { RecordingSession } from './recording-session.js';
import { openSessionRecord } from './session-record.js';
import type { SessionServices } from './session-services.js';

export interface SessionRecorderOptions {
  readonly services: SessionServices;
  /** Recordings go below it. */
  readonly dataDirectory: string;
  /** Above it, a new session is refused before any 200. */
  readonly maxSessions: number;
  /** How long an SRC may wait for its answer before it is refused, in ms. Default 4000. */
  readonly answerMs?: number;
}

interface Opened {
  readonly session: RecordingSessionPort;
  readonly answer: MediaAnswer;
}

/** Well below the 32 s of SIP, and about what an SBC waits before it tries the next recorder. */
const ANSWER_MS = 4_000;

/** Opens recording sessions, knows those that are open, and ends them all at shutdown. */
export class SessionRecorder implements Recorder, CallControl {
  readonly #options: SessionRecorderOptions;
  /** Sessions whose dialog lives; also reservations of sessions that are being opened. */
  #active = 0;
  readonly #sessions = new Set<RecordingSession>();
  readonly #opening = new Set<Promise<unknown>>();
  readonly #completing = new Set<Promise<void>>();
  /** `draining`: no new session. `closed`: not even those that are being opened. */
  #phase: 'open' | 'draining' | 'closed' = 'open';

  constructor(options: SessionRecorderOptions) {
    this.#options = options;
  }

  get accepting(): boolean {
    const room = this.#phase === 'open' && this.#active < this.#options.maxSessions;
    return room && this.#options.services.diskStanding?.trouble === undefined;
  }

  get activeSessions(): number {
    return this.#active;
  }

  async open(offer: RsOffer): Promise<Opened> {
    const { metrics } = this.#options.services;
    this.#count(+1);
    try {
      if (this.#phase !== 'open') throw shuttingDown();
      const { maxSessions } = this.#options;
      if (this.#active > maxSessions) throw new SrsError('SRS_SIP_BUSY', `all ${maxSessions} sessions are taken`);
      const trouble = this.#options.services.diskStanding?.trouble;
      if (trouble !== undefined)
        throw new SrsError('SRS_RECORDING_WRITE', `the disk takes no new recording: ${trouble}`);
      const opening = this.#openInTime(offer);
      this.#opening.add(opening);
      return await opening.finally(() => this.#opening.delete(opening));
    } catch (error) {
      this.#count(-1);
      metrics.calls.inc({ outcome: 'rejected' });
      // The next SRC is refused before its folder is made, and OPTIONS says so, until the disk has been looked at.
      if (SrsError.from(error).code === 'SRS_RECORDING_WRITE') this.#options.services.diskStanding?.suspect();
      throw error;
    }
  }

  /** A disk or a worker that hangs must not leave an SRC without an answer: what comes later than this is undone when it comes. */
  async #openInTime(offer: RsOffer): Promise<Opened> {
    const { answerMs = ANSWER_MS } = this.#options;
    // What is made here lives as long as the session: an `AbortSignal` would take 1.5 kB of every call.
    const patience = { over: false };
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        patience.over = true;
        reject(tooSlow());
      }, answerMs);
    });
    const opened = this.#open(offer, patience);
    opened.catch(() => {});
    return await Promise.race([opened, late]).finally(() => clearTimeout(timer));
  }

  async #open(offer: RsOffer, patience: { readonly over: boolean }): Promise<Opened> {
    const { services, dataDirectory } = this.#options;
    // The callbacks below live as long as the session and must not keep the offer alive.
    const { callId } = offer;
    const id = timeSortedId(offer.receivedAt);
    const record = openSessionRecord(dataDirectory, id, offer, {
      logger: services.logger,
      disk: services.disk ?? pooledDisk,
      onWriteFailed: () => {
        services.metrics.recordingErrors.inc();
        services.diskStanding?.suspect();
      },
      ...(services.files ? { files: services.files } : {}),
    });
    const session = new RecordingSession(id, offer, record, services);
    try {
      const answer = await session.begin(offer, () => {
        if (this.#phase === 'closed') throw shuttingDown();
        if (patience.over) throw tooSlow();
      });
      this.#sessions.add(session);
      return { session: new TrackedSession(session, (reason, last) => this.#end(session, reason, last)), answer };
    } catch (error) {
      await session.discard().catch((failure: unknown) => {
        // What could not be removed is logged; the peer hears why it was refused.
        services.logger.error({ err: failure, callId }, 'refused session cannot be removed');
      });
      throw error;
    }
  }

  list(): readonly LiveCall[] {
    return [...this.#sessions].map((session) => session.describe());
  }

  find(id: string): LiveCall {
    return this.#session(id).describe();
  }

  async pause(id: string, command: PauseCommand): Promise<CommandEffect> {
    const session = this.#session(id);
    const effective = await session.pause(command);
    return { call: session.describe(), effective };
  }

  async resume(id: string, command: PauseCommand): Promise<CommandEffect> {
    const session = this.#session(id);
    const effective = await session.resume(command);
    return { call: session.describe(), effective };
  }

  stop(id: string): LiveCall {
    const session = this.#session(id);
    session.requestEnd('stopped');
    // The recording ends now, whether the SRC answers the BYE or not.
    void this.#end(session, 'stopped');
    return session.describe();
  }

  #session(id: string): RecordingSession {
    for (const session of this.#sessions) if (session.id === id) return session;
    throw new SrsError('SRS_CALL_UNKNOWN', 'no call that is open has this session id');
  }

  /** Takes no new session from now on; OPTIONS and INVITE answer 503. */
  refuseNew(): void {
    if (this.#phase === 'open') this.#phase = 'draining';
  }

  /** Ends every session that is open and waits for their files. */
  async endAll(reason: EndReason): Promise<void> {
    this.#phase = 'closed';
    await Promise.allSettled(this.#opening);
    await Promise.all(
      [...this.#sessions].map((session) => {
        session.requestEnd(reason);
        return this.#end(session, reason);
      }),
    );
  }

  /** Resolves when the last words of every ended session are published. */
  async settled(): Promise<void> {
    while (this.#completing.size > 0) await Promise.all(this.#completing);
  }

  async #end(session: RecordingSession, reason: EndReason, last?: LastWords): Promise<void> {
    const first = this.#sessions.delete(session);
    if (first) {
      const done = session
        .end(reason, last)
        .catch((error: unknown) =>
          this.#options.services.logger.error({ err: error, callId: session.callId }, 'session end failed'),
        )
        .finally(() => this.#count(-1))
        .then(() => session.completed())
        .catch((error: unknown) =>
          this.#options.services.logger.error({ err: error, callId: session.callId }, 'session completion failed'),
        )
        .finally(() => this.#completing.delete(done));
      this.#completing.add(done);
    }
    await session.end(reason).catch(() => {});
  }

  #count(change: 1 | -1): void {
    this.#active += change;
    this.#options.services.metrics.activeCalls.set(this.#active);
  }
}

function shuttingDown(): SrsError {
  return new SrsError('SRS_SIP_BUSY', 'the server is shutting down');
}

function tooSlow(): SrsError {
  return new SrsError('SRS_RECORDING_WRITE', 'the recording could not be begun in time');
}

/** The session as the SIP floor holds it: its end is counted, whoever asks for it. */
class TrackedSession implements RecordingSessionPort {
  readonly #session: RecordingSession;
  readonly end: RecordingSessionPort['end'];

  constructor(session: RecordingSession, end: RecordingSessionPort['end']) {
    this.#session = session;
    this.end = end;
  }

  get id(): string {
    return this.#session.id;
  }

  get currentAnswer(): MediaAnswer {
    return this.#session.currentAnswer;
  }

  apply(offer: RsOffer): Promise<{ answer?: MediaAnswer }> {
    return this.#session.apply(offer);
  }

  pressed(told: ToldDigit): void {
    this.#session.pressed(told);
  }

  get onEndRequested(): RecordingSessionPort['onEndRequested'] {
    return this.#session.onEndRequested;
  }

  set onEndRequested(callback: RecordingSessionPort['onEndRequested']) {
    this.#session.onEndRequested = callback;
  }

  get onSnapshotWanted(): RecordingSessionPort['onSnapshotWanted'] {
    return this.#session.onSnapshotWanted;
  }

  set onSnapshotWanted(callback: RecordingSessionPort['onSnapshotWanted']) {
    this.#session.onSnapshotWanted = callback;
  }

  get onPauseSignal(): RecordingSessionPort['onPauseSignal'] {
    return this.#session.onPauseSignal;
  }

  set onPauseSignal(callback: RecordingSessionPort['onPauseSignal']) {
    this.#session.onPauseSignal = callback;
  }
}
