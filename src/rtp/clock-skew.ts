import type { LegStatistics } from '../core/leg-statistics.js';
import { type Line, lineThrough, oneStepSpread } from './line.js';

/** Delays only add to a lag, so the least lag of a while is the nearest to the truth. */
const WINDOW_MS = 5000;
/** A window with fewer ticks in which audio came says nothing: the stream was suppressed or stalled for most of it. */
const MIN_TICKS = 10;
/** Windows that are looked at: two minutes. */
const MAX_WINDOWS = 24;
/** 30 s: earlier, nothing is believed. */
const MIN_WINDOWS = 6;
/** 60 s: where the leg began on its clock is settled by then. */
const BASE_WINDOWS = 12;
/** What a steady trend must have come to. Two legs that drift apart at 200 ppm each are then 10 ms apart. */
const TREND_MS = 5;
/** The same when sender reports tell of the same skew. */
const CONFIRMED_MS = 3;
/** How near the skews by sender reports and by arrival must be to each other to confirm it, in ppm. */
const AGREEMENT_PPM = 60;
/** A skew below this by sender reports of a minute and more denies that the sender's clock is to blame for an offset. */
const DENIAL_PPM = 10;
const REPORTS_MS = 30_000;
const DENIAL_REPORTS_MS = 60_000;
/** An offset that lasts for all windows is made good from here on, whatever brought it about. */
const OFFSET_MS = 8;
/** Slower is not told from noise by its slope, and found by its offset; faster is no clock. In ppm. */
const MIN_PPM = 8;
const MAX_PPM = 2000;
/** A line explains the lags when the sum of squares that it leaves is less than this part of what one sudden step leaves. */
const LINE_BEATS_STEP = 0.5;
/** Windows whose mean distance from the line is more than this do not move it. */
const CALM_MS = 2.5;
/** Corrections smaller than this are not begun: they would be noise. */
const SLIP_FROM_MS = 1;

export type SkewFigures = Pick<LegStatistics, 'clockSkewPpm' | 'slippedSamples'>;

/**
 * How fast the clock of a sender runs beside ours, by how far its newest sample lags behind the call clock when packets come, and by
 * the sender's own reports (RFC 3550 §6.4.1). It tells by how many samples packets to come should be moved, and asks for nothing before
 * a trend is certain: jitter, stalls of either side and a passing delay only ever raise some of the lags. Pure.
 */
export class ClockSkew {
  readonly #times: number[] = [];
  readonly #lags: number[] = [];
  #windowStart = -1;
  #ticks = 0;
  #least = 0;
  #leastAt = 0;
  #startedAt = 0;
  /** The lag with which the leg began, once it is settled. */
  #base: number | undefined;
  #correcting = false;
  /** The last line that was believed. */
  #line: Line | undefined;
  /** What packets were moved by since the leg was anchored; and how many samples that took in all, on any anchor. */
  #movedMs = 0;
  #dueMs = 0;
  #slipped = 0;
  #reportPpm: number | undefined;
  #reportSpanMs = 0;

  /** By how much packets to come should be moved; positive is later. */
  get dueMs(): number {
    return this.#dueMs;
  }

  /** Samples that were repeated or left out so far. */
  get slipped(): number {
    return this.#slipped;
  }

  /** How much faster the sender's clock is than ours, in ppm; undefined before half a minute of audio. */
  get ppm(): number | undefined {
    if (this.#lags.length < MIN_WINDOWS) return undefined;
    const line = this.#line ?? lineThrough(this.#times, this.#lags);
    return -line.slope * 1e6;
  }

  /** For the record of the leg; empty while too little came to tell. */
  get figures(): SkewFigures {
    const { ppm, slipped } = this;
    return ppm === undefined ? {} : { clockSkewPpm: Math.round(ppm), slippedSamples: slipped };
  }

  /** The stream is on a new clock. */
  restart(): void {
    this.#times.length = 0;
    this.#lags.length = 0;
    this.#windowStart = -1;
    this.#base = undefined;
    this.#correcting = false;
    this.#line = undefined;
    this.#movedMs = 0;
    this.#dueMs = 0;
    this.#reportPpm = undefined;
    this.#reportSpanMs = 0;
  }

  /** Packets came in this tick, and the newest sample lies `lagMs` behind the call clock. */
  observe(wallMs: number, lagMs: number): void {
    const lag = lagMs + this.#movedMs;
    if (this.#windowStart < 0) {
      if (this.#lags.length === 0) this.#startedAt = wallMs;
      this.#windowStart = wallMs;
      this.#ticks = 0;
    }
    if (this.#ticks === 0 || lag < this.#least) {
      this.#least = lag;
      this.#leastAt = wallMs;
    }
    this.#ticks++;
    if (wallMs - this.#windowStart < WINDOW_MS) return;
    if (this.#ticks >= MIN_TICKS) this.#add();
    this.#windowStart = -1;
    if (this.#lags.length >= MIN_WINDOWS) this.#judge(wallMs);
  }

  /** By sender reports: `rtpMs` on the clock of the stream passed in `ntpMs` of the sender's wall clock. */
  report(rtpMs: number, ntpMs: number): void {
    if (ntpMs < REPORTS_MS) return;
    this.#reportPpm = (rtpMs / ntpMs - 1) * 1e6;
    this.#reportSpanMs = ntpMs;
  }

  /** Packets are moved by so much from now on. */
  moved(ms: number, samples: number): void {
    this.#movedMs += ms;
    this.#dueMs -= ms;
    this.#slipped += samples;
  }

  #add(): void {
    if (this.#lags.length >= MAX_WINDOWS) {
      this.#times.shift();
      this.#lags.shift();
    }
    this.#times.push(this.#leastAt);
    this.#lags.push(this.#least);
  }

  #judge(wallMs: number): void {
    const line = lineThrough(this.#times, this.#lags);
    const calm = line.spread <= CALM_MS;
    const base = this.#base ?? line.at(this.#startedAt);
    const offset = line.at(wallMs) - base;
    // Several parts in a hundred are no clock but another idea of a second; that is left as it is.
    const ppm = Math.abs(line.slope) * 1e6;
    if (!this.#correcting && ppm <= MAX_PPM) this.#correcting = this.#drifts(line, offset) || this.#staysAway(base);
    if (this.#base === undefined && (this.#correcting || this.#lags.length >= BASE_WINDOWS)) this.#base = base;
    if (calm) this.#line = line;
    if (!this.#correcting) return;
    // While lags are wild, the sender's clock is taken to go on as it did.
    const wanted = (calm || !this.#line ? offset : this.#line.at(wallMs) - base) - this.#movedMs;
    this.#dueMs = Math.abs(wanted) >= SLIP_FROM_MS ? wanted : 0;
  }

  /** Whether the lags lie on a slope that has come to something. */
  #drifts(line: Line, offset: number): boolean {
    const ppm = Math.abs(line.slope) * 1e6;
    if (ppm < MIN_PPM || Math.sign(line.slope) !== Math.sign(offset)) return false;
    const told = this.#reportPpm;
    if (told !== undefined && Math.abs(told + line.slope * 1e6) <= AGREEMENT_PPM)
      return Math.abs(offset) >= CONFIRMED_MS;
    if (Math.abs(offset) < TREND_MS) return false;
    return line.squares < LINE_BEATS_STEP * oneStepSpread(this.#lags);
  }

  /** Whether all lags of two minutes have been away from the first ones, to the same side. */
  #staysAway(base: number): boolean {
    if (this.#lags.length < MAX_WINDOWS) return false;
    const told = this.#reportPpm;
    if (told !== undefined && this.#reportSpanMs >= DENIAL_REPORTS_MS && Math.abs(told) < DENIAL_PPM) return false;
    return this.#lags.every((lag) => lag - base >= OFFSET_MS) || this.#lags.every((lag) => base - lag >= OFFSET_MS);
  }
}
