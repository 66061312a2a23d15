import { access, constants, mkdir } from 'node:fs/promises';
import { SrsError } from '../core/errors.js';

/**
 * Makes a directory and proves at the start that it can be written, not at the first call. `variable` is the name under which the
 * operator gave it. Throws `SRS_CONFIG_INVALID`.
 */
export async function makeWritableDirectory(path: string, variable: string, mode: number): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode });
    await access(path, constants.W_OK);
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? ` (${String(cause.code)})` : '';
    throw new SrsError('SRS_CONFIG_INVALID', `${variable} ${path} cannot be made or written${code}`, { cause });
  }
}
