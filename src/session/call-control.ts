import type { ProblemSpan } from '../core/assurance.js';
import type { LegDescription, PausedBy } from '../core/call-event.js';
import type { PauseInterval } from '../core/pause-interval.js';
import type { PauseInstant } from '../rtp/media-plane.js';
import type { PauseCommand } from './pause-control.js';

/** A recording session that is open, as an operator sees it. Holds no words. */
export interface LiveCall {
  readonly sessionId: string;
  readonly callId: string;
  readonly state: 'recording' | 'paused' | 'draining';
  /** Epoch ms. */
  readonly startedAt: number;
  readonly legs: readonly LegDescription[];
  readonly pausedBy?: PausedBy;
  /** Legs that a command has paused. */
  readonly pausedLegs?: readonly number[];
  readonly pauses: readonly PauseInterval[];
  /** What is wrong with the recording now; absent when nothing is. */
  readonly problems?: readonly ProblemSpan[];
  readonly dialect?: string;
}

/** What came of a command. */
export interface CommandEffect {
  readonly call: LiveCall;
  readonly effective: PauseInstant;
}

/**
 * The port through which calls are commanded from our side. `id` is our session id. Every method throws `SRS_CALL_UNKNOWN` when no
 * call that is open has it, and `SRS_CALL_STATE` when the call is ending or has no such leg.
 */
export interface CallControl {
  list(): readonly LiveCall[];
  find(id: string): LiveCall;
  /** Resolves when nothing of what is received any more is kept. Throws `SRS_MEDIA_WORKER` too, see `MediaCall.setPaused`. */
  pause(id: string, command: PauseCommand): Promise<CommandEffect>;
  /** Throws `SRS_MEDIA_WORKER` too; then the pause goes on. */
  resume(id: string, command: PauseCommand): Promise<CommandEffect>;
  /** Ends the recording session by BYE; the call that it records goes on. Returns at once. */
  stop(id: string): LiveCall;
}
