import { describe, expect, it } from 'vitest';
import { HandClock } from '../../src/core/clock.js';
import { QuietLog } from '../../src/sip/quiet-log.js';

describe('a log that keeps quiet', () => {
  it('says the first of each cause, then one a second with the number of those that it did not say', () => {
    const clock = new HandClock(5_000);
    const log = new QuietLog<'rate' | 'full'>(clock);
    expect([log.due('rate'), log.due('full')]).toEqual([{}, {}]);
    clock.advance(999);
    for (let i = 0; i < 1_000; i++) expect(log.due('rate')).toBeUndefined();
    clock.advance(1);
    expect([log.due('rate'), log.due('full')]).toEqual([{ unsaid: 1_000 }, {}]);
    expect(log.due('rate')).toBeUndefined();
    clock.advance(1_000);
    expect(log.due('rate')).toEqual({ unsaid: 1 });
    clock.advance(1_000);
    expect(log.due('rate')).toEqual({});
  });
});
