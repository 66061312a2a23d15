import { mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { processAlive } from './process-alive.js';

/**
 * RTP ports for one test file: a run of blocks below the system's ephemeral range that no other test process of this machine has, in
 * this checkout or another one, and in which no socket is bound. Who has a block is a file in the temporary folder with the id of the
 * process; a block goes back when its process has ended, however it ended.
 */
const FIRST = 10_000;
const END = 32_700;
const BLOCK = 100;
const BLOCKS = (END - FIRST) / BLOCK;
/** No test process lives as long: a file that is older is of a process whose id somebody else has by now. */
const OLD_MS = 3_600_000;
const folder = join(tmpdir(), `sipscribe-test-ports-${process.getuid?.() ?? 0}`);
const own: string[] = [];

process.once('exit', () => {
  for (const path of own) rmSync(path, { force: true });
});

/** The first of `count` ports that are this process's; an even number. */
export function portRange(count: number): number {
  mkdirSync(folder, { recursive: true });
  return alone(() => {
    const used = usedBlocks();
    const wanted = Math.ceil(count / BLOCK);
    // Whoever begins somewhere else each time meets nobody who still sends to an earlier holder of the block.
    const from = Math.floor(Math.random() * BLOCKS);
    for (let i = 0; i < BLOCKS; i++) {
      const first = (from + i) % BLOCKS;
      const blocks = Array.from({ length: wanted }, (_, at) => first + at);
      if (first + wanted > BLOCKS || blocks.some((block) => used.has(block))) continue;
      for (const block of blocks) {
        const path = join(folder, String(block));
        writeFileSync(path, String(process.pid));
        own.push(path);
      }
      return FIRST + first * BLOCK;
    }
    throw new Error(`no ${count} ports in a row are free between ${FIRST} and ${END}`);
  });
}

function usedBlocks(): Set<number> {
  const used = boundBlocks();
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (!/^\d+$/.test(name)) continue;
    const old = Date.now() - statSync(path).mtimeMs > OLD_MS;
    if (!old && processAlive(Number(readFileSync(path, 'utf8')))) used.add(Number(name));
    else rmSync(path, { force: true });
  }
  return used;
}

/** Where the system says that a UDP socket is bound, of whatever program. */
function boundBlocks(): Set<number> {
  const used = new Set<number>();
  for (const table of ['/proc/net/udp', '/proc/net/udp6']) {
    let text = '';
    try {
      text = readFileSync(table, 'utf8');
    } catch {
      continue;
    }
    for (const [, port = ''] of text.matchAll(/^\s*\d+: [0-9A-F]+:([0-9A-F]{4}) /gm)) {
      used.add(Math.floor((Number.parseInt(port, 16) - FIRST) / BLOCK));
    }
  }
  return used;
}

/** One process at a time. Held for a millisecond; one that was killed with it is overruled after five seconds. */
function alone<T>(work: () => T): T {
  const lock = join(folder, 'lock');
  const pause = new Int32Array(new SharedArrayBuffer(4));
  for (let tries = 0; ; tries++) {
    try {
      mkdirSync(lock);
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      if (tries % 500 === 499) removeLock(lock);
      Atomics.wait(pause, 0, 0, 10);
    }
  }
  try {
    return work();
  } finally {
    removeLock(lock);
  }
}

function removeLock(lock: string): void {
  try {
    rmdirSync(lock);
  } catch {
    // Whoever held it has given it back meanwhile.
  }
}
