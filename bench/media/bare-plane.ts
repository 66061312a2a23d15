import { join } from 'node:path';
import { silentLogger } from '../../src/core/logger.js';
import { Metrics } from '../../src/core/metrics.js';
import type { MediaFormat } from '../../src/core/model.js';
import { MediaThreads } from '../../src/rtp/media-pool.js';
import type { Answer, Question } from './figures.js';
import { SelfWatch } from './self-watch.js';

/**
 * The media plane alone, with calls that nobody signalled: `bare-plane.js DIRECTORY CALLS UTTERANCES RECEIVER`. Speech can be cut here without an
 * engine to send it to, and a stream can be opened without an INVITE around it.
 */
const PCMU: MediaFormat = { payloadType: 0, encoding: 'PCMU', clockRate: 8000, channels: 1 };
const [directory = '', calls = '0', utterances = 'off', receiver] = process.argv.slice(2);
const metrics = new Metrics({ vendors: [], models: [] });
const plane = new MediaThreads({
  bindAddress: '127.0.0.1',
  portMin: 10_000,
  portMax: 32_767,
  workers: Math.ceil((Number(calls) + 1) / 450),
  receiver: receiver === 'node' ? 'node' : 'auto',
  quarantineMs: 0,
  logger: silentLogger,
  metrics,
});
const complain = (message: string): void => {
  process.stderr.write(`${message}\n`);
};

async function openCall(name: string, legs: readonly number[]) {
  const call = await plane.openCall(
    { sessionId: name, directory: join(directory, name), utterances: utterances === 'on' },
    { utterance: () => {}, writeFailed: complain, lost: complain },
  );
  const ports: number[] = [];
  for (const leg of legs) ports.push((await call.openLeg({ leg, formats: [PCMU], active: true })).port);
  return { call, ports };
}

/** One after another, with a while between, as offers come. */
async function openStreams(streams: number): Promise<number[]> {
  const { call } = await openCall('probe', []);
  const took: number[] = [];
  for (let stream = 0; stream < streams; stream++) {
    await new Promise((resolve) => setTimeout(resolve, 20 + ((stream * 37) % 60)));
    const began = performance.now();
    await call.openLeg({ leg: 3 + stream, formats: [PCMU], active: true });
    took.push(performance.now() - began);
    await call.discardLeg(3 + stream);
  }
  await call.finish();
  return took;
}

const tell = (answer: Answer): void => {
  process.send?.(answer);
};
await plane.start();
const watch = new SelfWatch(metrics);
process.on('message', async (question: Question) => {
  if (question.ask === 'figures') tell({ kind: 'figures', figures: await watch.figures() });
  else tell({ kind: 'opened', ms: await openStreams(question.streams) });
});
process.on('disconnect', () => process.exit(0));
const rtpPorts: number[] = [];
for (let call = 0; call < Number(calls); call++) rtpPorts.push(...(await openCall(`call-${call}`, [1, 2])).ports);
tell({ kind: 'ready', sipPort: 0, rtpPorts });
