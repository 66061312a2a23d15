import type { CallEvent } from '../core/call-event.js';
import { SrsError } from '../core/errors.js';
import type { EventLog } from '../store/event-log.js';
import { parseClientMessage } from './client-message.js';
import { eventJson } from './event-json.js';
import { Subscriptions } from './subscriptions.js';
import type { Admission } from './upgrade-gate.js';

/** As much of a WebSocket as a client's state needs; `websocket-listener.ts` has the real one. */
export interface FrameSink {
  readonly bufferedAmount: number;
  send(frame: string, written: () => void): void;
}

export interface WebSocketClientOptions {
  /** Events handed to the socket and not yet written to the network. */
  readonly queueLimit: number;
  readonly queueLimitBytes: number;
  readonly log: EventLog;
  /** Told how many events were not sent. */
  readonly dropped: (count: number) => void;
}

/** Read from the log at once while catching up. */
const REPLAY_BATCH = 200;

/**
 * One reader: what it wants, where it is, and what it has missed. While it catches up it reads the log at its own pace; from
 * then on it hears events as they come. A reader that is too slow for that misses events, and is told once it reads again.
 */
export class WebSocketClient {
  readonly #options: WebSocketClientOptions;
  readonly #sink: FrameSink;
  readonly #subscriptions: Subscriptions;
  /** Of the last event that this client was sent or did not want. */
  #seq: number;
  #catchingUp: boolean;
  #unwritten = 0;
  #missed = 0;

  constructor(sink: FrameSink, admission: Admission, options: WebSocketClientOptions) {
    this.#sink = sink;
    this.#options = options;
    this.#subscriptions = new Subscriptions(admission.names);
    this.#seq = admission.since ?? options.log.lastSeq;
    this.#catchingUp = admission.since !== undefined;
    if (this.#catchingUp) this.#begin(this.#seq);
  }

  /** Events handed over and not yet written. */
  get unwritten(): number {
    return this.#unwritten;
  }

  /** An event just published; it is already in the log. */
  publish(event: CallEvent): void {
    if (this.#catchingUp) {
      this.#catchUp();
      return;
    }
    if (!this.#subscriptions.takes(event)) return;
    if (this.#missed > 0 || this.#full()) this.#miss();
    else this.#sendEvent(event);
  }

  /** A frame of the client; answers it. */
  receive(frame: string): void {
    // Who asks and does not read gets no answers, so that they cannot pile up here.
    if (this.#full()) return;
    try {
      const message = parseClientMessage(frame);
      if (message.type === 'ping') {
        this.#send({ type: 'pong', timestamp: new Date().toISOString() });
        return;
      }
      if (message.type === 'unsubscribe') this.#subscriptions.remove(message.name);
      else if (!this.#subscriptions.add(message.name)) throw new SrsError('SRS_LISTENER', 'too many subscriptions');
      this.#send({ type: `${message.type}d`, [message.key]: message.name, seq: this.#options.log.lastSeq });
    } catch (error) {
      const message = error instanceof SrsError ? error.message : 'the message was not understood';
      this.#send({ type: 'error', code: 'bad_message', message });
    }
  }

  /** The first look into the log tells whether anything that was asked for is gone. */
  #begin(since: number): void {
    const { log } = this.#options;
    const { events, complete } = log.since(since, undefined, 1);
    const oldest = events[0]?.seq ?? log.lastSeq + 1;
    if (since > log.lastSeq) {
      // Nobody knows what an earlier run of the server still had to say: its numbers began anew.
      this.#send({ type: 'events_dropped', count: 0, since, reason: 'restarted' });
      this.#seq = oldest - 1;
    } else if (!complete) this.#skipTo(oldest);
    this.#catchUp();
  }

  #catchUp(): void {
    const { log } = this.#options;
    while (this.#catchingUp && !this.#full()) {
      const { events, complete } = log.since(this.#seq, undefined, REPLAY_BATCH);
      const oldest = events[0];
      if (!complete && oldest) this.#skipTo(oldest.seq);
      for (const event of events) {
        if (this.#full()) return;
        this.#seq = event.seq;
        if (this.#subscriptions.takes(event)) this.#sendEvent(event);
      }
      if (this.#seq >= log.lastSeq) this.#catchingUp = false;
    }
  }

  #miss(): void {
    this.#missed += 1;
    this.#options.dropped(1);
    this.#tellWhenReading();
  }

  /** Called when something was written: the client reads. */
  #written(): void {
    this.#unwritten -= 1;
    this.#tellWhenReading();
    if (this.#catchingUp) this.#catchUp();
  }

  /** Half empty before it is told, so that one who reads slowly is not told of every single event. */
  #tellWhenReading(): void {
    const { queueLimit, queueLimitBytes } = this.#options;
    if (this.#missed === 0) return;
    if (this.#unwritten > queueLimit / 2 || this.#sink.bufferedAmount > queueLimitBytes / 2) return;
    this.#send({ type: 'events_dropped', count: this.#missed, since: this.#seq, reason: 'slow' });
    this.#missed = 0;
    this.#seq = this.#options.log.lastSeq;
  }

  /** The log no longer holds what lies between; some of it may not have been for this client. */
  #skipTo(oldest: number): void {
    this.#send({ type: 'events_dropped', count: oldest - 1 - this.#seq, since: this.#seq, reason: 'expired' });
    this.#seq = oldest - 1;
  }

  #full(): boolean {
    const { queueLimit, queueLimitBytes } = this.#options;
    return this.#unwritten >= queueLimit || this.#sink.bufferedAmount > queueLimitBytes;
  }

  #sendEvent(event: CallEvent): void {
    this.#seq = event.seq;
    this.#send(eventJson(event));
  }

  #send(message: object): void {
    this.#unwritten += 1;
    this.#sink.send(JSON.stringify(message), () => this.#written());
  }
}
