import type { Clock } from '../core/clock.js';
import { SrsError } from '../core/errors.js';
import type { Logger } from '../core/logger.js';
import type { EndReason, MediaAnswer, RsOffer } from '../core/model.js';
import { Turns } from '../core/turns.js';
import type { LastWords, RecordingSessionPort } from '../session/recorder.js';
import { AnswerWriter } from './answer.js';
import { readDtmfInfo } from './dtmf-info.js';
import { complete, failureReply } from './failure.js';
import { PauseSignal } from './pause-signal.js';
import { readRsBody } from './rs-body.js';
import { type OfferPolicy, readRsOffer } from './rs-offer.js';
import type {
  SipAck,
  SipDialogControl,
  SipDialogHandlers,
  SipDialogRequest,
  SipDialogResponse,
  SipReply,
  SipRequestView,
} from './sip-server.js';
import { SnapshotRequest } from './snapshot-request.js';

export interface RecordingDialogOptions {
  readonly session: RecordingSessionPort;
  readonly dialog: SipDialogControl;
  /** The offer that began the dialog, before media was proposed for it. */
  readonly first: RsOffer;
  /** 32 hex digits of our side of the Session-ID (RFC 7989 §5). */
  readonly sessionUuid: string;
  readonly logger: Logger;
  /** What of later requests is kept. */
  readonly policy?: OfferPolicy;
  readonly clock: Clock;
}

/** One dialog and its recording session: everything after the first INVITE. */
export class RecordingDialog implements SipDialogHandlers {
  readonly #options: RecordingDialogOptions;
  readonly #writer: AnswerWriter;
  /** True from our offer in a 200 to the answer in its ACK. */
  #awaitsAnswer = false;
  /** Requests of ours go one after another. */
  readonly #turns = new Turns();
  #requestedEnd: EndReason | undefined;
  /** Both from the moment on that something is to be told: most dialogs never tell anything. */
  #snapshot: SnapshotRequest | undefined;
  #pause: PauseSignal | undefined;
  #metadataType: string | undefined;

  constructor(options: RecordingDialogOptions) {
    // The body and the INVITE itself would stay in memory as long as the call: some 10 kB that nobody asks for again.
    const { media: _media, metadata: _metadata, invite: _invite, ...origin } = options.first;
    // Named one by one: V8 makes a shape of its own for every object that begins with a spread.
    const { session, dialog, sessionUuid, logger, clock, policy } = options;
    this.#options = { session, dialog, first: origin, sessionUuid, logger, clock, ...(policy ? { policy } : {}) };
    this.#writer = new AnswerWriter(options.first.receivedAt * 1000 + Math.floor(Math.random() * 1000));
    options.session.onEndRequested = (reason) => this.#hangUp(reason);
    this.#metadataType = options.first.metadata?.mediaType;
    options.session.onSnapshotWanted = () => {
      this.#snapshot ??= this.#snapshotRequest();
      this.#snapshot.want();
    };
    options.session.onPauseSignal = (resumed) => {
      this.#pause ??= this.#pauseSignal();
      this.#pause.want(resumed);
    };
    this.#awaitsAnswer = options.first.media === undefined;
  }

  /** A 200 with a session description: plain `application/sdp`, because SRCs cannot read a multipart answer. */
  accept(request: SipRequestView, answer?: MediaAnswer): SipReply {
    const headers = sessionIdHeader(request, this.#options.sessionUuid);
    if (!answer) return { status: 200, headers };
    return { status: 200, headers, body: { type: 'application/sdp', content: this.#writer.write(answer) } };
  }

  async request(request: SipRequestView): Promise<SipReply> {
    switch (request.method) {
      case 'INVITE':
      case 'UPDATE': {
        const reply = await this.#offer(request);
        // After a re-INVITE its ACK is the better moment: until then a transaction is open.
        if (request.method === 'UPDATE') this.#ready();
        return reply;
      }
      // DTMF and picture requests by INFO, keep-alives by OPTIONS: answered, never a reason to end a recording.
      case 'INFO':
      case 'OPTIONS':
        this.#hear(request);
        this.#ready();
        return this.accept(request);
      default:
        return complete({ status: 405 });
    }
  }

  acknowledged(ack: SipAck): void {
    this.#ready();
    // An ACK without a body may be that of an earlier 200: the answer to our offer is still to come.
    if (!this.#awaitsAnswer || ack.content.byteLength === 0) return;
    this.#awaitsAnswer = false;
    void this.#takeAnswer(ack).catch((error: unknown) => {
      this.#options.logger.warn({ callId: this.#options.first.callId, code: codeOf(error) }, 'answer in ACK not taken');
    });
  }

  ended(reason: Parameters<SipDialogHandlers['ended']>[0], bye?: SipRequestView): void {
    const { session, first, logger } = this.#options;
    void session.end(this.#endReason(reason), bye && this.#lastWords(bye)).catch((error: unknown) => {
      logger.error({ callId: first.callId, code: codeOf(error) }, 'session did not end well');
    });
  }

  async #offer(request: SipRequestView): Promise<SipReply> {
    const { session, first, logger } = this.#options;
    try {
      const offer = readRsOffer(request, this.#options.policy);
      this.#metadataType = offer.metadata?.mediaType ?? this.#metadataType;
      const empty = offer.media === undefined && offer.metadata === undefined;
      const { answer } = empty ? {} : await session.apply(offer);
      if (offer.media) {
        this.#awaitsAnswer = false;
        return this.accept(request, answer ?? session.currentAnswer);
      }
      if (request.method === 'UPDATE') return this.accept(request);
      this.#awaitsAnswer = true;
      return this.accept(request, willing(session.currentAnswer));
    } catch (error) {
      const reply = refusal(error);
      logger.warn({ callId: first.callId, code: codeOf(error), status: reply.status }, 'offer in dialog refused');
      return reply;
    }
  }

  #hear(request: SipRequestView): void {
    const told = request.method === 'INFO' ? readDtmfInfo(request) : undefined;
    if (told) this.#options.session.pressed(told);
  }

  /** The SRC's answer says what an offer would: which streams it sends, and under which labels. */
  async #takeAnswer({ type, content, receivedAt }: SipAck): Promise<void> {
    const { session, first } = this.#options;
    const { media, metadata, warnings } = readRsBody({ contentType: type, content });
    if (!media) throw new SrsError('SRS_SDP_MALFORMED', 'the ACK carries no answer to our offer');
    await session.apply({ ...first, media, ...(metadata ? { metadata } : {}), warnings, receivedAt });
  }

  /** Metadata of a BYE is the last word about the call (RFC 8068 §3.2.4); nothing in it can refuse the BYE. */
  #lastWords(bye: SipRequestView): LastWords | undefined {
    try {
      return readRsOffer(bye, this.#options.policy);
    } catch (error) {
      this.#options.logger.warn({ callId: bye.callId, code: codeOf(error) }, 'body of BYE not read');
      return undefined;
    }
  }

  #endReason(reason: Parameters<SipDialogHandlers['ended']>[0]): EndReason {
    if (reason === 'local') return this.#requestedEnd ?? 'stopped';
    return reason === 'transport' ? 'failed' : reason;
  }

  #ask(request: () => SipDialogRequest): Promise<SipDialogResponse> {
    return this.#turns.take(() => this.#options.dialog.request(request()));
  }

  /** Something has arrived in the dialog: what could not be asked before may be asked now. */
  #ready(): void {
    this.#snapshot?.ready();
    this.#pause?.ready();
  }

  /**
   * The answer in force as an offer of ours: the same m-lines, none added (RFC 7866 §7.2.2), and `inactive` where we do not listen. At
   * the end of a pause all streams are wanted, because an SRC may have taken our `inactive` over as its own; its answer says what it
   * sends.
   */
  #snapshotRequest(): SnapshotRequest {
    return new SnapshotRequest({
      ask: (request) => this.#ask(() => request),
      mediaType: () => this.#metadataType,
      logger: this.#options.logger,
    });
  }

  #pauseSignal(): PauseSignal {
    const { session, first, logger, clock } = this.#options;
    return new PauseSignal({
      ask: (request) => this.#ask(request),
      offer: (resumed) => ({
        type: 'application/sdp',
        content: this.#writer.write(resumed ? willing(session.currentAnswer) : session.currentAnswer),
      }),
      take: (response) =>
        this.#takeAnswer({
          type: response.header('content-type'),
          content: response.body,
          receivedAt: clock.now(),
        }),
      callId: first.callId,
      logger,
    });
  }

  #hangUp(reason: EndReason): void {
    this.#requestedEnd ??= reason;
    void this.#options.dialog.bye(reason).catch((error: unknown) => {
      this.#options.logger.warn({ callId: this.#options.first.callId, code: codeOf(error) }, 'BYE not answered');
    });
  }
}

/**
 * Our answer as an offer (RFC 3264 §8): the same m-lines, nothing added, and willing to hear a stream that is on hold, because a
 * re-INVITE without SDP is also how an SRC ends a hold.
 */
function willing(answer: MediaAnswer): MediaAnswer {
  return {
    ...answer,
    streams: answer.streams.map((stream) => (stream.port === 0 ? stream : { ...stream, direction: 'recvonly' })),
  };
}

/** RFC 7989 §5: our half and theirs. */
export function sessionIdHeader(request: SipRequestView, local: string): Record<string, string> {
  const remote = /^\s*([0-9a-f]{32})(?:\s*;|\s*$)/i.exec(request.header('session-id') ?? '')?.[1];
  return remote === undefined ? {} : { 'Session-ID': `${local};remote=${remote.toLowerCase()}` };
}

/**
 * A refused offer inside a dialog: whatever is wrong with it, the answer is 488 and the session goes on as it was (RFC 3261 §14.2).
 * 400 and 503 there make some SRCs tear the recording down.
 */
function refusal(error: unknown): SipReply {
  const { code, message, sipStatus } = SrsError.from(error);
  if (!code.startsWith('SRS_SDP_') && sipStatus !== 503) return failureReply(error);
  return failureReply(new SrsError(code, message, { facts: { status: 488 } }));
}

function codeOf(error: unknown): string {
  return SrsError.from(error).code;
}
