import { isIP } from 'node:net';
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { VoiceActivityEngine } from '../audio/voice-activity.js';
import { BatchReceiver, BatchSocket } from './batch-socket.js';
import { loadLibc } from './libc.js';
import { MediaLoop } from './media-loop.js';
import { type OpenPacketSource, openNodeSocket } from './packet-source.js';
import { SocketBook } from './socket-book.js';
import type { RequestEnvelope, WorkerMessage, WorkerSettings } from './worker-protocol.js';

/** Entry of a media worker thread. It ends by itself when `stop` closed the port and nothing is open any more. */
async function run(port: MessagePort, settings: WorkerSettings): Promise<void> {
  const voice = await VoiceActivityEngine.load();
  const batches = settings.receiver === 'auto' ? await batchSockets(settings) : undefined;
  const main = {
    post: (message: WorkerMessage, transfer: ArrayBuffer[] = []) => port.postMessage(message, transfer),
    close: () => port.close(),
  };
  const loop = new MediaLoop(settings, voice, main, batches ?? openNodeSocket);
  port.on('message', (request: RequestEnvelope) => void loop.handle(request));
  port.postMessage({ kind: 'ready', batches: batches !== undefined } satisfies WorkerMessage);
}

/** Opens sockets that are read in batches, where the system and the packages have what that needs. */
async function batchSockets({ bindAddress, sockets }: WorkerSettings): Promise<OpenPacketSource | undefined> {
  // A name, or an address with a zone, is for Node to look up.
  if (isIP(bindAddress) === 0 || bindAddress.includes('%')) return undefined;
  const libc = await loadLibc();
  if (!libc) return undefined;
  const book = new SocketBook(sockets);
  const receiver = new BatchReceiver(libc, book);
  return async (address, port, receive) =>
    book.full ? openNodeSocket(address, port, receive) : new BatchSocket(receiver, address, port, receive);
}

if (parentPort) await run(parentPort, workerData as WorkerSettings);
