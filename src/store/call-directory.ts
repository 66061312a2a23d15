import { mkdir, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { SrsError } from '../core/errors.js';

/** The folder of one recording session: `DATA_DIR/recordings/YYYY-MM-DD/<sessionId>/`, by the UTC day of its start. */
export class CallDirectory {
  /** Absolute. */
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** Makes the folder, readable by the owner and its group only. Throws `SRS_RECORDING_WRITE`. */
  static async create(dataDirectory: string, sessionId: string, startedAt: number): Promise<CallDirectory> {
    const path = callDirectoryPath(dataDirectory, sessionId, startedAt);
    try {
      await mkdir(path, { recursive: true, mode: 0o750 });
    } catch (error) {
      throw new SrsError('SRS_RECORDING_WRITE', 'the folder of a recording cannot be made', { cause: error });
    }
    return new CallDirectory(path);
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
