import { SrsError } from '../core/errors.js';
import { timeSortedId } from '../core/ids.js';
import type { EndReason, MediaAnswer, RsOffer } from '../core/model.js';
import type { Recorder, RecordingSessionPort } from './recorder.js';
import { RecordingSession } from './recording-session.js';
import { openSessionRecord } from './session-record.js';
import type { SessionServices } from './session-services.js';

export interface SessionRecorderOptions {
  readonly services: SessionServices;
  /** Recordings go below it. */
  readonly dataDirectory: string;
  /** Above it, a new session is refused before any 200. */
  readonly maxSessions: number;
}

/** Opens recording sessions, knows those that are open, and ends them all at shutdown. */
export class SessionRecorder implements Recorder {
  readonly #options: SessionRecorderOptions;
  /** Sessions whose dialog lives; also reservations of sessions that are being opened. */
  #active = 0;
  readonly #sessions = new Set<RecordingSession>();
  readonly #completing = new Set<Promise<void>>();
  #draining = false;

  constructor(options: SessionRecorderOptions) {
    this.#options = options;
  }

  get accepting(): boolean {
    return !this.#draining && this.#active < this.#options.maxSessions;
  }

  get activeSessions(): number {
    return this.#active;
  }

  /** Sessions whose words are still to come. */
  get completingSessions(): number {
    return this.#completing.size;
  }

  async open(offer: RsOffer): Promise<{ session: RecordingSessionPort; answer: MediaAnswer }> {
    const { services, dataDirectory, maxSessions } = this.#options;
    if (!this.accepting) {
      services.metrics.calls.inc({ outcome: 'rejected' });
      throw new SrsError(
        'SRS_SIP_BUSY',
        this.#draining ? 'the server is shutting down' : `all ${maxSessions} sessions are taken`,
      );
    }
    this.#count(+1);
    try {
      const id = timeSortedId(offer.receivedAt);
      const record = await openSessionRecord(dataDirectory, id, offer, services.logger);
      const session = new RecordingSession(id, offer, record, services);
      try {
        const answer = await session.begin(offer);
        this.#sessions.add(session);
        return { session: this.#tracked(session), answer };
      } catch (error) {
        await session.discard();
        throw error;
      }
    } catch (error) {
      this.#count(-1);
      services.metrics.calls.inc({ outcome: 'rejected' });
      throw error;
    }
  }

  /** Takes no new session from now on; OPTIONS and INVITE answer 503. */
  refuseNew(): void {
    this.#draining = true;
  }

  /** Ends every session that is open and waits for their files. */
  async endAll(reason: EndReason): Promise<void> {
    this.refuseNew();
    await Promise.all(
      [...this.#sessions].map((session) => {
        session.onEndRequested?.(reason);
        return this.#end(session, reason);
      }),
    );
  }

  /** Resolves when the last words of every ended session are published. */
  async settled(): Promise<void> {
    while (this.#completing.size > 0) await Promise.all(this.#completing);
  }

  /** The session as the SIP floor holds it: its end is counted here, whoever asks for it. */
  #tracked(session: RecordingSession): RecordingSessionPort {
    return {
      id: session.id,
      get currentAnswer() {
        return session.currentAnswer;
      },
      apply: (offer) => session.apply(offer),
      end: (reason, metadata) => this.#end(session, reason, metadata),
      get onEndRequested() {
        return session.onEndRequested;
      },
      set onEndRequested(callback) {
        session.onEndRequested = callback;
      },
    };
  }

  async #end(
    session: RecordingSession,
    reason: EndReason,
    metadata?: Parameters<RecordingSession['end']>[1],
  ): Promise<void> {
    const first = this.#sessions.delete(session);
    if (first) {
      const done = session
        .end(reason, metadata)
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
