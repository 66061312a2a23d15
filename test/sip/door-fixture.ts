import { SrsError } from '../../src/core/errors.js';
import { silentLogger } from '../../src/core/logger.js';
import { Metrics } from '../../src/core/metrics.js';
import type { EndReason, MediaAnswer, MediaOffer, RsOffer } from '../../src/core/model.js';
import { answerStream, decideOffer } from '../../src/session/offer-policy.js';
import type { LastWords, Recorder, RecordingSessionPort, ToldDigit } from '../../src/session/recorder.js';
import type { SipDialogHandlers, SipHandlers, SipReply, SipRequestView } from '../../src/sip/sip-server.js';
import { createSiprecDoor } from '../../src/sip/siprec-door.js';

/** The port below the door, played: it answers by the real policy and keeps what it was given. */
export class PlayedRecorder implements Recorder {
  accepting = true;
  /** Thrown by the next `open`. */
  refusal: Error | undefined;
  /** `open` waits for it. */
  gate: Promise<void> = Promise.resolve();
  session: PlayedSession | undefined;
  readonly opened: RsOffer[] = [];

  get activeSessions(): number {
    return this.opened.length;
  }

  async open(offer: RsOffer): Promise<{ session: RecordingSessionPort; answer: MediaAnswer }> {
    await this.gate;
    if (this.refusal) throw this.refusal;
    if (!offer.media) throw new SrsError('SRS_SDP_NOT_ACCEPTABLE', 'no media');
    this.session = new PlayedSession(answerOf(offer.media));
    this.opened.push(offer);
    return { session: this.session, answer: this.session.currentAnswer };
  }
}

export class PlayedSession implements RecordingSessionPort {
  readonly id = 'session-1';
  currentAnswer: MediaAnswer;
  onEndRequested: ((reason: EndReason) => void) | undefined;
  onPauseSignal: ((resumed: boolean) => void) | undefined;
  onSnapshotWanted: (() => void) | undefined;
  refusal: SrsError | undefined;
  readonly applied: RsOffer[] = [];
  readonly told: ToldDigit[] = [];
  readonly ends: { reason: EndReason; last: LastWords | undefined }[] = [];

  constructor(answer: MediaAnswer) {
    this.currentAnswer = answer;
  }

  async apply(offer: RsOffer): Promise<{ answer?: MediaAnswer }> {
    if (this.refusal) throw this.refusal;
    const answer = offer.media && answerOf(offer.media);
    this.applied.push(offer);
    if (!answer) return {};
    this.currentAnswer = answer;
    return { answer };
  }

  pressed(told: ToldDigit): void {
    this.told.push(told);
  }

  async end(reason: EndReason, last?: LastWords): Promise<void> {
    this.ends.push({ reason, last });
  }
}

function answerOf(media: MediaOffer): MediaAnswer {
  const streams = decideOffer(media).map((decision) =>
    answerStream(decision, decision.formats.length === 0 ? 0 : 40_000 + 2 * decision.offered.index),
  );
  return { streams, address: '198.51.100.20', timing: media.timing };
}

export interface OpenDoor {
  readonly recorder: PlayedRecorder;
  readonly metrics: Metrics;
  readonly handlers: SipHandlers;
  /** Reasons of the BYEs that the door sent. */
  readonly byes: (string | undefined)[];
  invite(request: SipRequestView): Promise<{ reply: SipReply; session?: SipDialogHandlers }>;
  cancel(): void;
  /** Everything that the door started has run. */
  settled(): Promise<void>;
}

export function openDoor(options: { strict?: boolean } = {}): OpenDoor {
  const recorder = new PlayedRecorder();
  const metrics = new Metrics({ vendors: [], models: [] });
  const handlers = createSiprecDoor({ recorder, metrics, logger: silentLogger, ...options });
  const byes: (string | undefined)[] = [];
  const cancelled = new AbortController();
  const dialog = {
    localHost: '192.0.2.1',
    cancelled: cancelled.signal,
    bye: async (reason?: string) => {
      byes.push(reason);
    },
    request: async () => ({ status: 481, header: () => undefined, body: new Uint8Array(0) }),
  };
  return {
    recorder,
    metrics,
    handlers,
    byes,
    invite: (request) => handlers.invite(request, dialog),
    cancel: () => cancelled.abort(),
    // All work of the played recorder is done in microtasks, which end before the next macrotask.
    settled: () => new Promise((resolve) => setImmediate(resolve)),
  };
}

export async function metricOf(metrics: Metrics, series: string): Promise<number | undefined> {
  const line = (await metrics.render()).split('\n').find((text) => text.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
}
