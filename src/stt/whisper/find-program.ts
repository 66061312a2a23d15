import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { delimiter, join, resolve } from 'node:path';

async function isProgram(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}

/**
 * The absolute path of a program that can be run: a path as it stands, a bare name looked up in `searchPath` (PATH) as a shell does.
 * Undefined when there is none.
 */
export async function findProgram(nameOrPath: string, searchPath: string): Promise<string | undefined> {
  if (nameOrPath.includes('/')) {
    const path = resolve(nameOrPath);
    return (await isProgram(path)) ? path : undefined;
  }
  for (const folder of searchPath.split(delimiter)) {
    // An empty entry means the current folder, where a program should not be picked up by accident.
    if (folder === '') continue;
    const path = join(resolve(folder), nameOrPath);
    if (await isProgram(path)) return path;
  }
  return undefined;
}
