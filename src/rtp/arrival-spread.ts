import { timestampDistance } from './sequence.js';

/** Packets that are looked at in one tick: a second of 60 ms packets, or a tick of 100 ms of any. More would only be a burst. */
const PER_TICK = 16;
/** Packets by which the middle is found before any counts: two seconds of 20 ms packets. */
const WARM_UP = 100;
/** Packets before anything is told: as many again. */
const ENOUGH = 100;
/** Ms off the middle beyond which a packet is of another clock, or of a sender that stood still: the middle is sought anew. */
const OTHER_CLOCK = 2000;
/** How far the middle follows a packet that was off it. */
const FOLLOW = 1 / 4;
/** Weight of a packet in what is recent: about the last five seconds of 20 ms packets. */
const RECENT = 1 / 256;

/**
 * How far the delay of packets is spread about its middle, although arrival is only known to a tick.
 *
 * RFC 3550 §A.8 takes the difference between arrivals of neighbours, which of packets that are drained together would be zero, and
 * a whole tick at each border: 30 ms for a stream without any jitter. Instead, each packet has a time at which it is due, by its
 * timestamp and the middle of the delay so far. It came within its tick; how far its due time lies outside of that, `d`, is the least
 * that it was off. For a packet that was off by `e`, and ticks of length `T` that know nothing of it, `d` is `e²/2T` on average, whatever
 * `e` up to `T` is. So the mean of `2Td` is the mean square of `e`, and its root the standard deviation of the delay: nothing is
 * known of one packet, and after a few hundred the sum is right. RFC 3550's figure is 1.1 times that for a normal distribution and the
 * same for an exponential one.
 *
 * A stall of this thread makes one long tick, in which every packet is on time. Spreads well below the time between packets are
 * rough, because their times and the ticks keep step. Pure; per packet it stores one number.
 */
export class ArrivalSpread {
  readonly #timestamps = new Uint32Array(PER_TICK);
  #waiting = 0;
  #rate = 8000;
  #reference = 0;
  /** Ms by the clock of the ticks at which the reference is due; NaN before the first packet. */
  #due = Number.NaN;
  #interval = 0;
  #seen = 0;
  #count = 0;
  #sum = 0;
  #recent = 0;

  /** A packet came that holds audio; `timestamp` is its own. */
  note(timestamp: number): void {
    if (this.#waiting < PER_TICK) this.#timestamps[this.#waiting++] = timestamp;
  }

  /** Another source, with a clock of its own. @param rate of its timestamps, in Hz */
  restart(rate = this.#rate): void {
    this.#rate = rate;
    this.#waiting = 0;
    this.#due = Number.NaN;
    this.#seen = 0;
  }

  /** The tick is over: what was noted arrived after `from` and not after `to`, in ms of any one clock. */
  tick(from: number, to: number): void {
    const length = to - from;
    this.#interval += (length - this.#interval) / (this.#interval === 0 ? 1 : 8);
    const waiting = this.#waiting;
    this.#waiting = 0;
    for (let i = 0; i < waiting; i++) this.#take(this.#timestamps[i] as number, from, to);
  }

  /** Standard deviation over the whole life, all sources together, in ms. Undefined while there is not enough to tell. */
  get ms(): number | undefined {
    return this.#count < ENOUGH ? undefined : Math.sqrt(this.#sum / this.#count);
  }

  /** The same of the last seconds, 0 while there is not enough to tell. */
  get recentMs(): number {
    return this.#count < ENOUGH ? 0 : Math.sqrt(this.#recent);
  }

  #take(timestamp: number, from: number, to: number): void {
    const step = timestampDistance(this.#reference, timestamp);
    let due = this.#due + (step * 1000) / this.#rate;
    // The first packet is taken to have come just now.
    if (Number.isNaN(due)) due = to;
    const off = due > to ? to - due : due <= from ? from - due : 0;
    if (Math.abs(off) > OTHER_CLOCK) {
      this.restart();
      return;
    }
    this.#seen++;
    const settling = this.#seen < WARM_UP;
    // Overtaken packets are no reference, and show their delay by being due long ago.
    const middle = due + off * (settling ? 0.5 : FOLLOW);
    if (Number.isNaN(this.#due) || step > 0) {
      this.#reference = timestamp;
      this.#due = middle;
    } else this.#due += middle - due;
    // A tick twice as long as most was a stall of ours, and says nothing about the sender.
    if (!settling && to - from <= 2 * this.#interval) this.#add(Math.abs(off), to - from);
  }

  #add(least: number, tick: number): void {
    // Beyond a tick the square grows with the packet's own distance, of which half a tick is unknown on average.
    const square = least < tick / 2 ? 2 * tick * least : (least + tick / 2) ** 2;
    this.#count++;
    this.#sum += square;
    this.#recent += (square - this.#recent) * Math.max(RECENT, 1 / this.#count);
  }
}
