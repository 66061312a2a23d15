import { SequenceTracker } from './sequence.js';

/** How many packets of a leg never came, over all its sources. */
export class LossCount {
  sequence = new SequenceTracker();
  #before = 0;
  #reported = 0;

  /** Of the sources that ended. */
  get ended(): number {
    return this.#before;
  }

  /** The present source ends. */
  endSource(): void {
    this.#before += this.sequence.finish();
    this.sequence = new SequenceTracker();
  }

  /** What to add to a counter, which cannot fall: packets that came after they were given up are set off against the next losses. */
  report(): number {
    const lost = this.#before + this.sequence.lost;
    if (lost <= this.#reported) return 0;
    const more = lost - this.#reported;
    this.#reported = lost;
    return more;
  }
}
