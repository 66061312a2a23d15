import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { VoiceActivityEngine } from '../audio/voice-activity.js';
import { MediaLoop } from './media-loop.js';
import type { RequestEnvelope, WorkerMessage, WorkerSettings } from './worker-protocol.js';

/** Entry of a media worker thread. It ends by itself when `stop` closed the port and nothing is open any more. */
async function run(port: MessagePort, settings: WorkerSettings): Promise<void> {
  const voice = await VoiceActivityEngine.load();
  const loop = new MediaLoop(settings, voice, {
    post: (message: WorkerMessage, transfer: ArrayBuffer[] = []) => port.postMessage(message, transfer),
    close: () => port.close(),
  });
  port.on('message', (request: RequestEnvelope) => void loop.handle(request));
  port.postMessage({ kind: 'ready' } satisfies WorkerMessage);
}

if (parentPort) await run(parentPort, workerData as WorkerSettings);
