import { createHash } from 'node:crypto';
import { lstat, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';

/**
 * Private directories (mode 0700) below TMPDIR whose names tell their owner: `sipscribe-<pid>-<host>-<start>-XXXXXX`.
 * The pid alone proves nothing: a container that restarts gets the same one again, and two containers may share a TMPDIR volume.
 */
const NAME = /^sipscribe-(\d+)-([0-9a-f]{6})-([0-9a-z]+)-\w{6}$/;

const HOST = createHash('sha256').update(hostname()).digest('hex').slice(0, 6);

/** When the process began, in the kernel's ticks (proc(5), field 22 of stat); `gone` when there is no such process. */
async function startOf(pid: number): Promise<string> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'latin1');
    // The second field is the program's name in parentheses and may hold blanks and parentheses itself.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return Number(fields[19] ?? 0).toString(36);
  } catch {
    try {
      process.kill(pid, 0);
      return '0';
    } catch {
      return 'gone';
    }
  }
}

/** Makes a new empty directory that only this user can enter. */
export async function makeTempDirectory(root: string): Promise<string> {
  return mkdtemp(join(root, `sipscribe-${process.pid}-${HOST}-${await startOf(process.pid)}-`));
}

/** Removes what processes of this host and user left behind when they were killed. Returns how many directories went. */
export async function removeStaleDirectories(root: string): Promise<number> {
  let removed = 0;
  for (const name of await readdir(root).catch((): string[] => [])) {
    const [, pid, host, start] = NAME.exec(name) ?? [];
    if (pid === undefined || host !== HOST || (await startOf(Number(pid))) === start) continue;
    const path = join(root, name);
    try {
      const found = await lstat(path);
      if (!found.isDirectory() || found.uid !== process.getuid?.()) continue;
      await rm(path, { recursive: true, force: true });
      removed += 1;
    } catch {
      // Another server that starts at the same time may be removing it as well.
    }
  }
  return removed;
}
