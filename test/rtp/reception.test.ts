import { describe, expect, it } from 'vitest';
import { Reception } from '../../src/rtp/reception.js';
import { SequenceTracker } from '../../src/rtp/sequence.js';

/** Feeds numbers as a leg does. */
function studio() {
  const reception = new Reception();
  const sequence = new SequenceTracker();
  const take = (...list: (number | number[])[]): void => {
    for (const number of list.flat()) {
      if (sequence.accept(number & 0xffff) === 'duplicate') reception.duplicate();
      else reception.packet(number * 160, true);
    }
  };
  const block = (now = 0) => reception.block(7, sequence, now);
  return { reception, sequence, take, block };
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, n) => from + n);

describe('a report block', () => {
  it('has the losses since the last one, those in all, and the highest number over its wraps', () => {
    const { take, block } = studio();
    take(range(65_500, 65_600));
    expect(block()).toMatchObject({ ssrc: 7, fractionLost: 0, cumulativeLost: 0, highest: 0x1_003f });
    take(range(65_600, 65_700).filter((n) => n % 4 !== 0));
    expect(block()).toMatchObject({ fractionLost: 64, cumulativeLost: 25 });
    take(range(65_700, 200_000));
    expect(block()).toMatchObject({ fractionLost: 0, cumulativeLost: 25, highest: 199_999 });
  });

  it('counts duplicates as received, so that losses can be negative, and no fraction of them', () => {
    const { take, block } = studio();
    take(1, 1, 1, 2, 2, 3);
    expect(block()).toMatchObject({ fractionLost: 0, cumulativeLost: -3 });
  });

  it('tells how long ago the last report of the sender came', () => {
    const { reception, take, block } = studio();
    take(1);
    expect(block(5000)).toMatchObject({ lastSr: 0, delaySinceLastSr: 0 });
    const report = { kind: 'sr', ssrc: 7, ntpMiddle: 99, rtpTimestamp: 0, packets: 5, bytes: 0, blocks: [] } as const;
    reception.senderReport(report, 5000);
    expect(block(7500)).toMatchObject({ lastSr: 99, delaySinceLastSr: 2.5 * 65_536 });
  });

  it('begins anew with another source', () => {
    const { reception, sequence, take, block } = studio();
    take(1, 2, 9);
    sequence.finish();
    reception.finish(sequence);
    const next = new SequenceTracker();
    next.accept(40_000);
    reception.packet(0, true);
    expect(reception.block(8, next, 0)).toMatchObject({ ssrc: 8, cumulativeLost: 0, fractionLost: 0, highest: 40_000 });
    expect(block).toBeDefined();
  });
});

describe('the figures of a leg', () => {
  it('have the part that was lost, of all its sources', () => {
    const reception = new Reception();
    for (const missing of [10, 30]) {
      const sequence = new SequenceTracker();
      for (const number of range(0, 100)) if (number === 0 || number > missing) sequence.accept(number);
      sequence.finish();
      reception.finish(sequence);
    }
    expect(reception.statistics(40)).toEqual({ lossRatio: 0.2 });
  });

  it('have what senders say they sent beside what came, by the first report and by the last, over all sources', () => {
    const { reception, sequence, take } = studio();
    const told = (packets: number) =>
      reception.senderReport({ kind: 'sr', ssrc: 7, ntpMiddle: 1, rtpTimestamp: 0, packets, bytes: 0, blocks: [] }, 0);
    take(range(0, 40), 39);
    told(50);
    reception.tick(0, 100);
    take(range(40, 80));
    told(100);
    reception.tick(100, 200);
    sequence.finish();
    reception.finish(sequence);
    expect(reception.statistics(0).toldBySender).toEqual({
      first: { packets: 50, received: 40 },
      last: { packets: 100, received: 80 },
    });
    told(7);
    reception.finish(new SequenceTracker());
    expect(reception.statistics(0).toldBySender).toEqual({
      first: { packets: 57, received: 40 },
      last: { packets: 107, received: 80 },
    });
  });

  it('name whoever spoke in mixed packets once each, 32 of them at most', () => {
    const reception = new Reception();
    const packet = Buffer.alloc(12 + 15 * 4);
    for (let round = 0; round < 10; round++) {
      for (let n = 0; n < 15; n++) packet.writeUInt32BE(0xf000_0000 + round * 7 + n, 12 + 4 * n);
      reception.contributors(packet, 15);
    }
    const { contributors = [] } = reception.statistics(0);
    expect(contributors).toHaveLength(32);
    expect(new Set(contributors).size).toBe(32);
    expect(contributors[0]).toBe(0xf000_0000);
  });
});
