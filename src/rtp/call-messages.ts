import type { MainPort } from './media-loop.js';
import type { RecordedCallEvents } from './recorded-call.js';

/** What a call in its worker tells, as messages to the main thread. */
export function callMessages(port: MainPort, call: number): RecordedCallEvents {
  return {
    utterance: ({ samples, ...cut }) => {
      const buffer = samples.buffer as ArrayBuffer;
      port.post({ kind: 'utterance', call, ...cut, samples: buffer }, [buffer]);
    },
    warning: (warning) => port.post({ kind: 'warning', call, warning }),
    firstPacket: (leg, atMs, startedAt) => port.post({ kind: 'first-packet', call, leg, atMs, startedAt }),
    clockBegan: (at, startedAt) => port.post({ kind: 'clock-began', call, at, startedAt }),
    digit: (leg, press) => port.post({ kind: 'digit', call, leg, ...press }),
    problem: (change) => port.post({ kind: 'problem', call, change }),
    writeFailed: (message) => port.post({ kind: 'write-failed', call, message }),
  };
}
