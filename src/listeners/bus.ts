import type { CallEvent, CallEventDraft } from '../core/call-event.js';
import type { Clock } from '../core/clock.js';
import { uuid } from '../core/ids.js';
import type { Logger } from '../core/logger.js';
import type { Metrics } from '../core/metrics.js';
import type { EventLog } from '../store/event-log.js';
import type { ListenerHealth, TranscriptListener } from './listener.js';

export interface EventBusOptions {
  readonly log: EventLog;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly logger: Logger;
}

/** Gives every event its id and place, keeps it in the log, and hands it to every listener. Never throws, never waits. */
export class EventBus {
  readonly #options: EventBusOptions;
  readonly #listeners = new Set<TranscriptListener>();
  readonly #watchers = new Set<(event: CallEvent) => void>();
  #seq: number;
  #closing: Promise<void> | undefined;

  constructor(options: EventBusOptions) {
    this.#options = options;
    // A durable log remembers the events of earlier runs, and the numbers go on from there.
    this.#seq = options.log.lastSeq;
  }

  /** From now on the listener gets every event. The bus closes it. Returns a function that takes it off again. */
  subscribe(listener: TranscriptListener): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  /** A function inside this process that hears every event. Returns a function that takes it off again. */
  on(watcher: (event: CallEvent) => void): () => void {
    this.#watchers.add(watcher);
    return () => {
      this.#watchers.delete(watcher);
    };
  }

  publish(draft: CallEventDraft): CallEvent {
    this.#seq += 1;
    const event: CallEvent = { ...draft, eventId: uuid(), seq: this.#seq, at: this.#options.clock.now() };
    this.#guard('log', () => this.#options.log.append(event));
    for (const listener of this.#listeners) this.#guard(listener.name, () => listener.publish(event));
    for (const watcher of this.#watchers) this.#guard('watcher', () => watcher(event));
    return event;
  }

  /** By the listener's name. */
  health(): ReadonlyMap<string, ListenerHealth> {
    return new Map([...this.#listeners].map((listener) => [listener.name, listener.health()]));
  }

  /** Resolves when every listener has handed over what it holds, or the signal aborts. */
  async flush(signal: AbortSignal): Promise<void> {
    await Promise.allSettled([...this.#listeners].map((listener) => listener.flush(signal)));
  }

  /** Closes every listener. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= Promise.allSettled([...this.#listeners].map((listener) => listener.close())).then(() => {});
    return this.#closing;
  }

  #guard(name: TranscriptListener['name'] | 'log' | 'watcher', work: () => void): void {
    try {
      work();
    } catch (error) {
      // The metric's label set is closed: the log and watchers are counted as the record, which they are.
      const listener = name === 'log' || name === 'watcher' ? 'record' : name;
      this.#options.metrics.listenerErrors.inc({ listener });
      this.#options.logger.error({ err: error, listener: name }, 'listener failed on an event');
    }
  }
}
