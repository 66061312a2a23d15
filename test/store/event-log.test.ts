import { describe, expect, it } from 'vitest';
import { MemoryEventLog } from '../../src/store/event-log.js';
import { desk, spoken } from '../helpers/call-events.js';

function filled(count: number, options: ConstructorParameters<typeof MemoryEventLog>[0] = {}): MemoryEventLog {
  const log = new MemoryEventLog(options);
  const { bus } = desk(log);
  for (let n = 1; n <= count; n += 1) bus.publish(spoken(n % 2 === 0 ? 'even' : 'odd', n));
  return log;
}

describe('the event log in memory', () => {
  it('gives what came after a number, oldest first', () => {
    const { events, complete } = filled(10).since(7);
    expect(events.map((event) => event.seq)).toEqual([8, 9, 10]);
    expect(complete).toBe(true);
  });

  it('gives nothing to a reader that is up to date', () => {
    expect(filled(10).since(10)).toEqual({ events: [], complete: true });
  });

  it('forgets the oldest events beyond its count and says that they are gone', () => {
    const log = filled(25, { maxEvents: 10 });
    expect(log.size).toBe(10);
    expect(log.since(14)).toMatchObject({ complete: false });
    expect(log.since(14).events[0]?.seq).toBe(16);
    expect(log.since(15)).toMatchObject({ complete: true });
  });

  it('forgets the oldest events beyond its bytes', () => {
    const log = filled(100, { maxBytes: 10_000 });
    expect(log.size).toBeGreaterThan(1);
    expect(log.size).toBeLessThan(20);
    expect(log.lastSeq).toBe(100);
  });

  it('counts the people that an event of a call names, which may be more than any words', () => {
    const log = new MemoryEventLog({ maxBytes: 1_000_000 });
    const { bus } = desk(log);
    const name = 'x'.repeat(1000);
    const participants = Array.from({ length: 100 }, (_, n) => ({ id: `p${n}`, name }));
    const base = { callId: 'c', sessionId: 's', legs: [], state: 'recording' } as const;
    for (let n = 0; n < 50; n += 1) bus.publish({ ...base, type: 'call.updated', participants });
    expect(log.size).toBeLessThan(10);
    expect(log.lastSeq).toBe(50);
  });

  it('gives everything it holds to a reader from an earlier run, and says that it cannot know what is missing', () => {
    const { events, complete } = filled(3).since(900);
    expect(events).toHaveLength(3);
    expect(complete).toBe(false);
  });

  it('filters and limits', () => {
    const { events } = filled(20).since(4, (event) => event.callId === 'even', 3);
    expect(events.map((event) => event.seq)).toEqual([6, 8, 10]);
  });
});
