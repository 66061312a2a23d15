import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ReorderQueue } from '../../src/rtp/reorder-queue.js';
import '../helpers/property-seed.js';

const FORMAT = { clockRate: 8000 };

/** Packets of 20 ms whose payload is their number. */
class Bench {
  /** Numbers handed on, `|` before one that does not follow the one before it. */
  readonly out: string[] = [];
  readonly queue = new ReorderQueue<typeof FORMAT>(({ sequence, bytes, offset, missing, follows }) => {
    expect(bytes[offset]).toBe(sequence & 0xff);
    this.out.push(`${follows ? '' : '|'}${sequence}${missing > 0 ? `(-${missing})` : ''}`);
  });
  #newest = -1;

  push(...sequences: number[]): boolean[] {
    return sequences.map((sequence) => {
      const newest = this.#newest < 0 || ((sequence - this.#newest) << 16) >> 16 > 0;
      if (newest) this.#newest = sequence;
      return this.queue.push(sequence, sequence * 160, FORMAT, Uint8Array.of(sequence & 0xff), 0, 1, newest);
    });
  }
}

describe('the queue before a decoder', () => {
  it('sorts the beginning of a stream, and then hands on at once what comes in order', () => {
    const bench = new Bench();
    bench.push(12, 10, 11);
    expect(bench.out).toEqual([]);
    bench.queue.tick();
    bench.push(13, 14);
    expect(bench.out).toEqual(['|10', '11', '12', '13', '14']);
    expect(bench.queue.held).toBe(0);
  });

  it('waits for a packet that was overtaken', () => {
    const bench = new Bench();
    bench.push(1);
    bench.queue.tick();
    bench.push(3, 4, 2, 5);
    expect(bench.out).toEqual(['|1', '2', '3', '4', '5']);
  });

  it('gives a packet up when 100 ms of audio have come since, and says that it is missing', () => {
    const bench = new Bench();
    bench.push(1);
    bench.queue.tick();
    bench.push(3, 4, 5, 6, 7);
    expect(bench.out).toEqual(['|1']);
    bench.push(8);
    expect(bench.out).toEqual(['|1', '|3(-1)', '4', '5', '6', '7', '8']);
    expect(bench.push(2)).toEqual([false]);
  });

  it('gives a packet up when nothing came in a whole tick', () => {
    const bench = new Bench();
    bench.push(1);
    bench.queue.tick();
    bench.push(4);
    bench.queue.tick();
    expect(bench.out).toEqual(['|1']);
    bench.queue.tick();
    expect(bench.out).toEqual(['|1', '|4(-2)']);
  });

  it('goes on over the wrap of the numbers, and begins anew when they do', () => {
    const bench = new Bench();
    bench.push(65_534);
    bench.queue.tick();
    bench.push(0, 65_535, 1);
    bench.queue.restart();
    bench.push(40_000, 40_001);
    bench.queue.tick();
    expect(bench.out).toEqual(['|65534', '65535', '0', '1', '|40000', '40001']);
  });

  it('hands on each packet once at most, in order, and all of them when none is overtaken by 100 ms', () => {
    const jitter = fc.array(fc.integer({ min: 0, max: 90 }), { minLength: 5, maxLength: 200 });
    fc.assert(
      fc.property(jitter, fc.integer({ min: 0, max: 65_535 }), (delays, first) => {
        const bench = new Bench();
        const arrivals = delays.map((delay, i) => ({ sequence: (first + i) & 0xffff, at: i * 20 + delay }));
        arrivals.sort((a, b) => a.at - b.at);
        let tick = 100;
        for (const { sequence, at } of arrivals) {
          for (; at >= tick; tick += 100) bench.queue.tick();
          bench.push(sequence);
        }
        bench.queue.restart();
        const order = bench.out.map((text) => Number.parseInt(text.replace('|', ''), 10));
        expect(order).toEqual(delays.map((_, i) => (first + i) & 0xffff));
      }),
      { numRuns: 200 },
    );
  });
});
