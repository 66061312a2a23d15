import { Allowance } from '../core/allowance.js';
import { type DtmfPolicy, dtmfKey } from '../core/dtmf.js';
import type { RtpDropReason } from '../core/metrics.js';
import type { MediaFormat } from '../core/model.js';
import type { RtpHeader } from './rtp-packet.js';
import { REPORT_BYTES, type TelephoneEvent, TelephoneEvents } from './telephone-events.js';

/** A press that nothing was heard of for so long is over, in ms: its reports come every 20 to 100 ms (RFC 4733 §2.5.1.1). */
const SILENT_MS = 1000;
/** How far a place by the RTP timestamp may be from the arrival before the arrival is believed instead, in ms. */
const NEAR_MS = 2000;
/** After a pause or a hold, how long a press that cannot be placed by its timestamp counts as one of the pause, in ms. */
const DOUBT_MS = 500;
/** The same for one whose first packet was not seen: it may be the next segment of a key that was held through it. */
const SEGMENT_DOUBT_MS = 200;
/** Presses of a leg at once, and how many more a second after that. No finger and no dialler is as fast; a flood is. */
const BURST = 50;
const PRESSES_PER_SECOND = 25;
/** RFC 4733 §2.1 has 8000 Hz where the SDP does not say otherwise. */
const USUAL_RATE = 8000;

/** A key press as it leaves the worker. */
export interface DigitPress {
  /** Call clock. */
  readonly startMs: number;
  readonly durationMs: number;
  /** One character or `flash`; absent when it must not be known which. */
  readonly digit?: string;
}

export interface LegDigitsOptions {
  /** With `drop` nothing of such a packet is read. */
  readonly policy: DtmfPolicy;
  /** Where the call clock is now, in ms; 0 before it began. */
  readonly wallMs: () => number;
  /** Where a timestamp of a source lies on the call clock, in ms, when its clock is known. */
  readonly placeMs: (ssrc: number, timestamp: number) => number | undefined;
  readonly pressed: (press: DigitPress) => void;
}

/** Where a press began: by its arrival until its timestamp tells more. */
interface Pending {
  readonly startMs: number;
  readonly placed: boolean;
}

/** The key presses of one leg in its worker: which ones are told, and where they lie on the call clock. Knows no clock and no socket. */
export class LegDigits {
  readonly #options: LegDigitsOptions;
  readonly #events: TelephoneEvents;
  readonly #allowance = new Allowance(BURST, PRESSES_PER_SECOND);
  /** Clock rates by payload type: the duration of an event is in units of them. */
  #rates: Map<number, number> | undefined;
  #rate = USUAL_RATE;
  /** The press under way, and for a moment one that it overtook. */
  #pending: Map<TelephoneEvent, Pending> | undefined;
  #heardAt = 0;
  /** Nothing before it is told any more: the end of the last pause or hold. */
  #floorMs = 0;
  #barred = 0;
  #omitted = 0;

  constructor(options: LegDigitsOptions) {
    this.#options = options;
    this.#events = new TelephoneEvents({
      began: (event) => this.#began(event),
      ended: (event) => this.#ended(event),
    });
  }

  /** Presses that were too many to be told. */
  get omitted(): number {
    return this.#omitted;
  }

  accept(formats: readonly MediaFormat[]): void {
    this.#rates = undefined;
    for (const { payloadType, encoding, clockRate } of formats) {
      // Nearly all have the usual one.
      if (encoding.toUpperCase() !== 'TELEPHONE-EVENT' || clockRate <= 0 || clockRate === USUAL_RATE) continue;
      this.#rates ??= new Map();
      this.#rates.set(payloadType, clockRate);
    }
  }

  /** Takes a packet of an event. An empty one only keeps a pinhole open (RFC 6263 §4.1). */
  packet(header: RtpHeader, bytes: Uint8Array): RtpDropReason | undefined {
    const { ssrc, timestamp, marker, payloadType, payloadOffset, payloadLength } = header;
    if (payloadLength === 0) return undefined;
    const { policy } = this.#options;
    if (policy === 'drop') {
      bytes.fill(0, payloadOffset, payloadOffset + payloadLength);
      return undefined;
    }
    if (payloadLength < REPORT_BYTES) return 'malformed';
    this.#rate = this.#rates?.get(payloadType) ?? USUAL_RATE;
    this.#heardAt = this.#options.wallMs();
    const barred = this.#barred;
    this.#events.packet(ssrc, timestamp, marker, bytes, payloadOffset, payloadLength);
    // What must not be kept is not left lying in memory that a core dump would show.
    if (policy === 'mask') bytes.fill(0, payloadOffset, payloadOffset + payloadLength);
    return this.#barred > barred ? 'paused' : undefined;
  }

  /** @param wallMs call clock */
  tick(wallMs: number): void {
    if (this.#events.open && wallMs - this.#heardAt > SILENT_MS) this.#events.flush();
  }

  /** Ends the press under way: a hold, a pause or the end of the call begins, or another source speaks. */
  close(): void {
    this.#events.flush();
  }

  /** A pause or a hold ends. @param floorMs call clock: what was pressed before it is not told, however late it comes */
  bar(floorMs = this.#options.wallMs()): void {
    this.#floorMs = floorMs;
  }

  #began(event: TelephoneEvent): boolean {
    const byArrival = this.#heardAt - this.#lengthMs(event);
    const placed = this.#placed(event, byArrival);
    const startMs = placed ?? byArrival;
    if (this.#floorMs > 0) {
      const doubt = Math.max(placed === undefined ? DOUBT_MS : 0, event.marked ? 0 : SEGMENT_DOUBT_MS);
      if (startMs < this.#floorMs + doubt) {
        this.#barred++;
        return false;
      }
    }
    if (!this.#allowance.take(this.#heardAt)) {
      this.#omitted++;
      return false;
    }
    this.#pending ??= new Map();
    this.#pending.set(event, { startMs, placed: placed !== undefined });
    return true;
  }

  #ended(event: TelephoneEvent): void {
    const pending = this.#pending?.get(event);
    if (!pending) return;
    this.#pending?.delete(event);
    const late = pending.placed ? undefined : this.#placed(event, pending.startMs);
    const digit = this.#options.policy === 'store' ? dtmfKey(event.code) : undefined;
    this.#options.pressed({
      startMs: Math.max(0, Math.round(late ?? pending.startMs)),
      durationMs: Math.round(this.#lengthMs(event)),
      ...(digit === undefined ? {} : { digit }),
    });
  }

  /** By its timestamp, which an event shares with the audio (RFC 4733 §2.2.1); undefined when that says what cannot be. */
  #placed({ ssrc, timestamp }: TelephoneEvent, byArrival: number): number | undefined {
    const place = this.#options.placeMs(ssrc, timestamp);
    return place !== undefined && Math.abs(place - byArrival) <= NEAR_MS ? place : undefined;
  }

  #lengthMs({ duration }: TelephoneEvent): number {
    return (duration * 1000) / this.#rate;
  }
}
