import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import { FILE_MODE } from './atomic-file.js';
import type { DiskFile } from './disk.js';
import type { DiskReply, DiskRequest } from './disk-thread.js';

/** Entry of the thread that writes records, one request after another. `undefined` ends it. */
function replace({ path, content, durable = false }: DiskFile): void {
  const temporary = `${path}.tmp`;
  try {
    const file = openSync(temporary, 'w', FILE_MODE);
    try {
      writeFileSync(file, content);
      if (durable) fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

function answer({ id, files }: DiskRequest): DiskReply {
  try {
    for (const file of files) replace(file);
    return { id };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return {
      id,
      error: { message, ...(error instanceof Error && 'code' in error ? { code: String(error.code) } : {}) },
    };
  }
}

const port = parentPort;
port?.on('message', (request: DiskRequest | undefined) => {
  if (request === undefined) port.close();
  else port.postMessage(answer(request));
});
