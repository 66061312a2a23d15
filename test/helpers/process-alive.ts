import { readFileSync } from 'node:fs';

/** Whether a process runs. One that ended and was not reaped yet, because its parent died first, does not. */
export function processAlive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return !/^[ZX]/.test(stat.slice(stat.lastIndexOf(')') + 2));
  } catch {
    return false;
  }
}
