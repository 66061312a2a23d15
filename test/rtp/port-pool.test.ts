import { describe, expect, it } from 'vitest';
import { HandClock } from '../../src/core/clock.js';
import { PortPool } from '../../src/rtp/port-pool.js';

describe('the port pool', () => {
  it('gives neighbouring even ports in turn, and none beyond the range', () => {
    const pool = new PortPool({ portMin: 30_001, portMax: 30_008, quarantineMs: 0 });
    expect(pool.size).toBe(3);
    expect([pool.take(), pool.take(), pool.take(), pool.take()]).toEqual([30_002, 30_004, 30_006, undefined]);
    expect(pool.held).toBe(3);
    pool.release(30_004);
    expect(pool.take()).toBe(30_004);
  });

  it('lets a port rest after its stream ended', () => {
    const clock = new HandClock();
    const pool = new PortPool({ portMin: 40_000, portMax: 40_003, quarantineMs: 5000, clock });
    const first = pool.take() ?? 0;
    pool.release(first);
    pool.release(first);
    expect(pool.held).toBe(0);
    expect(pool.take()).toBe(40_002);
    expect(pool.take()).toBeUndefined();
    clock.advance(4999);
    expect(pool.take()).toBeUndefined();
    clock.advance(1);
    expect(pool.take()).toBe(first);
  });

  it('uses a port that was given back last of all', () => {
    const pool = new PortPool({ portMin: 40_000, portMax: 40_007, quarantineMs: 0 });
    pool.release(pool.take() ?? 0);
    expect([pool.take(), pool.take(), pool.take(), pool.take()]).toEqual([40_002, 40_004, 40_006, 40_000]);
  });

  it('has nothing to give when the range holds no pair', () => {
    expect(new PortPool({ portMin: 40_001, portMax: 40_002, quarantineMs: 0 }).take()).toBeUndefined();
  });
});
