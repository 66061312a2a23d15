import type { CallEventDraft, LegDescription } from '../core/call-event.js';
import type { Clock } from '../core/clock.js';
import { SrsError } from '../core/errors.js';
import type { Logger } from '../core/logger.js';
import type { Metrics } from '../core/metrics.js';
import type { CutUtterance } from '../rtp/media-plane.js';
import type { SttJob, SttOutcome } from '../stt/dispatcher.js';
import { OrderedRelease } from '../transcript/ordered-release.js';

export interface UtteranceFlowOptions {
  readonly sessionId: string;
  readonly callId: string;
  readonly language?: string;
  readonly submit: (job: SttJob) => Promise<SttOutcome>;
  readonly publish: (draft: CallEventDraft) => void;
  /** An utterance found no place in the queue: its audio is recorded, its words are not to come. */
  readonly dropped: () => void;
  /** The leg, and who spoke on it at a time (epoch ms). */
  readonly describe: (leg: number, at: number) => LegDescription;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly logger: Logger;
}

/** Makes the event at the moment of its release, so that its delay counts the wait for earlier utterances too. */
type DraftMaker = () => CallEventDraft;

/** Where and when an utterance was spoken: what its event needs besides the words. */
interface Place {
  readonly utteranceId: string;
  readonly leg: number;
  readonly startMs: number;
  readonly endMs: number;
  readonly endedAt: number;
}

/**
 * From cut speech to published words, for one call. Several utterances may be transcribed at once and finish in any order;
 * their events leave in the order in which the utterances ended, so that a subscriber reads the call as it was spoken.
 */
export class UtteranceFlow {
  readonly #options: UtteranceFlowOptions;
  readonly #release: OrderedRelease<DraftMaker>;
  readonly #running = new Set<Promise<void>>();

  constructor(options: UtteranceFlowOptions) {
    this.#options = options;
    this.#release = new OrderedRelease<DraftMaker>((make) => this.#publish(make()));
  }

  /** Takes an utterance and returns at once. */
  accept(cut: CutUtterance): void {
    const { sessionId, callId, language } = this.#options;
    const { samples, sampleRate, leg, number, startMs, endMs, endedAt } = cut;
    const place: Place = { utteranceId: `${sessionId}-${leg}-${number}`, leg, startMs, endMs, endedAt };
    const ticket = this.#release.reserve();
    const outcome = this.#options.submit({
      id: place.utteranceId,
      callId,
      samples,
      sampleRate,
      ...(language === undefined ? {} : { language }),
    });
    // From here on nothing holds the samples: they leave memory as soon as they are on disk.
    const work = outcome
      .then((result) => this.#release.complete(ticket, this.#draft(place, result)))
      // A fault here is one utterance's: it must neither end the process nor hold the words behind it.
      .catch((error: unknown) => {
        this.#options.logger.error({ err: error, utterance: place.utteranceId }, 'utterance result lost');
        const failure = new SrsError('SRS_INTERNAL', 'the result of an utterance was lost', { cause: error });
        this.#release.complete(ticket, this.#draft(place, { ok: false, error: failure, vendor: 'none' }));
      })
      .finally(() => this.#running.delete(work));
    this.#running.add(work);
  }

  /** Resolves when every accepted utterance has its words or its failure published. */
  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  #draft(place: Place, outcome: SttOutcome): DraftMaker {
    const { sessionId, callId, describe, clock } = this.#options;
    const { utteranceId, startMs, endMs, endedAt } = place;
    // The speaker is the one of the moment of speech. It is cut a silence later and transcribed later still: a transfer in between
    // must not change it, and a name that comes in between may still be said.
    const leg = describe(place.leg, endedAt - (endMs - startMs) / 2);
    const base = { callId, sessionId, utteranceId, leg, startMs, endMs, vendor: outcome.vendor };
    if (!outcome.ok) {
      const { code } = outcome.error;
      if (code === 'SRS_STT_SPOOL') this.#options.dropped();
      return () => ({ ...base, type: 'transcript.failed', code });
    }
    const { text, words, language } = outcome.result;
    const onCallClock = (ms: number): number => Math.min(endMs, Math.round(startMs + ms));
    return () => ({
      ...base,
      type: 'transcript.final',
      text,
      words: words.map((word) => ({ ...word, startMs: onCallClock(word.startMs), endMs: onCallClock(word.endMs) })),
      ...(language === undefined ? {} : { language }),
      model: outcome.model,
      delayMs: Math.max(0, Math.round(clock.now() - endedAt)),
    });
  }

  #publish(draft: CallEventDraft): void {
    if (draft.type === 'transcript.final') this.#options.metrics.observeTranscriptDelay(draft.delayMs);
    if (draft.type === 'transcript.failed') {
      this.#options.logger.error({ utterance: draft.utteranceId, code: draft.code }, 'utterance has no transcript');
    }
    this.#options.publish(draft);
  }
}
