import type { Clock } from '../core/clock.js';
import type { Metrics } from '../core/metrics.js';
import type { Scope } from '../core/scope.js';
import type { SttProvider } from './provider.js';

/** One utterance's place in a lane, from its submission to its outcome. */
export interface Place {
  /** Order of submission. */
  readonly number: number;
  /** Monotonic ms. */
  readonly submittedAt: number;
}

interface Entry extends Place {
  /** False while the audio is on its way to the disk. */
  ready: boolean;
  /** Called once per wait: true with a slot taken, false when the lane closes. */
  answer: (slot: boolean) => void;
}

/**
 * The queue and the slots of one vendor. Places are served in the order of submission; the oldest is waited for even when younger
 * ones are ready, which is a matter of one write to disk. A place that rests before another try holds neither a slot nor the queue.
 */
export class VendorLane {
  readonly provider: SttProvider;
  readonly #metrics: Metrics;
  readonly #clock: Clock;
  readonly #scope: Scope;
  readonly #waiting: Entry[] = [];
  readonly #resting = new Set<Entry>();
  readonly #running = new Set<AbortController>();
  #slotsTaken = 0;
  #numbers = 0;
  #closed = false;

  constructor(provider: SttProvider, metrics: Metrics, clock: Clock, scope: Scope) {
    this.provider = provider;
    this.#metrics = metrics;
    this.#clock = clock;
    this.#scope = scope;
  }

  get vendor(): string {
    return this.provider.vendor;
  }

  /** Utterances that wait for a slot or for another try. */
  get depth(): number {
    return this.#waiting.length + this.#resting.size;
  }

  /** Takes the last place of the queue. */
  reserve(): Place {
    this.#numbers += 1;
    const place = { number: this.#numbers, submittedAt: this.#clock.monotonic(), ready: false, answer: () => {} };
    this.#waiting.push(place);
    this.report();
    return place;
  }

  /** Gives a place up that never got its turn. */
  leave(place: Place): void {
    const at = this.#waiting.findIndex((entry) => entry.number === place.number);
    if (at >= 0) this.#waiting.splice(at, 1);
    this.#pump();
  }

  /** Waits for a slot. Resolves true with the slot taken, which `run` must then give back; false when the lane closes. */
  turn(place: Place): Promise<boolean> {
    const entry = this.#waiting.find((waiting) => waiting.number === place.number);
    if (this.#closed || !entry) return Promise.resolve(false);
    return new Promise((resolve) => {
      entry.answer = resolve;
      entry.ready = true;
      // Not at once: younger places that were ready before would hear of their slots before the caller waits for this one.
      queueMicrotask(() => this.#pump());
    });
  }

  /** Waits `ms`, then stands in the queue again before everything submitted later. False when the lane closed meanwhile. */
  rest(place: Place, ms: number): Promise<boolean> {
    if (this.#closed) return Promise.resolve(false);
    return new Promise((resolve) => {
      const entry: Entry = { ...place, ready: false, answer: resolve };
      this.#resting.add(entry);
      this.report();
      this.#scope.timeout(() => {
        if (!this.#resting.delete(entry)) return;
        const at = this.#waiting.findIndex((waiting) => waiting.number > entry.number);
        this.#waiting.splice(at < 0 ? this.#waiting.length : at, 0, entry);
        this.report();
        resolve(true);
      }, ms);
    });
  }

  /** Does the work in the slot that `turn` gave, and gives it back however the work ends. */
  async run<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    // One controller per run: hundreds of listeners on a shared signal would look like a leak to Node.
    const run = new AbortController();
    this.#running.add(run);
    if (this.#closed) run.abort();
    try {
      return await work(run.signal);
    } finally {
      this.#running.delete(run);
      this.#slotsTaken -= 1;
      this.#pump();
    }
  }

  /** Aborts what runs and answers false to what waits. */
  close(): void {
    this.#closed = true;
    for (const entry of [...this.#waiting.splice(0), ...this.#resting]) entry.answer(false);
    this.#resting.clear();
    for (const run of this.#running) run.abort();
    this.report();
  }

  /** Writes the gauges. */
  report(): void {
    const { vendor } = this;
    this.#metrics.sttQueueDepth.set({ vendor }, this.depth);
    this.#metrics.sttRunning.set({ vendor }, this.#slotsTaken);
    let oldest = this.#waiting[0]?.submittedAt ?? Number.POSITIVE_INFINITY;
    for (const entry of this.#resting) oldest = Math.min(oldest, entry.submittedAt);
    const ageMs = Number.isFinite(oldest) ? this.#clock.monotonic() - oldest : 0;
    this.#metrics.sttQueueOldest.set({ vendor }, ageMs / 1000);
  }

  #pump(): void {
    while (this.#slotsTaken < this.provider.slots && this.#waiting[0]?.ready) {
      const next = this.#waiting.shift();
      this.#slotsTaken += 1;
      next?.answer(true);
    }
    this.report();
  }
}
