import { describe, expect, it } from 'vitest';
import { canonicalAddress } from '../../src/rtp/network-address.js';
import { SourceLatch } from '../../src/rtp/source-latch.js';

const SRC = ['192.0.2.10', 4000] as const;
const MOVED = ['192.0.2.10', 4002] as const;
const STRANGER = ['203.0.113.66', 6666] as const;
const ANNOUNCED = { address: '198.51.100.7', port: 5000 };
const TOLD = ['198.51.100.7', 5000] as const;

type Sender = readonly [address: string, port: number];

/** A tick of five packets of one sender that is heard. */
function speaks(latch: SourceLatch, [address, port]: Sender, ticks = 1): void {
  for (let tick = 0; tick < ticks; tick++) {
    for (let packet = 0; packet < 5; packet++) latch.accepts(address, port, true);
    latch.tick();
  }
}

function passes(latch: SourceLatch, ticks: number): void {
  for (let tick = 0; tick < ticks; tick++) latch.tick();
}

const heard = (latch: SourceLatch): Sender | undefined => latch.source && [latch.source.address, latch.source.port];

describe('the sender that a leg listens to', () => {
  it('is the first one, whatever the SDP announces, and a stranger is none until that one is silent for a second', () => {
    const latch = new SourceLatch(ANNOUNCED);
    speaks(latch, SRC, 3);
    expect(latch.accepts(...STRANGER, false)).toBe(false);
    passes(latch, 8);
    expect(latch.accepts(...STRANGER, false)).toBe(false);
    passes(latch, 1);
    expect(latch.accepts(...STRANGER, false)).toBe(true);
  });

  it('becomes the announced one as soon as that sends, and no other takes its place while it does', () => {
    const latch = new SourceLatch(ANNOUNCED);
    speaks(latch, STRANGER, 3);
    expect(latch.accepts(...TOLD, false)).toBe(true);
    speaks(latch, TOLD, 2);
    expect(latch.accepts(...STRANGER, false)).toBe(false);
    expect(latch.accepts(...STRANGER, true), 'with its SSRC and next number').toBe(false);
    expect(heard(latch)).toEqual(TOLD);
  });

  it('is sooner another port of the announced address than anybody else', () => {
    const latch = new SourceLatch(ANNOUNCED);
    speaks(latch, STRANGER);
    expect(latch.accepts('::ffff:198.51.100.7', 40_000, false)).toBe(true);
    expect(latch.accepts(...STRANGER, false)).toBe(false);
    expect(latch.accepts(...TOLD, false)).toBe(true);
  });

  it('may go on from another address when nobody who does not hear the stream could go on with it', () => {
    const latch = new SourceLatch();
    speaks(latch, SRC, 3);
    expect(latch.accepts(...MOVED, false)).toBe(false);
    expect(latch.accepts(...MOVED, true)).toBe(true);
    speaks(latch, MOVED, 20);
    expect(latch.accepts(...SRC, false)).toBe(false);
  });

  it('is the former one again when that never stopped, and whoever took its place must wait until it is silent', () => {
    const latch = new SourceLatch();
    speaks(latch, SRC, 3);
    expect(latch.accepts(...STRANGER, true)).toBe(true);
    const back = [1, 2, 3].map(() => {
      latch.accepts(...STRANGER, true);
      return latch.accepts(...SRC, false);
    });
    expect(back).toEqual([false, false, true]);
    for (let tick = 0; tick < 30; tick++) {
      speaks(latch, SRC);
      expect(latch.accepts(...STRANGER, true)).toBe(false);
    }
    passes(latch, 10);
    expect(latch.accepts(...STRANGER, true)).toBe(true);
  });

  it('is not taken back for two packets that were on their way when it moved', () => {
    const latch = new SourceLatch();
    speaks(latch, SRC, 3);
    latch.accepts(...MOVED, true);
    expect([latch.accepts(...SRC, false), latch.accepts(...SRC, false)]).toEqual([false, false]);
    speaks(latch, MOVED, 10);
    expect(heard(latch)).toEqual(MOVED);
    expect(latch.accepts(...SRC, false), 'after the second of doubt').toBe(false);
  });

  it('that was announced must have stopped before its stream goes on from elsewhere', () => {
    const latch = new SourceLatch(ANNOUNCED);
    speaks(latch, TOLD, 3);
    expect(latch.accepts(...MOVED, true)).toBe(false);
    passes(latch, 2);
    expect(latch.accepts(...MOVED, false)).toBe(false);
    expect(latch.accepts(...MOVED, true)).toBe(true);
  });

  it('may be another one after a new offer, but not while the former one goes on', () => {
    const latch = new SourceLatch();
    speaks(latch, SRC, 3);
    latch.reopen();
    expect(latch.accepts(...MOVED, false)).toBe(true);
    speaks(latch, MOVED, 12);
    expect(latch.accepts(...SRC, false)).toBe(false);
    latch.reopen();
    expect(latch.accepts(...STRANGER, false)).toBe(true);
    for (let n = 0; n < 3; n++) latch.accepts(...MOVED, false);
    expect(heard(latch)).toEqual(MOVED);
  });

  it('stays when the new offer finds it sending', () => {
    const latch = new SourceLatch();
    speaks(latch, SRC, 3);
    latch.reopen();
    speaks(latch, SRC);
    expect(latch.accepts(...STRANGER, false)).toBe(false);
  });

  it('is the one that a new offer announces, and not a stranger that is quicker', () => {
    const latch = new SourceLatch({ address: SRC[0], port: SRC[1] });
    speaks(latch, SRC, 3);
    latch.reopen();
    expect(latch.accepts(...STRANGER, false)).toBe(false);
    latch.reopen(ANNOUNCED);
    expect(latch.accepts(...STRANGER, false)).toBe(true);
    expect(latch.accepts(...TOLD, false)).toBe(true);
    expect(latch.accepts(...STRANGER, false)).toBe(false);
  });

  it('is followed by anybody after it has said that it stops', () => {
    const latch = new SourceLatch();
    speaks(latch, SRC, 3);
    latch.release();
    expect(latch.accepts(...MOVED, false)).toBe(true);
  });
});

describe('addresses', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['2001:DB8:0:0::1', '2001:db8::1'],
    ['0.0.0.0', undefined],
    ['::', undefined],
    ['sbc.example.com', undefined],
    ['', undefined],
    [undefined, undefined],
  ])('of %s can be compared as %s', (text, canonical) => {
    expect(canonicalAddress(text)).toBe(canonical);
  });
});
