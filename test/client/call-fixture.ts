import { afterEach } from 'vitest';
import {
  type CallReport,
  placeRecordingCall,
  type RecordingCallLeg,
  type RecordingCallOptions,
} from '../../src/client/recording-client.js';
import { ScriptedSrs } from './scripted-srs.js';

let srs: ScriptedSrs | undefined;
afterEach(async () => {
  await srs?.stop();
  srs = undefined;
});

/** A polite server that ends with the test. */
export async function start(transport: 'udp' | 'tcp' = 'udp'): Promise<ScriptedSrs> {
  srs = await ScriptedSrs.start(transport);
  srs.script = srs.politely;
  return srs;
}

/** A tone, so that every packet differs from the next. */
export function tone(ms: number, hertz: number): Int16Array {
  return Int16Array.from({ length: ms * 8 }, (_, i) => Math.round(8000 * Math.sin((2 * Math.PI * hertz * i) / 8000)));
}

export function legs(ms = 200): RecordingCallLeg[] {
  return [
    {
      label: 'caller',
      participant: { name: 'Ann <&> "B"', aor: 'sip:ann@example.com', role: 'caller' },
      audio: tone(ms, 440),
    },
    { label: 'callee', participant: { name: 'Bob', aor: 'sip:bob@example.com' }, audio: tone(ms, 660) },
  ];
}

/** A call with quick SIP timers. */
export function call(peer: ScriptedSrs, options: Partial<RecordingCallOptions> = {}): Promise<CallReport> {
  return placeRecordingCall({ target: peer.target, legs: legs(), timers: { t1Ms: 50, t2Ms: 200 }, ...options });
}
