import type { Gap, GapCause, GapReport } from '../core/gap.js';
import { cover, type Stretch } from './stretch.js';

/** Gaps that are listed; the others are counted. */
const MAX_GAPS = 1000;
/** Holes that late packets may still fill. */
const MAX_OPEN = 2048;
/** Ranges of the present hole that something is known of, and ranges that were lost by us. */
const MAX_MARKS = 64;
const MAX_NOTES = 1000;
/** What is left beside a marked range for less than this belongs to it: when a hold began is only known to a tick and a packet. */
const SNAP_MS = 200;
/** Marks of one cause that are this near to each other are one. */
const JOIN_MS = 1000;
/** No packet is longer than this in practice: missing numbers that explain no more than this each explain the whole hole. */
const LONGEST_PACKET_MS = 60;
/** How long a hole may still shrink. */
const SETTLED_MS = 10_000;

/** Of two marks that overlap, the later one in this list is told. */
const RANK: readonly GapCause[] = ['unusable', 'silence_suppressed', 'dtmf', 'hold', 'pause', 'absent'];

/**
 * The book of a leg's gaps: every stretch of its file that is silence because nothing was there, and why. It is told where samples came
 * to stand, in samples of the leg; what lies between is a hole. A packet that comes late shrinks its hole. Pure; packets in order
 * cost a comparison and allocate nothing.
 */
export class GapBook {
  #perMs: number;
  /** End of the newest samples. */
  #frontier: number;
  #lastLength = 0;
  /** Cause of the next hole when more is known than the numbers of its packets tell. */
  #because: GapCause | undefined = 'no_rtp';
  #marks: Stretch[] = [];
  /** Whether one of the two above is set. */
  #told = true;
  #open: Stretch[] = [];
  #settled: Stretch[] = [];
  #omitted = 0;
  #lastOmitted: Stretch | undefined;
  #omittedSamples: Map<GapCause, number> | undefined;
  #notes: Stretch[] = [];

  /** @param origin where the leg began; before it, it was absent */
  constructor(rate: number, origin: number) {
    this.#perMs = rate / 1000;
    this.#frontier = origin;
    if (origin > 0) this.#open.push({ from: 0, to: origin, cause: 'absent' });
  }

  /** The leg is taken over from a worker that died: before `written` its file is as that one left it, and what came since is lost. */
  takeOver(written: number): void {
    this.#open = written < this.#frontier ? [{ from: written, to: this.#frontier, cause: 'media_lost' }] : [];
  }

  /** The leg has another rate now. */
  rerate(rate: number): void {
    const factor = rate / 1000 / this.#perMs;
    this.#perMs = rate / 1000;
    this.#frontier = Math.round(this.#frontier * factor);
    this.#lastLength *= factor;
    for (const [cause, samples] of this.#omittedSamples ?? []) this.#omittedSamples?.set(cause, samples * factor);
    for (const list of [this.#marks, this.#open, this.#settled, this.#notes]) {
      for (const stretch of list) {
        stretch.from = Math.round(stretch.from * factor);
        stretch.to = Math.round(stretch.to * factor);
      }
    }
  }

  /**
   * Samples came to stand in `[from, to)`. `missing`: how many sequence numbers are missing right before their packet, -1 when its
   * numbering began anew.
   */
  filled(from: number, to: number, missing: number): void {
    if (from < this.#frontier) this.#shrink(from, to);
    else if (this.#lastLength === 0 && from - this.#frontier <= to - from) this.#begin(from);
    else if (from > this.#frontier) this.#hole(from, to - from, missing);
    if (to <= this.#frontier) return;
    this.#frontier = to;
    this.#lastLength = to - from;
    if (!this.#told) return;
    this.#told = false;
    this.#because = undefined;
    if (this.#marks.length === 0) return;
    // Comfort noise announces silence until the next audio (RFC 3389 §4); a hold or a pause goes on beyond a packet from before it.
    this.#marks = this.#marks.filter(({ to: end, cause }) => end > to && cause !== 'silence_suppressed');
    this.#told = this.#marks.length > 0;
  }

  /** The cause of the next hole, when it does not lie in its sequence numbers. */
  because(cause: GapCause): void {
    this.#because = cause;
    this.#told = true;
  }

  /** Something is known of `[from, to)`, should it stay empty. */
  mark(cause: GapCause, from: number, to: number): void {
    this.#told = true;
    const last = this.#marks.findLast((mark) => mark.cause === cause);
    if (last && (from <= last.to + JOIN_MS * this.#perMs || this.#marks.length >= MAX_MARKS)) {
      last.to = Math.max(last.to, to);
    } else this.#marks.push({ from, to, cause });
  }

  /** A state begins at a place and lasts until `leave`. */
  enter(cause: GapCause, at: number): void {
    this.mark(cause, at, Number.POSITIVE_INFINITY);
  }

  leave(cause: GapCause, at: number): void {
    const last = this.#marks.findLast((mark) => mark.cause === cause);
    if (last && last.to === Number.POSITIVE_INFINITY) last.to = Math.max(last.from, at);
  }

  /** Samples that had come are not in the file, or will not be: `[from, to)` is silence whatever else is known of it. */
  note(from: number, to: number, cause: 'media_lost' | 'write_failed' | 'unusable'): void {
    if (to <= from) return;
    const last = this.#notes.at(-1);
    if (last && last.cause === cause && from <= last.to && to >= last.from) {
      last.from = Math.min(last.from, from);
      last.to = Math.max(last.to, to);
    } else if (this.#notes.length < MAX_NOTES) this.#notes.push({ from, to, cause });
    else if (last) last.to = Math.max(last.to, to);
  }

  /**
   * All gaps of a file that ends at `end`. What is no longer than a packet there, or before the first one, is none: legs send at
   * different moments, and arrival tells their places to a packet, so that those that end together may lie one apart.
   */
  report(end: number): GapReport {
    if (end > this.#frontier && end - this.#frontier > this.#lastLength) {
      this.#because ??= 'no_rtp';
      this.#hole(end, 0, 0);
      this.#frontier = end;
    }
    let stretches = [...this.#settled, ...this.#open];
    for (const note of this.#notes) stretches = insert(stretches, { ...note, to: Math.min(note.to, end) });
    const joined: Stretch[] = [];
    for (const stretch of stretches) join(joined, stretch);
    const gapMs: Partial<Record<GapCause, number>> = {};
    for (const [cause, samples] of this.#omittedSamples ?? []) gapMs[cause] = samples / this.#perMs;
    for (const { from, to, cause } of joined) gapMs[cause] = (gapMs[cause] ?? 0) + (to - from) / this.#perMs;
    const gaps: Gap[] = joined.slice(0, MAX_GAPS).map(({ from, to, cause }) => ({
      startMs: from / this.#perMs,
      endMs: to / this.#perMs,
      cause,
    }));
    return { gaps, gapsOmitted: this.#omitted + joined.length - gaps.length, gapMs };
  }

  /** The first packet begins no more than its own length after the leg: if that was absent before, it was so until here. */
  #begin(from: number): void {
    const before = this.#open.at(-1);
    if (before?.to === this.#frontier) before.to = from;
  }

  /** Between the newest samples and `to` there is nothing. */
  #hole(to: number, length: number, missing: number): void {
    let pieces = this.#explain(this.#frontier, to, length, missing);
    const snap = SNAP_MS * this.#perMs;
    for (const mark of this.#marks.sort((a, b) => RANK.indexOf(a.cause) - RANK.indexOf(b.cause))) {
      const from = mark.from - this.#frontier < snap ? this.#frontier : mark.from;
      const until = to - mark.to < snap ? to : mark.to;
      pieces = cover(pieces, from, until, mark.cause);
    }
    for (const piece of pieces) join(this.#open, piece);
    this.#settle(to - SETTLED_MS * this.#perMs);
  }

  #explain(from: number, to: number, length: number, missing: number): Stretch[] {
    if (this.#because) return [{ from, to, cause: this.#because }];
    if (missing < 0) return [{ from, to, cause: 'no_rtp' }];
    if (missing === 0) return [{ from, to, cause: 'silence_suppressed' }];
    const longest = Math.max(LONGEST_PACKET_MS * this.#perMs, this.#lastLength, length);
    if (to - from <= missing * longest) return [{ from, to, cause: 'loss' }];
    const lost = from + missing * this.#lastLength;
    return [
      { from, to: lost, cause: 'loss' },
      { from: lost, to, cause: 'silence_suppressed' },
    ];
  }

  #shrink(from: number, to: number): void {
    for (let i = this.#open.length - 1; i >= 0; i--) {
      const hole = this.#open[i] as Stretch;
      if (hole.to <= from) return;
      if (hole.from >= to) continue;
      const rest: Stretch[] = [];
      if (hole.from < from) rest.push({ from: hole.from, to: from, cause: hole.cause });
      if (hole.to > to) rest.push({ from: to, to: hole.to, cause: hole.cause });
      this.#open.splice(i, 1, ...rest);
    }
  }

  /** Holes that end before a place do not change any more. */
  #settle(before: number): void {
    while (this.#open.length > 0) {
      const [hole] = this.#open as [Stretch];
      if (hole.to > before && this.#open.length <= MAX_OPEN) return;
      this.#open.shift();
      if (this.#settled.length < MAX_GAPS || joins(this.#settled.at(-1), hole)) join(this.#settled, hole);
      else this.#omit(hole);
    }
  }

  #omit(hole: Stretch): void {
    if (!joins(this.#lastOmitted, hole)) this.#omitted++;
    this.#lastOmitted = hole;
    this.#omittedSamples ??= new Map();
    this.#omittedSamples.set(hole.cause, (this.#omittedSamples.get(hole.cause) ?? 0) + hole.to - hole.from);
  }
}

function joins(last: Stretch | undefined, next: Stretch): boolean {
  return last !== undefined && last.to === next.from && last.cause === next.cause;
}

/** Appends a stretch; neighbours of one cause become one. */
function join(list: Stretch[], next: Stretch): void {
  const last = list.at(-1);
  if (last && joins(last, next)) last.to = next.to;
  else if (next.to > next.from) list.push({ ...next });
}

/** Puts a stretch into an ordered list, in place of what it overlaps. */
function insert(list: readonly Stretch[], next: Stretch): Stretch[] {
  const before = list
    .filter(({ from }) => from < next.from)
    .map((one) => ({ ...one, to: Math.min(one.to, next.from) }));
  const after = list.filter(({ to }) => to > next.to).map((one) => ({ ...one, from: Math.max(one.from, next.to) }));
  return [...before, next, ...after];
}
