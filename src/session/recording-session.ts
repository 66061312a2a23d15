import type { CallEventDraft, CallFacts, LegDescription } from '../core/call-event.js';
import { SrsError } from '../core/errors.js';
import type { Logger } from '../core/logger.js';
import type { EndReason, MediaAnswer, MediaOffer, OfferedStream, RsOffer } from '../core/model.js';
import { Turns } from '../core/turns.js';
import type { MediaCall, MediaCallEvents, MediaCallResult, PauseInstant } from '../rtp/media-plane.js';
import type { LiveCall } from './call-control.js';
import { CallIdentity } from './call-identity.js';
import { nameSpeakers, nameUnknownSpeakers } from './call-speakers.js';
import { KeyPresses } from './key-presses.js';
import { LegBook } from './leg-book.js';
import { firstLegs, negotiate } from './negotiation.js';
import { decideOffer, type StreamDecision } from './offer-policy.js';
import { type PauseCommand, PauseControl } from './pause-control.js';
import { pauseStatus } from './pause-status.js';
import type { LastWords, RecordingSessionPort, ToldDigit } from './recorder.js';
import { SessionAssurance } from './session-assurance.js';
import { sessionMediaEvents, unwrittenWarnings } from './session-media-events.js';
import type { SessionRecord } from './session-record.js';
import type { SessionServices } from './session-services.js';
import { SessionWarnings } from './session-warnings.js';
import { ANY_PROTECTION, withoutKeys } from './stream-protection.js';
import { digestOf, UpdatePace } from './update-pace.js';
import { UtteranceFlow } from './utterance-flow.js';

type SessionState = 'negotiating' | 'recording' | 'paused' | 'draining' | 'ended';

/**
 * One recording session: negotiating → recording ⇄ paused → draining → ended.
 * INVITE, re-INVITE and UPDATE are the same call, `apply`; they are taken one after another.
 */
export class RecordingSession implements RecordingSessionPort {
  readonly id: string;
  readonly callId: string;
  readonly #localAddress: string | undefined;
  readonly #services: SessionServices;
  readonly #record: SessionRecord;
  readonly #log: Logger;
  readonly #legs = new LegBook();
  readonly #identity = new CallIdentity();
  /** From the first utterance on. */
  #flow: UtteranceFlow | undefined;
  readonly #warnings: SessionWarnings;
  readonly #assurance: SessionAssurance;
  readonly #pauses: PauseControl;
  readonly #keys: KeyPresses;
  readonly #pace: UpdatePace;
  readonly #startedAt: number;
  #told = '';
  #media: MediaCall | undefined;
  #streams: readonly OfferedStream[] = [];
  #answer: MediaAnswer | undefined;
  #state: SessionState = 'negotiating';
  readonly #turns = new Turns();
  #ending: Promise<void> | undefined;
  #onEndRequested: ((reason: EndReason) => void) | undefined;
  #requestedEnd: EndReason | undefined;
  #completed: Promise<void> | undefined;
  onPauseSignal: ((resumed: boolean) => void) | undefined;
  #onSnapshotWanted: (() => void) | undefined;
  #snapshotWanted = false;

  constructor(id: string, offer: RsOffer, record: SessionRecord, services: SessionServices) {
    this.id = id;
    this.callId = offer.callId;
    this.#localAddress = offer.localAddress;
    this.#record = record;
    this.#services = services;
    this.#log = services.logger.child({ callId: offer.callId, sessionId: id });
    this.#warnings = new SessionWarnings(services.metrics, (warning) =>
      this.#publish({ ...this.#base(), type: 'recording.warning', warning }),
    );
    this.#assurance = new SessionAssurance({
      ...services,
      logger: this.#log,
      warn: (warning) => this.#warnings.tell([warning]),
      changed: () => this.#tellStatus(),
    });
    this.#startedAt = offer.receivedAt;
    this.#pauses = this.#pauseControl();
    this.#keys = new KeyPresses({
      ...{ callId: this.callId, sessionId: id, openedAt: offer.receivedAt },
      ...{ policy: services.dtmf ?? 'mask', clock: services.clock, metrics: services.metrics },
      ...{ legs: this.#legs, pauses: this.#pauses },
      publish: (draft) => this.#publish(draft),
      omitted: () => record.omit(),
    });
    this.#pace = new UpdatePace(services.clock, () => this.#tellStatus());
  }

  get onEndRequested(): ((reason: EndReason) => void) | undefined {
    return this.#onEndRequested;
  }

  /** Whoever comes after the request hears it at once: the end may be asked for while the 200 is still being written. */
  set onEndRequested(callback: ((reason: EndReason) => void) | undefined) {
    this.#onEndRequested = callback;
    if (this.#requestedEnd !== undefined) callback?.(this.#requestedEnd);
  }

  get onSnapshotWanted(): (() => void) | undefined {
    return this.#onSnapshotWanted;
  }

  /** The first offer is often what wants one, before anybody could listen. */
  set onSnapshotWanted(callback: (() => void) | undefined) {
    this.#onSnapshotWanted = callback;
    if (this.#snapshotWanted) callback?.();
  }

  /** Asks the SIP floor to end the dialog. */
  requestEnd(reason: EndReason): void {
    this.#requestedEnd ??= reason;
    this.#onEndRequested?.(reason);
  }

  /** With streams that a pause of ours holds `inactive`, when the SRC is to know. */
  get currentAnswer(): MediaAnswer {
    const answer = this.#answer ?? { streams: [], address: '0.0.0.0', timing: '0 0' };
    if (this.#services.pause?.signal !== true || !this.#pauses.any) return answer;
    const streams = answer.streams.map((stream) => {
      const leg = this.#legs.at(stream.index);
      return leg && this.#pauses.paused(leg.leg) ? { ...stream, direction: 'inactive' as const } : stream;
    });
    return { ...answer, streams };
  }

  /**
   * Opens the media and applies the first offer. On a throw the caller must `discard`.
   *
   * @param mayStart called before anybody is told; throws when the session is not wanted any more
   */
  async begin(offer: RsOffer, mayStart: () => void): Promise<MediaAnswer> {
    this.#media = await this.#services.media.openCall(
      {
        sessionId: this.id,
        directory: this.#record.directory,
        utterances: this.#services.cutsUtterances,
        legs: offer.media ? firstLegs(this.#decide(offer, offer.media), this.#legs) : [],
      },
      this.#mediaEvents(),
    );
    await this.#applyNow(offer, this.#media);
    // Whoever hears a 200 has a record, whole from the start.
    await this.#record.flush();
    mayStart();
    this.#told = this.#standing();
    this.#publish({ ...this.#base(), type: 'call.started', ...this.#facts() });
    this.#warnings.start();
    this.#keys.start();
    return this.currentAnswer;
  }

  /** Undoes `begin`: nothing of the session is left. */
  async discard(): Promise<void> {
    this.#state = 'ended';
    this.#pace.close();
    this.#assurance.close();
    this.#pauses.close({ at: this.#services.clock.now() });
    await this.#media?.finish();
    await this.#record.discard();
  }

  apply(offer: RsOffer): Promise<{ answer?: MediaAnswer }> {
    return this.#turns.take(async () => {
      if (this.#media && (this.#state === 'recording' || this.#state === 'paused')) {
        await this.#applyNow(offer, this.#media);
        this.#tellStatus();
      }
      return offer.media ? { answer: this.currentAnswer } : {};
    });
  }

  pressed(told: ToldDigit): void {
    if (this.#ending === undefined) this.#keys.told(told);
  }

  /** Resolves when nothing of what is received from now on is kept. Throws `SRS_CALL_STATE`, `SRS_MEDIA_WORKER`. */
  async pause(command: PauseCommand): Promise<PauseInstant> {
    this.#mustBeLive();
    return this.#pauses.pause(command);
  }

  async resume(command: PauseCommand): Promise<PauseInstant> {
    this.#mustBeLive();
    return this.#pauses.resume(command);
  }

  /** As an operator sees it. */
  describe(): LiveCall {
    const live = this.#ending === undefined && this.#state !== 'draining';
    const { dialect } = this.#identity.now();
    return {
      sessionId: this.id,
      callId: this.callId,
      startedAt: this.#startedAt,
      legs: this.#legs.descriptions(),
      pauses: this.#pauses.intervals,
      ...(dialect === undefined ? {} : { dialect }),
      ...(live ? this.#status() : { state: 'draining' as const }),
    };
  }

  end(reason: EndReason, last?: LastWords): Promise<void> {
    this.#ending ??= this.#turns.take(() => this.#end(reason, last));
    return this.#ending;
  }

  /** Resolves when the session has ended and its last event is published. */
  async completed(): Promise<void> {
    await this.#ending;
    await this.#completed;
  }

  async #end(reason: EndReason, last?: LastWords): Promise<void> {
    if (this.#state === 'ended') return;
    this.#state = 'draining';
    this.#pace.close();
    try {
      this.#takeLastWords(last);
    } catch (error) {
      // Whatever is wrong with them, the recording ends and has its record.
      this.#log.error({ err: error }, 'last metadata not taken');
    }
    const result = await this.#media?.finish();
    this.#endPause(result);
    if (result) this.#report(result, reason);
    const facts = { ...this.#identity.whole(), legs: this.#legs.descriptions() };
    this.#publish({ ...this.#base(), type: 'call.updated', ...facts, state: 'draining' });
    this.#completed = this.#complete(reason, result?.durationMs ?? 0);
  }

  #takeLastWords(last: LastWords | undefined): void {
    const now = this.#services.clock.now();
    this.#keepMetadata(last ?? {}, now);
    this.#warnings.tell(last?.warnings ?? []);
    if (last?.metadata) nameUnknownSpeakers(this.#legs, this.#streams, this.#identity.metadata, now, this.#assurance);
    this.#identity.finish(now);
    this.#describe();
  }

  #report(result: MediaCallResult, reason: EndReason): void {
    this.#warnings.tell(unwrittenWarnings(result));
    const assurance = this.#assurance.finish(result, (leg) => this.#legs.byNumber(leg) !== undefined);
    this.#record.finishMedia(result, reason, assurance);
    this.#services.metrics.observeRecording(result.durationMs, result.bytes);
    this.#services.metrics.calls.inc({ outcome: reason === 'failed' ? 'failed' : 'completed' });
    this.#log.info(
      { reason, durationMs: result.durationMs, legs: result.legs.length, bytes: result.bytes },
      'recording finished',
    );
  }

  async #complete(reason: EndReason, durationMs: number): Promise<void> {
    await this.#flow?.settled();
    this.#state = 'ended';
    // Whoever hears that the call has ended may read its record: it is whole on disk before anybody hears.
    const kept = await this.#record.close('ended');
    if (kept) this.#record.encode();
    else this.#warnings.tell([{ code: 'recording_write_failed', detail: 'call.json' }]);
    const facts = { ...this.#identity.whole(), legs: this.#legs.descriptions(), ...this.#assurance.final };
    this.#publish({ ...this.#base(), type: 'call.ended', reason, durationMs, ...facts, recording: this.#record.name });
  }

  /** Takes an offer whole, or throws and has changed nothing (RFC 3261 §14.2). */
  async #applyNow(offer: RsOffer, media: MediaCall): Promise<void> {
    if (offer.media) {
      const decisions = this.#decide(offer, offer.media);
      const address = this.#services.mediaAddress(this.#localAddress);
      const streams = await negotiate(media, this.#legs, decisions);
      if (this.#streams.length > streams.length) {
        this.#warnings.tell([
          { code: 'stream_withdrawn', detail: `${this.#streams.length} m-lines, then ${streams.length}` },
        ]);
      }
      this.#streams = offer.media.streams.map(withoutKeys);
      this.#answer = { streams, address, timing: offer.media.timing };
      this.#legs.relabel(this.#streams);
    }
    this.#keepMetadata(offer, offer.receivedAt);
    this.#warnings.tell(offer.warnings);
    this.#warnings.tell(nameSpeakers(this.#legs, this.#streams, this.#identity.metadata, offer, this.#assurance));
    this.#describe();
    this.#state = this.#status().state;
  }

  #decide({ overTls = false }: RsOffer, media: MediaOffer): readonly StreamDecision[] {
    const { protection = ANY_PROTECTION.policy, media: plane } = this.#services;
    return decideOffer(media, { policy: protection, overTls }, plane.ffmpeg);
  }

  #pauseControl(): PauseControl {
    const { pause, clock, metrics } = this.#services;
    return new PauseControl({
      media: () => this.#media,
      legs: () => this.#legs.all.filter(({ open }) => open).map(({ leg }) => leg),
      ...(pause ? { limits: pause } : {}),
      changed: ({ resumed }) => {
        this.#record.keepPauses(this.#pauses.intervals);
        if (this.#state !== 'recording' && this.#state !== 'paused') return;
        this.#tellStatus('now');
        if (pause?.signal === true) this.onPauseSignal?.(resumed);
      },
      warn: (warning) => this.#warnings.tell([warning]),
      clock,
      metrics,
      logger: this.#log,
    });
  }

  #mustBeLive(): void {
    if (this.#ending === undefined && (this.#state === 'recording' || this.#state === 'paused')) return;
    throw new SrsError('SRS_CALL_STATE', 'the call is not being recorded any more');
  }

  #endPause(result: MediaCallResult | undefined): void {
    const at = this.#services.clock.now();
    this.#pauses.close({ at, ...(result ? { atMs: result.durationMs } : {}) });
    if (this.#pauses.intervals.length > 0) this.#record.keepPauses(this.#pauses.intervals);
  }

  #status() {
    return { ...pauseStatus(this.#legs.all, this.#pauses), ...this.#assurance.status };
  }

  #standing(): string {
    return digestOf([this.#status(), this.#facts()]);
  }

  /** A session refresh says nothing new (RFC 4028), so nobody is told of it. */
  #tellStatus(when?: 'now'): void {
    if (this.#state !== 'recording' && this.#state !== 'paused') return;
    const standing = this.#standing();
    if (standing === this.#told || (!this.#pace.take() && when !== 'now')) return;
    this.#told = standing;
    const status = this.#status();
    this.#state = status.state;
    this.#publish({ ...this.#base(), type: 'call.updated', ...this.#facts(), ...status });
  }

  #facts(): CallFacts & { readonly legs: readonly LegDescription[] } {
    return { legs: this.#legs.descriptions(), ...this.#identity.now() };
  }

  #describe(): void {
    this.#record.describe((startedAt) => ({
      legs: this.#legs.recorded(startedAt),
      identity: this.#identity.recorded(startedAt),
    }));
  }

  #keepMetadata(told: Pick<RsOffer, 'metadata' | 'attributes' | 'dialect'>, at: number): void {
    const keeps = this.#services.keepsSignalling !== false;
    const { metadata } = told;
    const plain = metadata && !keeps ? { ...told, metadata: { ...metadata, extensions: [] } } : told;
    this.#warnings.tell(this.#identity.take(plain, at));
    if (metadata && keeps) this.#record.saveMetadata(metadata.raw);
    if (!this.#identity.wantsSnapshot || this.#services.snapshotRequest !== true) return;
    this.#snapshotWanted = true;
    this.#onSnapshotWanted?.();
  }

  #mediaEvents(): MediaCallEvents {
    return sessionMediaEvents(this.#log, {
      utterance: (cut) => this.#utterances().accept(cut),
      clockBegan: (startedAt) => this.#keys.clockBegan(startedAt),
      pressed: (leg, press) => this.#keys.heard(leg, press),
      warn: (warning) => this.#warnings.tell([warning]),
      assurance: this.#assurance,
      lost: () => {
        // A session that records nothing any more must not look alive: with a BYE the SRC can begin anew or fail over.
        this.requestEnd('failed');
      },
    });
  }

  #utterances(): UtteranceFlow {
    const services = this.#services;
    this.#flow ??= new UtteranceFlow({
      sessionId: this.id,
      callId: this.callId,
      ...services,
      publish: (draft) => this.#publish(draft),
      dropped: () => this.#warnings.tell([{ code: 'utterances_dropped' }]),
      describe: (leg, at) => this.#legs.describe(leg, at),
      logger: this.#log,
    });
    return this.#flow;
  }

  #base(): { callId: string; sessionId: string } {
    return { callId: this.callId, sessionId: this.id };
  }

  #publish(draft: CallEventDraft): void {
    this.#record.note(this.#services.publish(draft));
  }
}
