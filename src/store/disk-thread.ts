import { compiledEntry } from '../core/entry.js';
import { SrsError } from '../core/errors.js';
import type { Disk, DiskFile } from './disk.js';
import { RequestThread } from './request-thread.js';

/**
 * The disk through one thread of its own that does all of a request in one go. A record of a call is three files and their renames:
 * through the thread pool of Node that is fifteen hand-overs between threads, which cost ten times what the kernel does for them. A slow disk holds this thread and never the one that answers SIP.
 */
export class DiskThread implements Disk {
  readonly #thread = new RequestThread<readonly DiskFile[], void>(
    compiledEntry(import.meta.url, './disk-worker.js'),
    'disk',
    (cause) => new SrsError('SRS_RECORDING_WRITE', 'the thread that writes records has ended', { cause }),
  );

  write(files: readonly DiskFile[]): Promise<void> {
    return this.#thread.ask(files);
  }

  /** Waits for what was asked, and ends the thread. Idempotent. */
  close(): Promise<void> {
    return this.#thread.close();
  }
}
