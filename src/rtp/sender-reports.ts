import { timestampDistance } from './sequence.js';

/** How far the clock of a stream and the wall clock of its sender went since the first report of it (RFC 3550 §6.4.1). */
export class SenderReports {
  #timestamp = -1;
  #ntpMs = 0;
  #firstNtpMs = 0;
  #counts = 0;

  /** Of the clock of the timestamps. It may have wrapped. */
  get counts(): number {
    return this.#counts;
  }

  get spanMs(): number {
    return this.#ntpMs - this.#firstNtpMs;
  }

  add(timestamp: number, ntpMs: number): void {
    if (this.#timestamp < 0) this.#firstNtpMs = ntpMs;
    else this.#counts += timestampDistance(this.#timestamp, timestamp);
    this.#timestamp = timestamp;
    this.#ntpMs = ntpMs;
  }

  clear(): void {
    this.#timestamp = -1;
    this.#ntpMs = 0;
    this.#firstNtpMs = 0;
    this.#counts = 0;
  }
}
