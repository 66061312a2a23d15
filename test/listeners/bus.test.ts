import { describe, expect, it } from 'vitest';
import type { CallEvent } from '../../src/core/call-event.js';
import type { TranscriptListener } from '../../src/listeners/listener.js';
import { desk, spoken } from '../helpers/call-events.js';

class Notebook implements TranscriptListener {
  readonly name = 'record';
  readonly heard: CallEvent[] = [];
  flushed = 0;
  closed = 0;
  publish(event: CallEvent): void {
    this.heard.push(event);
  }
  health(): { state: 'ok'; waiting: number } {
    return { state: 'ok', waiting: 0 };
  }
  async flush(): Promise<void> {
    this.flushed += 1;
  }
  async close(): Promise<void> {
    this.closed += 1;
  }
}

class Broken extends Notebook {
  override publish(): void {
    throw new Error('broken');
  }
  override async flush(): Promise<void> {
    throw new Error('broken');
  }
  override async close(): Promise<void> {
    throw new Error('broken');
  }
}

describe('the event bus', () => {
  it('gives each event an id, the next number and the time, and everybody the same event', () => {
    const { bus, log } = desk();
    const [one, two] = [new Notebook(), new Notebook()];
    bus.subscribe(one);
    bus.subscribe(two);
    const first = bus.publish(spoken('c', 1));
    const second = bus.publish(spoken('c', 2));
    expect([first.seq, second.seq]).toEqual([1, 2]);
    expect(first.eventId).toMatch(/^[0-9a-f-]{36}$/);
    expect(first.eventId).not.toBe(second.eventId);
    expect(Math.abs(first.at - Date.now())).toBeLessThan(5_000);
    expect(one.heard).toEqual([first, second]);
    expect(two.heard).toEqual([first, second]);
    expect(log.since(0).events).toEqual([first, second]);
  });

  it('goes on when a listener throws, and counts it', async () => {
    const { bus, metrics } = desk();
    const good = new Notebook();
    bus.subscribe(new Broken());
    bus.subscribe(good);
    bus.on(() => {
      throw new Error('broken');
    });
    expect(() => bus.publish(spoken('c', 1))).not.toThrow();
    expect(good.heard).toHaveLength(1);
    expect(await metrics.render()).toContain('siprec_listener_errors_total{listener="record"} 2');
  });

  it('flushes and closes every listener even when one fails, and closes once', async () => {
    const { bus } = desk();
    const good = new Notebook();
    bus.subscribe(new Broken());
    bus.subscribe(good);
    await bus.flush(AbortSignal.timeout(1_000));
    await Promise.all([bus.close(), bus.close()]);
    expect([good.flushed, good.closed]).toEqual([1, 1]);
  });

  it('lets a watcher and a listener go again', () => {
    const { bus } = desk();
    const heard: number[] = [];
    const notebook = new Notebook();
    const stopWatching = bus.on((event) => heard.push(event.seq));
    const stopListening = bus.subscribe(notebook);
    bus.publish(spoken('c', 1));
    stopWatching();
    stopListening();
    bus.publish(spoken('c', 2));
    expect(heard).toEqual([1]);
    expect(notebook.heard).toHaveLength(1);
    expect(bus.health().size).toBe(0);
  });
});
