import type { Payload } from './payload.js';
import { timestampDistance } from './sequence.js';

/** Packets and audio that wait for an anchor at most: two full socket buffers. */
const MAX_PACKETS = 512;
const MAX_MS = 10_250;
/** Packets further apart than this are not one run. */
const RUN_MS = 5000;

interface WaitingPacket {
  readonly timestamp: number;
  readonly payload: Payload;
  readonly missing: number;
}

/** Packets of one source that wait for their place; `low` and `high` bound their samples, relative to `base`. */
export interface Run {
  readonly base: number;
  readonly clockRate: number;
  packets: WaitingPacket[];
  low: number;
  high: number;
}

/** Packets of a leg that came before it is known where on the call clock they belong. */
export class WaitingRoom {
  #rate: number;
  #runs: Run[] = [];
  #packets = 0;
  #payload = 0;
  #newRun = false;
  /** Ticks since the first of them came. */
  ticks = 0;

  /** @param rate samples per second of the leg */
  constructor(rate: number) {
    this.#rate = rate;
  }

  get empty(): boolean {
    return this.#packets === 0;
  }

  /** Samples from the first to the last of every run. */
  get samples(): number {
    let sum = 0;
    for (const { low, high } of this.#runs) sum += high - low;
    return sum;
  }

  /** What comes next belongs to another source than what is here. */
  newRun(): void {
    this.#newRun = true;
  }

  /** Keeps a copy of a packet; it is late when there is no room. */
  add(timestamp: number, payload: Payload, newest: boolean, missing: number): 'waiting' | 'late' {
    const { length, clockRate } = payload;
    if (this.#packets >= MAX_PACKETS || this.#payload + length > (MAX_MS * this.#rate) / 1000) return 'late';
    let run = this.#runs.at(-1);
    const at = run ? (timestampDistance(run.base, timestamp) * this.#rate) / run.clockRate : 0;
    if (!run || this.#newRun || run.clockRate !== clockRate || Math.abs(at) > (RUN_MS * this.#rate) / 1000) {
      if (run && !newest) return 'late';
      if (!run) this.ticks = 0;
      run = { base: timestamp, clockRate, packets: [], low: 0, high: length };
      this.#runs.push(run);
      this.#newRun = false;
    } else {
      run.low = Math.min(run.low, Math.round(at));
      run.high = Math.max(run.high, Math.round(at) + length);
    }
    run.packets.push({ timestamp, payload: payload.copy(), missing });
    this.#packets++;
    this.#payload += length;
    return 'waiting';
  }

  /** The leg has another rate: twice the one before when something is here. */
  rerate(rate: number): void {
    const factor = rate / this.#rate;
    this.#rate = rate;
    this.#payload *= factor;
    for (const run of this.#runs) {
      run.low *= factor;
      run.high *= factor;
      run.packets = run.packets.map((packet) => ({ ...packet, payload: packet.payload.doubled() }));
    }
  }

  /** The only run, when there is one and no other. */
  get only(): Run | undefined {
    return this.#runs.length === 1 ? this.#runs[0] : undefined;
  }

  /** Empties the room. */
  take(): Run[] {
    const runs = this.#runs;
    this.#runs = [];
    this.#packets = 0;
    this.#payload = 0;
    this.#newRun = false;
    return runs;
  }
}
