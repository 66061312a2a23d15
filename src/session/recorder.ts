import type { EndReason, MediaAnswer, RsOffer } from '../core/model.js';

/** The port through which the SIP floor reaches recording sessions. INVITE, re-INVITE and UPDATE are the same call: `apply`. */
export interface Recorder {
  /**
   * Begins a recording session and applies its first offer. Media ports are bound and the files open before it resolves.
   * Throws `SRS_SIP_BUSY`, `SRS_PORTS_EXHAUSTED`, `SRS_SDP_NOT_ACCEPTABLE`; then nothing is left behind.
   */
  open(offer: RsOffer): Promise<{ session: RecordingSessionPort; answer: MediaAnswer }>;
  /** Whether a new session would be taken now: OPTIONS tells the truth by it. */
  readonly accepting: boolean;
  readonly activeSessions: number;
}

/** What a BYE says besides goodbye. */
export type LastWords = Pick<RsOffer, 'metadata' | 'attributes' | 'warnings'>;

/** A key that a SIP INFO tells of. */
export interface ToldDigit {
  /** One character or `flash`. */
  readonly digit: string;
  readonly durationMs?: number;
}

export interface RecordingSessionPort {
  readonly id: string;
  /**
   * Applies a later offer. Resolves without `answer` when the offer has no SDP (metadata only).
   * Throws `SRS_SDP_NOT_ACCEPTABLE` and leaves the session as it was (RFC 3261 §14.2).
   */
  apply(offer: RsOffer): Promise<{ answer?: MediaAnswer }>;
  /** What is kept of it, the policy says. Never throws. */
  pressed(told: ToldDigit): void;
  /** The answer in force, as our offer to a re-INVITE without SDP (RFC 3264 §8). */
  readonly currentAnswer: MediaAnswer;
  /** Last metadata may come with the BYE (RFC 8068 §3.2.4). Idempotent; resolves when the files are finished. */
  end(reason: EndReason, last?: LastWords): Promise<void>;
  /** Set by the SIP floor: how to end the dialog from our side. */
  onEndRequested: ((reason: EndReason) => void) | undefined;
  /**
   * Set by the SIP floor: how to tell the SRC of a pause or resume of ours. Called when `currentAnswer` has changed by one; what
   * comes of it changes nothing of the pause. `resumed` = streams are wanted again.
   */
  onPauseSignal: ((resumed: boolean) => void) | undefined;
  /**
   * Set by the SIP floor: how to ask the SRC for a complete snapshot (RFC 7866 §9.2). Called each time that a partial one cannot be
   * understood; how often the SRC is really asked is the SIP floor's affair.
   */
  onSnapshotWanted?: (() => void) | undefined;
}
