import { describe, expect, it } from 'vitest';
import { Scope } from '../../src/core/scope.js';

describe('a scope', () => {
  it('closes what it owns in reverse order, once, for all callers', async () => {
    const order: string[] = [];
    const scope = new Scope('test');
    scope.own(() => void order.push('first'));
    scope.own(async () => {
      await Promise.resolve();
      order.push('second');
    });
    await Promise.all([scope.close(), scope.close()]);
    await scope.close();
    expect(order).toEqual(['second', 'first']);
  });

  it('closes everything even when one closer throws, and tells of it', async () => {
    const scope = new Scope('test');
    let closed = false;
    scope.own(() => {
      closed = true;
    });
    scope.own(() => {
      throw new Error('stuck');
    });
    await expect(scope.close()).rejects.toThrow(AggregateError);
    expect(closed).toBe(true);
  });

  it('closes a resource that comes too late at once', async () => {
    const scope = new Scope('test');
    await scope.close();
    let closed = false;
    scope.own(() => {
      closed = true;
    });
    expect(closed).toBe(true);
  });

  it('closes children with itself and forgets children that closed before', async () => {
    const parent = new Scope('parent');
    let closed = 0;
    const early = parent.child('early');
    early.own(() => void closed++);
    await early.close();
    expect(parent.size).toBe(0);
    parent.child('late').own(() => void closed++);
    await parent.close();
    expect(closed).toBe(2);
  });

  it('cancels its timers and holds nothing for a timer that fired', async () => {
    const scope = new Scope('test');
    let fired = 0;
    await new Promise<void>((resolve) => {
      scope.timeout(() => {
        fired++;
        resolve();
      }, 1);
    });
    expect(scope.size).toBe(0);
    scope.timeout(() => void fired++, 1);
    scope.interval(() => void fired++, 1);
    await scope.close();
    const before = fired;
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(fired).toBe(before);
  });
});
