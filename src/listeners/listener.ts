import type { CallEvent } from '../core/call-event.js';

/** One way out for transcripts. A listener keeps its own queue: `publish` never waits and never throws. */
export interface TranscriptListener {
  /** `websocket`, `amqp` …: the metric's label. */
  readonly name: 'websocket' | 'amqp' | 'record';
  publish(event: CallEvent): void;
  /** `degraded` means events wait; nothing that must not be lost has been lost. */
  health(): ListenerHealth;
  /** Waits until what was published is out, at most until the signal aborts. */
  flush(signal: AbortSignal): Promise<void>;
  /** Idempotent. */
  close(): Promise<void>;
}

export interface ListenerHealth {
  readonly state: 'ok' | 'degraded' | 'down';
  readonly waiting: number;
  readonly detail?: string;
}
