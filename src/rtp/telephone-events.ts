import { dtmfKey } from '../core/dtmf.js';
import { timestampDistance } from './sequence.js';

/** A report of one event (RFC 4733 §2.3): code, then E, R and volume, then the duration so far in units of the timestamp. */
export const REPORT_BYTES = 4;
const END_BIT = 0x80;
/** A segment cannot be longer than its 16-bit duration says (§2.5.1.3). */
const MAX_SEGMENT = 0xffff;
/** From here on a segment is taken to be a full one whose last report was lost. */
const LONG_SEGMENT = 0x8000;
/** Events that are remembered, so that what still comes of them is not told again. */
const REMEMBERED = 16;

/** One key press, however many packets told of it. */
export interface TelephoneEvent {
  readonly ssrc: number;
  /** RTP timestamp of its beginning. */
  readonly timestamp: number;
  /** 0 to 16, see `dtmfKey`. */
  readonly code: number;
  /** Whether its first packet was seen: that alone has the marker bit (§2.5.1.1). */
  readonly marked: boolean;
  /** In units of the timestamp. */
  duration: number;
}

interface OpenEvent extends TelephoneEvent {
  /** Timestamp and duration of its last segment; the segments before it are in `duration` already. */
  segment: number;
  segmentDuration: number;
}

export interface TelephoneEventHooks {
  /** The first packet of a press that came. False when the press must not be told: then nothing more is heard of it. */
  began(event: TelephoneEvent): boolean;
  /** Once for each press that began. */
  ended(event: TelephoneEvent): void;
}

/**
 * Key presses out of the packets of RFC 4733. A press is reported again and again while it lasts, with the timestamp of its beginning and
 * a growing duration, and its end three times; so it is known by SSRC, timestamp and code. Whatever of it is lost, one packet is enough:
 * its end is then the next event, or `flush`. Reports of a press of more than 0xffff units come in segments, each with a timestamp of its
 * own, which lies where the one before ended. The R bit and the volume say nothing that matters here. Pure.
 */
export class TelephoneEvents {
  readonly #hooks: TelephoneEventHooks;
  #open: OpenEvent | undefined;
  /** The last press, open or not, as long as its end has not been seen: what goes on from it is no new one. */
  #last: OpenEvent | undefined;
  readonly #known: { ssrc: number; timestamp: number; code: number }[] = [];
  #next = 0;

  constructor(hooks: TelephoneEventHooks) {
    this.#hooks = hooks;
  }

  /** Whether a press is under way. */
  get open(): boolean {
    return this.#open !== undefined;
  }

  /**
   * Takes the payload of a packet. Several reports in it are presses that follow each other without a gap (§2.5.1.5). False when it
   * does not hold one whole report.
   */
  packet(ssrc: number, timestamp: number, marker: boolean, bytes: Uint8Array, offset: number, length: number): boolean {
    const end = offset + length;
    let start = timestamp;
    for (let at = offset; at + REPORT_BYTES <= end; at += REPORT_BYTES) {
      const duration = ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number);
      const ended = ((bytes[at + 1] as number) & END_BIT) !== 0;
      this.#report(ssrc, start, bytes[at] as number, duration, ended, marker && at === offset);
      start = (start + duration) >>> 0;
    }
    return length >= REPORT_BYTES;
  }

  /** Ends the press that is under way: nothing more is to be expected of it. */
  flush(): void {
    const open = this.#open;
    this.#open = undefined;
    if (open) this.#hooks.ended(open);
  }

  #report(ssrc: number, timestamp: number, code: number, duration: number, ended: boolean, marked: boolean): void {
    // A code that is no key is another event, and so the end of the one before (§2.5.2.2).
    if (dtmfKey(code) === undefined) {
      this.flush();
      return;
    }
    const last = this.#last;
    if (last && last.ssrc === ssrc && last.code === code && this.#goesOn(last, timestamp, duration, marked)) {
      if (!ended) return;
      this.#last = undefined;
      if (last === this.#open) this.flush();
      return;
    }
    if (this.#known.some((one) => one.timestamp === timestamp && one.code === code && one.ssrc === ssrc)) return;
    this.#remember(ssrc, timestamp, code);
    const event = { ssrc, timestamp, code, marked, duration, segment: timestamp, segmentDuration: duration };
    const overtaken = this.#open?.ssrc === ssrc && timestampDistance(this.#open.timestamp, timestamp) < 0;
    if (!overtaken) {
      this.flush();
      this.#last = ended ? undefined : event;
    }
    if (!this.#hooks.began(event)) return;
    // One that was overtaken by the next is over, whether its end came or not.
    if (ended || overtaken) this.#hooks.ended(event);
    else this.#open = event;
  }

  /** Whether a report belongs to the last press: to its present segment, or to the one that begins where that ends. */
  #goesOn(last: OpenEvent, timestamp: number, duration: number, marked: boolean): boolean {
    const ahead = timestampDistance(last.segment, timestamp);
    if (ahead === 0) {
      if (duration > last.segmentDuration) {
        last.duration += duration - last.segmentDuration;
        last.segmentDuration = duration;
      }
      return true;
    }
    const full = last.segmentDuration >= LONG_SEGMENT && ahead >= last.segmentDuration && ahead <= MAX_SEGMENT + 1;
    if (marked || ahead <= 0 || (ahead !== last.segmentDuration && ahead !== MAX_SEGMENT && !full)) return false;
    last.duration += ahead - last.segmentDuration + duration;
    last.segment = timestamp;
    last.segmentDuration = duration;
    this.#remember(last.ssrc, timestamp, last.code);
    return true;
  }

  #remember(ssrc: number, timestamp: number, code: number): void {
    this.#known[this.#next] = { ssrc, timestamp, code };
    this.#next = (this.#next + 1) % REMEMBERED;
  }
}
