import { writeFileAtomically } from './atomic-file.js';

/** A file to be replaced whole: a reader sees the old content or the new one. `durable` also waits for the disk. */
export interface DiskFile {
  /** Absolute; its folder exists. */
  readonly path: string;
  readonly content: string | Uint8Array;
  readonly durable?: boolean;
}

/** Where records are written: the files in their order. The first that fails ends it with the system's error. */
export interface Disk {
  write(files: readonly DiskFile[]): Promise<void>;
}

/** The disk through the thread pool that Node has for all files: five hand-overs between threads for each file. */
export const pooledDisk: Disk = {
  async write(files) {
    for (const { path, content, durable = false } of files) await writeFileAtomically(path, content, { durable });
  },
};
