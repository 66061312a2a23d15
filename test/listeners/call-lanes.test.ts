import { describe, expect, it } from 'vitest';
import type { CallEvent } from '../../src/core/call-event.js';
import { CallLanes, type Outgoing } from '../../src/listeners/call-lanes.js';
import { desk, spoken } from '../helpers/call-events.js';

const { bus } = desk();

function outgoing(callId: string, n = 0): Outgoing {
  const event: CallEvent = bus.publish(spoken(callId, n));
  return { event, body: Buffer.from(`body of ${event.seq}`) };
}

describe('the lanes to the broker', () => {
  it('let the next event of a call go only when the one before is confirmed', () => {
    const lanes = new CallLanes();
    const [first, second] = [outgoing('a'), outgoing('a')];
    lanes.add(first);
    lanes.add(second);
    expect(lanes.take()).toBe(first);
    expect(lanes.take()).toBeUndefined();
    lanes.confirmed(first);
    expect(lanes.take()).toBe(second);
  });

  it('do not let one call wait for another', () => {
    const lanes = new CallLanes();
    const all = ['a', 'b', 'c'].map((call) => outgoing(call));
    for (const one of all) lanes.add(one);
    expect([lanes.take(), lanes.take(), lanes.take()]).toEqual(all);
    expect(lanes.inFlight).toBe(3);
  });

  it('send what was in flight again after a broken connection, before anything behind it', () => {
    const lanes = new CallLanes();
    const [first, second] = [outgoing('a'), outgoing('a')];
    lanes.add(first);
    lanes.add(second);
    lanes.take();
    lanes.reset();
    expect(lanes.inFlight).toBe(0);
    expect(lanes.take()).toBe(first);
    lanes.confirmed(first);
    expect(lanes.take()).toBe(second);
  });

  it('hold a refused event first in its call until it may try again', () => {
    const lanes = new CallLanes();
    const [first, second] = [outgoing('a'), outgoing('a')];
    lanes.add(first);
    lanes.take();
    lanes.refused(first);
    lanes.add(second);
    expect(lanes.take()).toBeUndefined();
    lanes.releaseHeld();
    expect(lanes.take()).toBe(first);
  });

  it('ignore a confirm that comes twice, or for an earlier sending', () => {
    const lanes = new CallLanes();
    const [first, second] = [outgoing('a'), outgoing('a')];
    lanes.add(first);
    lanes.add(second);
    lanes.take();
    lanes.confirmed(first);
    lanes.confirmed(first);
    expect(lanes.count).toBe(1);
    expect(lanes.take()).toBe(second);
  });

  it('count what they hold', () => {
    const lanes = new CallLanes();
    const [a, b] = [outgoing('a'), outgoing('b')];
    lanes.add(a);
    lanes.add(b);
    expect(lanes.count).toBe(2);
    expect(lanes.bytes).toBe(a.body.length + b.body.length);
    lanes.take();
    lanes.confirmed(a);
    expect(lanes.bytes).toBe(b.body.length);
    lanes.take();
    lanes.confirmed(b);
    expect([lanes.count, lanes.bytes, lanes.inFlight]).toEqual([0, 0, 0]);
  });

  it('keep the order of each call through any mix of confirms, refusals and broken connections', () => {
    let state = 12345;
    const random = (below: number): number => {
      state = (state * 1103515245 + 12345) % 2147483648;
      return Math.floor((state / 2147483648) * below);
    };
    const lanes = new CallLanes();
    const calls = ['a', 'b', 'c', 'd'];
    const wanted = new Map<string, number[]>(calls.map((call) => [call, []]));
    const arrived = new Map<string, number[]>(calls.map((call) => [call, []]));
    let flying: Outgoing[] = [];
    for (let step = 0; step < 5_000; step += 1) {
      if (step < 2_000) {
        const one = outgoing(calls[random(4)] ?? 'a', step);
        wanted.get(one.event.callId)?.push(one.event.seq);
        lanes.add(one);
      }
      const next = lanes.take();
      if (next) flying.push(next);
      const [one] = flying.length > random(4) ? flying.splice(random(flying.length), 1) : [];
      if (one && random(4) > 0) {
        arrived.get(one.event.callId)?.push(one.event.seq);
        lanes.confirmed(one);
      } else if (one) lanes.refused(one);
      if (random(20) === 0) lanes.releaseHeld();
      if (random(100) === 0) {
        lanes.reset();
        flying = [];
      }
    }
    lanes.reset();
    for (let next = lanes.take(); next; next = lanes.take()) {
      arrived.get(next.event.callId)?.push(next.event.seq);
      lanes.confirmed(next);
    }
    expect(arrived).toEqual(wanted);
    expect(lanes.count).toBe(0);
  });
});
