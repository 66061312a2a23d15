import { readdirSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../../src/core/logger.js';
import { Metrics } from '../../src/core/metrics.js';
import { DiskThread } from '../../src/store/disk-thread.js';
import { DiskWatch } from '../../src/store/disk-watch.js';
import { makeWritableDirectory } from '../../src/store/writable-directory.js';
import { eventually } from '../helpers/eventually.js';
import { FreezableDisk, SmallDisk } from '../helpers/small-disk.js';

const closers: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function watching(directory: string, minFreeBytes: number): Promise<{ watch: DiskWatch; metrics: Metrics }> {
  const metrics = new Metrics({ vendors: [], models: [] });
  const disk = new DiskThread();
  const watch = new DiskWatch({ directory, minFreeBytes, disk, patienceMs: 300, logger: silentLogger, metrics });
  closers.push(
    () => disk.close(),
    () => watch.close(),
  );
  await watch.start();
  return { watch, metrics };
}

describe('the watch of the disk', () => {
  it('finds one with less free space than is asked for, says how much there is, and finds it well when there is more', async () => {
    const disk = new SmallDisk('4m');
    closers.push(() => disk.remove());
    const { watch, metrics } = await watching(disk.path, 1_000_000);
    expect(watch.trouble).toBeUndefined();
    const free = async (): Promise<number> => (await metrics.diskFree.get()).values[0]?.value ?? -1;
    expect(await free()).toBeGreaterThan(3_000_000);
    disk.fill();
    watch.suspect();
    expect(watch.trouble).toBe('a recording could not be written');
    await eventually('the look at the space', () => watch.trouble === '0 MB free, fewer than 1 MB');
    expect(await free()).toBe(0);
    disk.free();
    await eventually('the next look', () => watch.trouble === undefined);
    await watch.close();
    expect(readdirSync(disk.path)).toEqual([]);
  });

  it('finds one that is full or read-only by writing to it, whatever its free space', async () => {
    const disk = new SmallDisk('1m');
    closers.push(() => disk.remove());
    const { watch } = await watching(disk.path, 0);
    expect(watch.trouble).toBeUndefined();
    disk.fill();
    watch.suspect();
    await eventually('the write', () => watch.trouble === 'it cannot be written: ENOSPC' || undefined);
    disk.free();
    await eventually('the next write', () => watch.trouble === undefined);
    disk.setReadOnly(true);
    watch.suspect();
    await eventually('the write', () => watch.trouble === 'it cannot be written: EROFS' || undefined);
    disk.setReadOnly(false);
    await eventually('the next write', () => watch.trouble === undefined);
  });

  it('finds one that does not answer, and waits for its answer before it asks again', async () => {
    const disk = new FreezableDisk();
    closers.push(() => disk.remove());
    const { watch } = await watching(disk.path, 0);
    disk.freeze();
    watch.suspect();
    await eventually('its silence', () => watch.trouble === 'it does not answer' || undefined);
    disk.thaw();
    await eventually('its answer', () => watch.trouble === undefined);
  });
});

describe('a directory for recordings', () => {
  it('that is read-only is refused at the start, with its name, its variable and the reason', async () => {
    const disk = new SmallDisk('1m');
    closers.push(() => disk.remove());
    disk.setReadOnly(true);
    await expect(makeWritableDirectory(disk.path, 'DATA_DIR', 0o750)).rejects.toMatchObject({
      code: 'SRS_CONFIG_INVALID',
      message: `DATA_DIR ${disk.path} cannot be made or written (EROFS)`,
    });
  });
});
