import { fileURLToPath, pathToFileURL } from 'node:url';

/**
 * Where the compiled twin of a module lies, for worker threads and forked children: Node cannot start those from TypeScript.
 * Under `dist/` that is the module itself; from the sources (tests) it is the same path below `dist/`.
 *
 * @param base `import.meta.url` of the caller
 * @param relative path of the entry from the caller, ending in `.js`
 */
export function compiledEntry(base: string, relative: string): URL {
  const url = new URL(relative, base);
  const path = fileURLToPath(url);
  if (!base.endsWith('.ts')) return url;
  const at = path.lastIndexOf('/src/');
  return pathToFileURL(`${path.slice(0, at)}/dist${path.slice(at)}`);
}
