import type { Logger } from '../core/logger.js';
import type {
  AnsweredStream,
  CallEventDraft,
  EndReason,
  MediaAnswer,
  OfferedStream,
  RecordingMetadata,
  RsOffer,
  Warning,
} from '../core/model.js';
import type { MediaCall, MediaCallEvents, MediaCallResult } from '../rtp/media-plane.js';
import { LegBook } from './leg-book.js';
import { MetadataState } from './metadata-state.js';
import { answerStream, decideOffer, type StreamDecision } from './offer-policy.js';
import type { RecordingSessionPort } from './recorder.js';
import type { SessionRecord } from './session-record.js';
import type { SessionServices } from './session-services.js';
import { mapSpeakers } from './speaker-mapping.js';
import { UtteranceFlow } from './utterance-flow.js';

export type SessionState = 'negotiating' | 'recording' | 'paused' | 'draining' | 'ended';

/**
 * One recording session: negotiating → recording ⇄ paused → draining → ended.
 * INVITE, re-INVITE and UPDATE are the same call, `apply`; they are taken one after another.
 */
export class RecordingSession implements RecordingSessionPort {
  readonly id: string;
  readonly callId: string;
  onEndRequested: ((reason: EndReason) => void) | undefined;
  readonly #services: SessionServices;
  readonly #record: SessionRecord;
  readonly #log: Logger;
  readonly #legs = new LegBook();
  readonly #metadata = new MetadataState();
  readonly #flow: UtteranceFlow;
  #media: MediaCall | undefined;
  #streams: readonly OfferedStream[] = [];
  #answer: MediaAnswer | undefined;
  #state: SessionState = 'negotiating';
  #turn: Promise<unknown> = Promise.resolve();
  #ending: Promise<void> | undefined;
  #completed: Promise<void> | undefined;
  readonly #warned = new Set<string>();

  constructor(id: string, offer: RsOffer, record: SessionRecord, services: SessionServices) {
    this.id = id;
    this.callId = offer.callId;
    this.#record = record;
    this.#services = services;
    this.#log = services.logger.child({ callId: offer.callId, sessionId: id });
    this.#flow = new UtteranceFlow({
      sessionId: id,
      callId: offer.callId,
      ...(services.language === undefined ? {} : { language: services.language }),
      submit: (job) => services.submit(job),
      publish: (draft) => this.#publish(draft),
      describe: (leg) => this.#describe(leg),
      clock: services.clock,
      metrics: services.metrics,
      logger: this.#log,
    });
  }

  get state(): SessionState {
    return this.#state;
  }

  get currentAnswer(): MediaAnswer {
    return this.#answer ?? { streams: [], address: '0.0.0.0', timing: '0 0' };
  }

  /** Opens the media and applies the first offer. On a throw the caller must `discard`. */
  async begin(offer: RsOffer): Promise<MediaAnswer> {
    this.#media = await this.#services.media.openCall(
      { sessionId: this.id, directory: this.#record.directory, utterances: this.#services.cutsUtterances },
      this.#mediaEvents(),
    );
    await this.#applyNow(offer);
    this.#state = this.#legs.anyActive ? 'recording' : 'paused';
    this.#publish({ ...this.#base(), type: 'call.started', legs: this.#legs.descriptions() });
    this.#warn(offer.warnings);
    return this.currentAnswer;
  }

  /** Undoes `begin`: nothing of the session is left. */
  async discard(): Promise<void> {
    this.#state = 'ended';
    await this.#media?.finish();
    await this.#record.discard();
  }

  apply(offer: RsOffer): Promise<{ answer?: MediaAnswer }> {
    return this.#inTurn(async () => {
      if (this.#state === 'draining' || this.#state === 'ended')
        return offer.media ? { answer: this.currentAnswer } : {};
      await this.#applyNow(offer);
      this.#state = this.#legs.anyActive ? 'recording' : 'paused';
      this.#publish({ ...this.#base(), type: 'call.updated', legs: this.#legs.descriptions(), state: this.#state });
      this.#warn(offer.warnings);
      return offer.media ? { answer: this.currentAnswer } : {};
    });
  }

  end(reason: EndReason, lastMetadata?: RecordingMetadata): Promise<void> {
    this.#ending ??= this.#inTurn(() => this.#end(reason, lastMetadata));
    return this.#ending;
  }

  /** Resolves when the session has ended and its last event is published. */
  async completed(): Promise<void> {
    await this.#ending;
    await this.#completed;
  }

  async #end(reason: EndReason, lastMetadata?: RecordingMetadata): Promise<void> {
    if (this.#state === 'ended') return;
    this.#state = 'draining';
    if (lastMetadata) {
      this.#metadata.apply(lastMetadata);
      this.#record.saveMetadata(lastMetadata.raw);
      this.#identify([]);
    }
    const result = await this.#media?.finish();
    if (result) this.#report(result, reason);
    this.#publish({ ...this.#base(), type: 'call.updated', legs: this.#legs.descriptions(), state: 'draining' });
    this.#completed = this.#complete(reason, result?.durationMs ?? 0);
  }

  #report(result: MediaCallResult, reason: EndReason): void {
    for (const leg of result.legs) {
      if (leg.packets === 0) this.#warn([{ code: 'no_rtp', detail: `leg ${leg.leg}` }]);
    }
    this.#record.finishMedia(result, reason);
    this.#services.metrics.observeRecording(result.durationMs, result.bytes);
    this.#services.metrics.calls.inc({ outcome: reason === 'failed' ? 'failed' : 'completed' });
    this.#log.info(
      { reason, durationMs: result.durationMs, legs: result.legs.length, bytes: result.bytes },
      'recording finished',
    );
  }

  async #complete(reason: EndReason, durationMs: number): Promise<void> {
    await this.#flow.settled();
    this.#state = 'ended';
    const legs = this.#legs.descriptions();
    this.#publish({ ...this.#base(), type: 'call.ended', reason, durationMs, legs, recording: this.#record.name });
    await this.#record.close();
  }

  async #applyNow(offer: RsOffer): Promise<void> {
    // Decided before anything changes: a bad offer leaves the session as it was (RFC 3261 §14.2).
    const decisions = offer.media ? decideOffer(offer.media) : [];
    if (offer.media) {
      const streams = await this.#negotiate(decisions);
      this.#streams = offer.media.streams;
      this.#answer = {
        streams,
        address: this.#services.mediaAddress(offer.source),
        timing: offer.media.timing,
      };
    }
    if (offer.metadata) {
      this.#metadata.apply(offer.metadata);
      this.#record.saveMetadata(offer.metadata.raw);
    }
    this.#identify(offer.warnings);
    this.#record.describe(this.#legs.descriptions(), this.#metadata.participants);
  }

  async #negotiate(decisions: readonly StreamDecision[]): Promise<readonly AnsweredStream[]> {
    const media = this.#media;
    if (!media) return [];
    const opened: number[] = [];
    try {
      const answers: AnsweredStream[] = [];
      for (const decision of decisions) {
        const { leg, fresh } = await this.#negotiateStream(media, decision);
        if (fresh && leg !== undefined) opened.push(leg);
        answers.push(answerStream(decision, this.#legs.at(decision.offered.index)?.port ?? 0));
      }
      return answers;
    } catch (error) {
      // A leg that this offer opened must not outlive the refusal of the offer.
      for (const number of opened) {
        const leg = this.#legs.byNumber(number);
        if (leg) leg.open = false;
        await media.closeLeg(number).catch(() => {});
      }
      throw error;
    }
  }

  async #negotiateStream(media: MediaCall, decision: StreamDecision): Promise<{ leg?: number; fresh: boolean }> {
    const { offered, formats, active } = decision;
    const known = this.#legs.at(offered.index);
    if (formats.length === 0) {
      if (!known) return { fresh: false };
      known.open = false;
      known.active = false;
      await media.closeLeg(known.leg);
      return { leg: known.leg, fresh: false };
    }
    if (known) {
      await media.updateLeg(known.leg, { formats, active });
      known.active = active;
      return { leg: known.leg, fresh: false };
    }
    const handle = await media.openLeg({ leg: this.#legs.nextNumber, formats, active });
    const leg = this.#legs.add(offered, handle.port, active);
    return { leg: leg.leg, fresh: true };
  }

  #identify(already: readonly Warning[]): void {
    const { speakers, warnings } = mapSpeakers(this.#streams, this.#metadata);
    this.#legs.identify(this.#streams, speakers);
    const known = new Set(already.map((warning) => warning.code));
    this.#warn(warnings.filter((warning) => !known.has(warning.code)));
  }

  #mediaEvents(): MediaCallEvents {
    return {
      utterance: (cut) => {
        this.#log.debug({ leg: cut.leg, startMs: cut.startMs, endMs: cut.endMs, reason: cut.reason }, 'utterance cut');
        this.#flow.accept(cut);
      },
      firstPacket: (leg, atMs) => this.#log.info({ leg, atMs }, 'first packet'),
      writeFailed: (message) => {
        this.#log.error({ error: message }, 'recording write failed');
        this.#warn([{ code: 'recording_write_failed' }]);
      },
    };
  }

  /** Each oddity is told once a session: a re-INVITE every minute must not say it again. */
  #warn(warnings: readonly Warning[]): void {
    for (const warning of warnings) {
      const key = `${warning.code} ${warning.detail ?? ''}`;
      if (this.#warned.has(key)) continue;
      this.#warned.add(key);
      this.#services.metrics.quirks.inc({ quirk: warning.code });
      this.#publish({ ...this.#base(), type: 'recording.warning', warning });
    }
  }

  #base(): { callId: string; sessionId: string } {
    return { callId: this.callId, sessionId: this.id };
  }

  #describe(number: number): ReturnType<LegBook['describe']> {
    const leg = this.#legs.byNumber(number);
    return leg ? this.#legs.describe(leg) : { leg: number, label: String(number), speaker: {} };
  }

  #publish(draft: CallEventDraft): void {
    this.#record.note(this.#services.publish(draft));
  }

  /** Offers and the end are taken strictly one after another; a failed one does not stop the next. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => {});
    return result;
  }
}
