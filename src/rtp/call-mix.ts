import { doubleRate, HALF_BAND_REACH } from '../audio/half-band.js';
import type { RaisableWav } from '../audio/raisable-wav.js';
import type { LegTimeline } from './leg-timeline.js';
import type { Payload } from './payload.js';

/** Frames that are interleaved at a time. One block serves all calls of a thread: it is used up before the call returns. */
const BLOCK_FRAMES = 8192;
export const MAX_CHANNELS = 8;
const block = new Int16Array(BLOCK_FRAMES * MAX_CHANNELS);
const blockBytes = new Uint8Array(block.buffer);
const blockPairs = new Int32Array(block.buffer);
/** A stretch of a narrow-band leg with what its interpolation needs on either side. */
const narrow = new Int16Array(BLOCK_FRAMES / 2 + 2 * HALF_BAND_REACH + 2);
const narrowBytes = new Uint8Array(narrow.buffer);

/** A leg and its own file, as far as `call.wav` needs them. */
export interface MixedLeg {
  readonly timeline: LegTimeline;
  readonly writer: {
    readonly frames: number;
    read(frame: number, block: Uint8Array, offset: number, length: number): void;
  };
}

/**
 * `call.wav`: leg n is channel n. It has the rate of its widest leg; narrower ones are interpolated as they are written, which needs
 * nothing but their samples around, so that a stretch that changes later is made anew.
 */
export class CallMix {
  readonly writer: RaisableWav;
  readonly channels: number;
  readonly #legs: ReadonlyMap<number, MixedLeg>;
  /** Frames; even, so that a sample of a narrow-band leg and the one interpolated after it are written together. */
  #written: number;
  /** Frames that were there at the beginning. */
  #found: number;

  constructor(writer: RaisableWav, legs: ReadonlyMap<number, MixedLeg>) {
    this.writer = writer;
    this.channels = writer.channels;
    this.#found = even(writer.frames);
    this.#written = this.#found;
    this.#legs = legs;
  }

  /** Doubles the rate when a leg of so many samples per second comes. False when that cannot be done. */
  raise(rate: number): boolean {
    if (rate <= this.writer.sampleRate) return true;
    const empty = [...this.#legs.values()].every(({ timeline }) => timeline.untouched);
    if (!this.writer.raise(empty)) return false;
    this.#written *= 2;
    this.#found *= 2;
    // At its end the file was interpolated as if silence came. The rings know what came.
    for (const [leg, { timeline }] of this.#legs) {
      if (empty || leg > this.channels) continue;
      const from = Math.max(0, this.#written - 4 * HALF_BAND_REACH);
      this.#edit(from, this.#written, (at, until) => this.#copyRing(timeline, leg, at, until));
    }
    return true;
  }

  /** Puts in what a leg's file had and this had not, when the worker before died. */
  catchUp(leg: number): void {
    const mixed = this.#legs.get(leg);
    if (leg > this.channels || !mixed) return;
    const { writer } = mixed;
    const factor = this.#factor(mixed.timeline);
    const end = even(writer.frames * factor);
    const samples = new Int16Array(factor === 1 ? BLOCK_FRAMES : 0);
    const bytes = new Uint8Array(samples.buffer);
    this.#edit(this.#found, end, (from, to) => {
      if (factor === 1) {
        writer.read(from, bytes, 0, (to - from) * 2);
        for (let i = 0; i < to - from; i++) block[i * this.channels + leg - 1] = samples[i] as number;
        return;
      }
      this.#interpolate(leg, from, to, (position, count, index) =>
        writer.read(position, narrowBytes, index * 2, count * 2),
      );
    });
    this.#written = Math.max(this.#written, end);
  }

  /** Writes what all channels have. True when there was something. */
  grow(): boolean {
    let end = Number.POSITIVE_INFINITY;
    for (let leg = 1; leg <= this.channels; leg++) {
      const timeline = this.#legs.get(leg)?.timeline;
      if (!timeline) continue;
      const factor = this.#factor(timeline);
      // What is interpolated at the end depends on what comes next.
      end = Math.min(end, factor === 1 ? timeline.committed : (timeline.committed - HALF_BAND_REACH) * factor);
    }
    return Number.isFinite(end) && this.writeTo(even(end));
  }

  /** Writes everything before a frame, with silence where a channel has nothing. True when there was something. */
  writeTo(end: number): boolean {
    if (end <= this.#written) return false;
    while (this.#written < end) {
      const from = this.#written;
      const to = Math.min(end, from + BLOCK_FRAMES);
      if (!this.#pair(from, to)) this.#gather(from, to);
      this.writer.write(from, blockBytes, 0, (to - from) * this.channels * 2);
      this.#written = to;
    }
    return true;
  }

  /** Puts all channels into the block, one after another. */
  #gather(from: number, to: number): void {
    block.fill(0, 0, (to - from) * this.channels);
    for (let leg = 1; leg <= this.channels; leg++) {
      const timeline = this.#legs.get(leg)?.timeline;
      if (timeline) this.#copyRing(timeline, leg, from, to);
    }
  }

  /** Does the same for two legs that have all of it at the rate of the file, as nearly always, in half the time. */
  #pair(from: number, to: number): boolean {
    const left = this.#legs.get(1)?.timeline;
    const right = this.#legs.get(2)?.timeline;
    if (this.channels !== 2 || !left || !right) return false;
    for (const timeline of [left, right]) {
      const held = timeline.head - timeline.ring.capacity <= from && to <= timeline.head;
      if (!held || this.#factor(timeline) !== 1) return false;
    }
    left.ring.interleave(right.ring, blockPairs, from, to);
    return true;
  }

  /** The ring of a leg will not hold what lies before a place any more. */
  makeRoom(leg: number, before: number): void {
    const timeline = this.#legs.get(leg)?.timeline;
    if (leg <= this.channels && timeline) this.writeTo(even(before * this.#factor(timeline) + 1));
  }

  /** Samples of a leg changed, or came to be. */
  patch(leg: number, from: number, to: number): void {
    const timeline = this.#legs.get(leg)?.timeline;
    if (leg > this.channels || !timeline) return;
    const factor = this.#factor(timeline);
    const reach = factor === 1 ? 0 : HALF_BAND_REACH;
    const start = Math.max(0, from - reach) * factor;
    const end = Math.min((to + reach) * factor, this.#written);
    // Asked with every stretch that is committed, and nearly always in vain: then nothing is made for it.
    if (start >= end) return;
    this.#edit(start, end, (at, until) => this.#copyRing(timeline, leg, at, until));
  }

  /** Puts `length` samples of a very late packet where they belong. They are in the leg's own file already. */
  patchPast(leg: number, from: number, payload: Payload, first: number, length: number): void {
    const mixed = this.#legs.get(leg);
    if (leg > this.channels || !mixed) return;
    const factor = this.#factor(mixed.timeline);
    if (factor === 1) {
      this.#edit(from, Math.min(from + length, this.#written), (at, until) =>
        payload.copyInto(block, first + at - from, first + until - from, leg - 1, this.channels),
      );
      return;
    }
    const start = Math.max(0, from - HALF_BAND_REACH) * factor;
    this.#edit(start, Math.min((from + length + HALF_BAND_REACH) * factor, this.#written), (at, until) => {
      this.#interpolate(leg, at, until, (position, count, index) =>
        mixed.writer.read(position, narrowBytes, index * 2, count * 2),
      );
    });
  }

  /** Lowest place of a leg that its ring must hold for this. */
  keptOf(leg: number, timeline: LegTimeline): number {
    if (leg > this.channels) return Number.POSITIVE_INFINITY;
    const factor = this.#factor(timeline);
    return factor === 1 ? this.#written : Math.max(0, Math.floor(this.#written / factor) - HALF_BAND_REACH);
  }

  #factor(timeline: LegTimeline): number {
    return this.writer.sampleRate / timeline.rate;
  }

  /** Reads frames back, lets `fill` put one channel into the block, and writes them again. */
  #edit(start: number, end: number, fill: (from: number, to: number) => void): void {
    for (let from = start; from < end; from += BLOCK_FRAMES) {
      const to = Math.min(end, from + BLOCK_FRAMES);
      const bytes = (to - from) * this.channels * 2;
      blockBytes.fill(0, 0, bytes);
      this.writer.read(from, blockBytes, 0, bytes);
      fill(from, to);
      this.writer.write(from, blockBytes, 0, bytes);
    }
  }

  /** Puts the part of frames `[from, to)` that the ring of a leg holds into its channel of the block, whose first frame is `from`. */
  #copyRing(timeline: LegTimeline, leg: number, from: number, to: number): void {
    const { ring } = timeline;
    const held = Math.max(timeline.head - ring.capacity, 0);
    if (this.#factor(timeline) === 1) {
      const start = Math.max(from, held);
      const end = Math.min(to, timeline.head);
      if (start < end) ring.copyInto(block, start, end, (start - from) * this.channels + leg - 1, this.channels);
      return;
    }
    const first = Math.max(from, 2 * held);
    if (first >= to) return;
    this.#interpolate(
      leg,
      first,
      to,
      (position, count, index) => {
        const start = Math.max(position, held);
        const end = Math.min(position + count, timeline.head);
        if (start < end) ring.copyInto(narrow, start, end, index + start - position);
      },
      from,
    );
  }

  /**
   * Interpolates frames `[from, to)` of a leg at half the rate into its channel. `read` puts so many of the leg's samples from a place on
   * into `narrow`, beginning at an index.
   */
  #interpolate(
    leg: number,
    from: number,
    to: number,
    read: (position: number, count: number, index: number) => void,
    blockStart = from,
  ): void {
    const start = from / 2;
    const length = Math.ceil((to - from) / 2);
    const first = Math.max(0, start - HALF_BAND_REACH);
    const index = first - (start - HALF_BAND_REACH);
    narrow.fill(0, 0, length + 2 * HALF_BAND_REACH);
    read(first, start + length + HALF_BAND_REACH - first, index);
    doubleRate(narrow, HALF_BAND_REACH, length, block, (from - blockStart) * this.channels + leg - 1, this.channels);
  }
}

/** Down to an even number. Places of long calls are beyond 32 bits. */
function even(position: number): number {
  return position - (position % 2);
}
