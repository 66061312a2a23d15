import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The folder of the package: where `package.json`, `models/` and `demo/` lie, from `src/` and from `dist/src/` alike. */
export function packageRoot(base: string = import.meta.url): string {
  const path = fileURLToPath(base);
  const at = path.includes('/dist/src/') ? path.lastIndexOf('/dist/src/') : path.lastIndexOf('/src/');
  return path.slice(0, at);
}

/** The version in `package.json`. */
export function packageVersion(): string {
  const value: unknown = JSON.parse(readFileSync(`${packageRoot()}/package.json`, 'utf8'));
  const version = typeof value === 'object' && value !== null && 'version' in value ? value.version : undefined;
  return typeof version === 'string' ? version : '0.0.0';
}
