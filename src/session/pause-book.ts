import type { PauseInterval } from '../core/pause-interval.js';
import type { PauseInstant } from '../rtp/media-plane.js';

/** Intervals that are kept of one call. A caller that pauses without end fills no memory; the oldest ones make room. */
const MAX_INTERVALS = 1000;

/**
 * Which legs a command of ours has paused, and when that was so. An interval is a time in which the paused legs were the same, so that
 * a change of them ends one and begins the next. Pure bookkeeping.
 */
export class PauseBook {
  /** Whether all legs are paused, and those to come. */
  #whole = false;
  /** Of a whole pause the legs that are not; else the legs that are. */
  #legs = new Set<number>();
  #intervals: PauseInterval[] = [];
  #open = false;

  get any(): boolean {
    return this.#whole || this.#legs.size > 0;
  }

  get intervals(): readonly PauseInterval[] {
    return this.#intervals;
  }

  /** The interval that goes on. */
  get current(): PauseInterval | undefined {
    return this.#open ? this.#intervals.at(-1) : undefined;
  }

  paused(leg: number): boolean {
    return this.#whole !== this.#legs.has(leg);
  }

  /** Whether a command would change anything. */
  differs(paused: boolean, legs: readonly number[] | undefined): boolean {
    if (legs) return legs.some((leg) => this.paused(leg) !== paused);
    return paused ? !this.#whole || this.#legs.size > 0 : this.any;
  }

  /** When the pause began that all these legs are in; without legs that of the whole call. */
  since(legs: readonly number[] | undefined): PauseInstant | undefined {
    let first: PauseInterval | undefined;
    for (const interval of this.#open ? this.#intervals.toReversed() : []) {
      const covers = !interval.legs || legs?.every((leg) => interval.legs?.includes(leg)) === true;
      if (!covers || (first && interval.to !== first.from)) break;
      first = interval;
    }
    return first && { at: first.from, atMs: first.fromMs ?? 0 };
  }

  /** When the latest pause ended that one of these legs was in; without legs that of any. */
  until(legs: readonly number[] | undefined): PauseInstant | undefined {
    const concerns = (one: PauseInterval): boolean => !legs || !one.legs || one.legs.some((leg) => legs.includes(leg));
    const { to, toMs } = this.#intervals.findLast(concerns) ?? {};
    return to === undefined || toMs === undefined ? undefined : { at: to, atMs: toMs };
  }

  /**
   * Whether a resume of these legs leaves none paused.
   *
   * @param live the legs that are there
   */
  endsBy(legs: readonly number[], live: readonly number[]): boolean {
    return live.every((leg) => legs.includes(leg) || !this.paused(leg));
  }

  set(paused: boolean, legs: readonly number[] | undefined): void {
    if (!legs) {
      this.#whole = paused;
      this.#legs.clear();
      return;
    }
    for (const leg of legs) {
      if (paused === this.#whole) this.#legs.delete(leg);
      else this.#legs.add(leg);
    }
  }

  /** Notes that what `set` brought is in force. @param at without `atMs` when nobody confirmed it */
  note(
    at: { readonly at: number; readonly atMs?: number },
    by: string,
    live: readonly number[],
    reason?: string,
  ): void {
    this.end(at, by);
    if (!this.any) return;
    const legs = live.filter((leg) => this.paused(leg));
    const all = this.#whole && this.#legs.size === 0;
    this.#intervals.push({
      ...(all ? {} : { legs }),
      from: at.at,
      ...(at.atMs === undefined ? {} : { fromMs: at.atMs }),
      by,
      ...(reason === undefined || reason === '' ? {} : { reason }),
    });
    if (this.#intervals.length > MAX_INTERVALS) this.#intervals.shift();
    this.#open = true;
  }

  /** The worker confirmed the interval that goes on after all. */
  confirm({ at, atMs }: PauseInstant): void {
    const last = this.current;
    if (last) this.#intervals = [...this.#intervals.slice(0, -1), { ...last, from: at, fromMs: atMs }];
  }

  end(at: { readonly at: number; readonly atMs?: number }, by: string): void {
    const last = this.current;
    if (!last) return;
    const ended = { ...last, to: at.at, ...(at.atMs === undefined ? {} : { toMs: at.atMs }), endedBy: by };
    this.#intervals = [...this.#intervals.slice(0, -1), ended];
    this.#open = false;
  }
}
