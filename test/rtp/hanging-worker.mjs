/**
 * The real media worker, which stops once, for a while or for ever, before it serves a request of one kind: HANG="pause 2000", where
 * "resume" is a pause that ends.
 * What it stops in is what a disk that does not answer is to it.
 */
import { parentPort } from 'node:worker_threads';

const [kind, ms] = (process.env.HANG ?? '').split(' ');
let hung = false;

if (kind !== '') {
  parentPort?.on('message', (request) => {
    const what = request.kind === 'pause' && !request.paused ? 'resume' : request.kind;
    if (hung || what !== kind) return;
    hung = true;
    const word = new Int32Array(new SharedArrayBuffer(4));
    Atomics.wait(word, 0, 0, ms === undefined ? Number.POSITIVE_INFINITY : Number(ms));
  });
}
await import('../../dist/src/rtp/media-worker.js');
