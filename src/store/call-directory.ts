import { rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { SrsError } from '../core/errors.js';

/** The folder of one recording session: `DATA_DIR/recordings/YYYY-MM-DD/<sessionId>/`, by the UTC day of its start. */
export class CallDirectory {
  /** Absolute. */
  readonly path: string;

  /** Names the folder; whoever writes into it first makes it. Throws `SRS_RECORDING_WRITE` for an id that cannot be a name. */
  constructor(dataDirectory: string, sessionId: string, startedAt: number) {
    this.path = callDirectoryPath(dataDirectory, sessionId, startedAt);
  }

  /** A file of the session. The name is one of ours, never one from outside. */
  file(name: string): string {
    return join(this.path, name);
  }

  get record(): string {
    return this.file('call.json');
  }

  /** Removes the folder with everything in it; used when a session never came to be. */
  async discard(): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }
}

export function callDirectoryPath(dataDirectory: string, sessionId: string, startedAt: number): string {
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(sessionId)) {
    throw new SrsError('SRS_RECORDING_WRITE', 'a session id that cannot be a folder name');
  }
  const day = new Date(startedAt).toISOString().slice(0, 10);
  return resolve(dataDirectory, 'recordings', day, sessionId);
}
