import { timestampDistance } from './sequence.js';

/** How long after a pause, and how far back, a packet is known by its timestamp to be one of the pause. */
const MEMORY_MS = 10_000;

/** The newest packet that was dropped in a pause, by which those are known that it has overtaken. */
export class PauseMemory {
  #ssrc = -1;
  #timestamp = 0;
  /** Until this time of the call clock it is remembered. */
  #until = 0;

  /** A packet was dropped. */
  note(ssrc: number, timestamp: number): void {
    if (ssrc === this.#ssrc && timestampDistance(this.#timestamp, timestamp) <= 0) return;
    this.#ssrc = ssrc;
    this.#timestamp = timestamp;
  }

  /** Whether a packet after the pause was spoken in it. @param clockRate what its timestamp counts, in Hz */
  holds(ssrc: number, timestamp: number, clockRate: number): boolean {
    if (ssrc !== this.#ssrc) return false;
    const ahead = timestampDistance(this.#timestamp, timestamp);
    return ahead <= 0 && ahead > (-MEMORY_MS * clockRate) / 1000;
  }

  /** The pause is over. */
  resumed(wallMs: number): void {
    this.#until = wallMs + MEMORY_MS;
  }

  tick(wallMs: number, paused: boolean): void {
    if (wallMs > this.#until && !paused) this.#ssrc = -1;
  }
}
