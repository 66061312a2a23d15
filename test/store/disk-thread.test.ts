import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DiskThread } from '../../src/store/disk-thread.js';

describe('the thread that writes records', () => {
  let folder: string;
  let disk: DiskThread;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'sipscribe-disk-'));
    disk = new DiskThread();
  });
  afterEach(async () => {
    await disk.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('replaces files whole, texts and bytes, and leaves nothing else behind', async () => {
    await disk.write([
      { path: join(folder, 'invite.sip'), content: Buffer.from([0, 255, 13, 10]) },
      { path: join(folder, 'call.json'), content: 'first and longer', durable: true },
    ]);
    await disk.write([{ path: join(folder, 'call.json'), content: 'second' }]);
    expect([...readFileSync(join(folder, 'invite.sip'))]).toEqual([0, 255, 13, 10]);
    expect(readFileSync(join(folder, 'call.json'), 'utf8')).toBe('second');
    expect(readdirSync(folder).sort()).toEqual(['call.json', 'invite.sip']);
  });

  it("tells the system's code of what cannot be written, and goes on with the next", async () => {
    const nowhere = { path: join(folder, 'missing', 'call.json'), content: 'x' };
    const after = { path: join(folder, 'never.json'), content: 'x' };
    await expect(disk.write([nowhere, after])).rejects.toMatchObject({ code: 'ENOENT' });
    expect(readdirSync(folder)).toEqual([]);
    await disk.write([after]);
    expect(readdirSync(folder)).toEqual(['never.json']);
  });

  it('writes what was asked before it ends, and refuses what comes after', async () => {
    const path = join(folder, 'call.json');
    const writing = Promise.all([1, 2, 3].map((n) => disk.write([{ path, content: String(n) }])));
    await disk.close();
    await writing;
    expect(readFileSync(path, 'utf8')).toBe('3');
    await expect(disk.write([{ path, content: '4' }])).rejects.toMatchObject({ code: 'SRS_RECORDING_WRITE' });
  });
});
