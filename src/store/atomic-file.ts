import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';

/** Readable by the owner and its group only. */
export const FILE_MODE = 0o640;

/**
 * Writes a file so that a reader, or a start after a crash, sees the old content or the new one, never a half.
 * `durable` also waits for the disk, which survives a power cut.
 */
export async function writeFileAtomically(
  path: string,
  content: string | Uint8Array,
  options: { readonly durable?: boolean } = {},
): Promise<void> {
  const temporary = `${path}.tmp`;
  try {
    const file = await open(temporary, 'w', FILE_MODE);
    try {
      await file.writeFile(content);
      if (options.durable) await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    throw error;
  }
}

/** The same at once, for threads that do nothing else. */
export function writeFileAtomicallySync(
  path: string,
  content: string | Uint8Array,
  options: { readonly durable?: boolean } = {},
): void {
  const temporary = `${path}.tmp`;
  try {
    const file = openSync(temporary, 'w', FILE_MODE);
    try {
      writeFileSync(file, content);
      if (options.durable) fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}
