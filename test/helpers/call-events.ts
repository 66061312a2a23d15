import type { CallEvent, CallEventDraft, LegDescription } from '../../src/core/call-event.js';
import { systemClock } from '../../src/core/clock.js';
import { silentLogger } from '../../src/core/logger.js';
import { Metrics } from '../../src/core/metrics.js';
import { EventBus } from '../../src/listeners/bus.js';
import { type EventLog, MemoryEventLog } from '../../src/store/event-log.js';

export const aliceLeg: LegDescription = {
  leg: 1,
  label: '1',
  speaker: { participantId: 'p1', name: 'Alice', aor: 'sip:alice@example.com', role: 'caller' },
};

/** The final words of utterance `n` of a call, before the bus takes them. */
export function spoken(callId: string, n: number, text = `words ${n}`, leg = aliceLeg): CallEventDraft {
  return {
    type: 'transcript.final',
    callId,
    sessionId: `session-${callId}`,
    utteranceId: `${callId}-${leg.leg}-${n}`,
    leg,
    text,
    startMs: n * 1000,
    endMs: n * 1000 + 900,
    words: [{ word: 'words', startMs: n * 1000, endMs: n * 1000 + 400, probability: 0.9 }],
    language: 'en',
    vendor: 'whisper',
    model: 'micro',
    delayMs: 120,
  };
}

export interface Desk {
  readonly bus: EventBus;
  readonly log: EventLog;
  readonly metrics: Metrics;
}

/** A bus with a log and metrics of its own. */
export function desk(log: EventLog = new MemoryEventLog()): Desk {
  const metrics = new Metrics({ vendors: ['whisper'], models: ['micro'] });
  return { bus: new EventBus({ log, clock: systemClock, metrics, logger: silentLogger }), log, metrics };
}

/** The present value of a metric without labels, as `/metrics` shows it. */
export async function metricValue(metrics: Metrics, name: string): Promise<number> {
  const line = (await metrics.render()).split('\n').find((text) => text.startsWith(`${name} `));
  return Number(line?.split(' ')[1]);
}

export function published(bus: EventBus, drafts: readonly CallEventDraft[]): CallEvent[] {
  return drafts.map((draft) => bus.publish(draft));
}
