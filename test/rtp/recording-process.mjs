/**
 * A process that records one call until it is told to end, or is killed. `node recording-process.mjs DIRECTORY FIRST_PORT`.
 * Prints the two RTP ports; a line on stdin finishes the call, and its result is printed.
 */
import { once } from 'node:events';

const [directory = '', firstPort = '0'] = process.argv.slice(2);
const built = new URL('../../dist/src/', import.meta.url);
const { MediaThreads } = await import(new URL('rtp/media-pool.js', built).href);
const { Metrics } = await import(new URL('core/metrics.js', built).href);
const { silentLogger } = await import(new URL('core/logger.js', built).href);

const portMin = Number(firstPort);
const plane = new MediaThreads({
  bindAddress: '127.0.0.1',
  portMin,
  portMax: portMin + 9,
  workers: 1,
  logger: silentLogger,
  metrics: new Metrics({ vendors: [], models: [] }),
});
const events = { utterance: () => {}, writeFailed: (message) => process.stderr.write(`${message}\n`) };
const call = await plane.openCall({ sessionId: 's', directory, utterances: true }, events);
const formats = [{ payloadType: 0, encoding: 'PCMU', clockRate: 8000, channels: 1 }];
const ports = [];
for (const leg of [1, 2]) ports.push((await call.openLeg({ leg, formats, active: true })).port);
process.stdout.write(`${JSON.stringify(ports)}\n`);
await once(process.stdin, 'data');
process.stdout.write(`${JSON.stringify(await call.finish())}\n`);
await plane.stop();
process.exit(0);
