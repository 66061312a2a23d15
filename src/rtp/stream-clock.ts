import { SenderReports } from './sender-reports.js';
import { timestampDistance } from './sequence.js';
import { SlipLog } from './slip-log.js';

/** Which timestamp of a stream lies where on its leg. Places are in samples of the leg; timestamps count the clock of the payload type. */
export class StreamClock {
  /** Whether it holds good: no other source came since. */
  anchored = false;
  /** Counts per second of the timestamps; 0 before the first stream. */
  clockRate = 0;
  readonly #slips = new SlipLog();
  readonly #reports = new SenderReports();
  #timestamp = 0;
  #position = 0;
  /** Samples per count. */
  #perCount = 1;

  /** A stream begins: `timestamp` lies at `position`. */
  anchor(timestamp: number, position: number, clockRate: number, rate: number): void {
    this.anchored = true;
    this.clockRate = clockRate;
    this.#perCount = rate / clockRate;
    this.#timestamp = timestamp;
    this.#position = position;
    this.#slips.clear();
    this.#reports.clear();
  }

  /** The leg has `factor` times as many samples now. */
  rerate(factor: number): void {
    this.#perCount *= factor;
    this.#position *= factor;
    this.#slips.rerate(factor);
  }

  /** Samples from the newest packet to a timestamp. */
  stepTo(timestamp: number): number {
    return timestampDistance(this.#timestamp, timestamp) * this.#perCount;
  }

  /** Where a timestamp lies that is `step` samples from the newest packet. */
  after(step: number): number {
    return this.#position + step;
  }

  /** Where a timestamp lies. Of one before the newest packet it is known by how much packets were moved since. */
  placeOf(timestamp: number): number {
    const step = this.stepTo(timestamp);
    return this.#position + step - (step < 0 ? this.#slips.since(timestamp) : 0);
  }

  /** The newest packet has this timestamp and lies here. */
  advance(timestamp: number, position: number): void {
    this.#timestamp = timestamp;
    this.#position = position;
  }

  /** Packets from this timestamp on lie so many samples later than those before. */
  slip(timestamp: number, samples: number): void {
    this.#slips.add(timestamp, samples);
  }

  /** A sender report: this timestamp was at `ntpMs` of the sender's wall clock. */
  report(timestamp: number, ntpMs: number): void {
    this.#reports.add(timestamp, ntpMs);
  }

  /** How far the clock went between the first report and the last, in ms by itself and by the sender's wall clock. */
  get reportedMs(): number {
    return this.clockRate > 0 ? (this.#reports.counts * 1000) / this.clockRate : 0;
  }

  get reportedNtpMs(): number {
    return this.#reports.spanMs;
  }
}
