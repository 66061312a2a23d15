import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Metrics } from '../../src/core/metrics.js';
import type { Figures } from './figures.js';

/** The timer of Node's monitor, in ms; what it records is the delay and this. */
const RESOLUTION_MS = 10;

/** Reads the figures of its own process. */
export class SelfWatch {
  readonly #metrics: Metrics;
  readonly #delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
    this.#delay.enable();
  }

  async figures(): Promise<Figures> {
    const { user, system } = process.cpuUsage();
    const loopDelayP99 = Math.max(0, this.#delay.percentile(99) / 1e6 - RESOLUTION_MS);
    this.#delay.reset();
    return {
      cpuMicroseconds: user + system,
      residentBytes: process.memoryUsage.rss(),
      packets: sum(await this.#metrics.rtpPackets.get()),
      dropped: sum(await this.#metrics.rtpDropped.get()),
      loopDelayP99,
    };
  }
}

function sum({ values }: { readonly values: readonly { readonly value: number }[] }): number {
  return values.reduce((total, { value }) => total + value, 0);
}
