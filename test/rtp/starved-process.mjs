/**
 * A process that asks for decoding children when it has no descriptor left, and again when it has. It is started with a low limit of them.
 * Prints what it got each time, and that it is alive.
 */
import { closeSync, openSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const built = new URL('../../dist/src/rtp/', import.meta.url);
const { Decoders } = await import(new URL('decoders.js', built).href);
const { payloadTable } = await import(new URL('payload-table.js', built).href);

const format = payloadTable([{ payloadType: 18, encoding: 'G729', clockRate: 8000, channels: 1 }])[18];
const decoders = new Decoders('ffmpeg');
const events = { decoded: () => {}, ended: () => {} };
const taken = [];
try {
  for (;;) taken.push(openSync('/dev/null'));
} catch {
  // There is no more.
}
const starved = decoders.run(format, events) !== undefined;
// The system's error is told in a later turn.
await sleep(50);
for (const descriptor of taken) closeSync(descriptor);
const run = decoders.run(format, events);
run?.close();
process.stdout.write(JSON.stringify({ starved, fed: run !== undefined, children: decoders.children }));
