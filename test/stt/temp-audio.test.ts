import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readWav } from '../../src/audio/wav-reader.js';
import { silentLogger } from '../../src/core/logger.js';
import { TempAudio } from '../../src/stt/temp-audio.js';
import { makeTempDirectory, removeStaleDirectories } from '../../src/stt/temp-directory.js';
import { everything, newFolder, newMetrics, series } from './whisper-options.js';

const target = { sampleRate: 16_000, channels: 1 };
const bytesNow = (metrics: ReturnType<typeof newMetrics>): Promise<number> =>
  series(metrics, 'siprec_whisper_temp_file_bytes');

let folder: Awaited<ReturnType<typeof newFolder>>;
let metrics: ReturnType<typeof newMetrics>;
let store: TempAudio;

beforeEach(async () => {
  folder = await newFolder();
  metrics = newMetrics();
  store = new TempAudio({ root: folder.path, metrics, logger: silentLogger });
});
afterEach(async () => {
  await store.close();
  await folder.remove();
});

describe('TempAudio', () => {
  it('writes a resampled WAV of a safe name into a directory that only its user can enter', async () => {
    await store.start();
    const wav = await store.write(new Int16Array(8000).fill(1000), 8000, target);
    expect(basename(wav.audio.path)).toMatch(/^[A-Za-z0-9_-]+\.wav$/);
    expect(wav.audio).toMatchObject({ ...target, durationMs: 1000 });
    expect(((await stat(join(wav.audio.path, '..'))).mode & 0o777).toString(8)).toBe('700');
    expect(((await stat(wav.audio.path)).mode & 0o777).toString(8)).toBe('600');
    const read = readWav(await readFile(wav.audio.path));
    expect(read).toMatchObject(target);
    expect(read.samples).toHaveLength(16_000);
    expect(read.samples[8000]).toBe(1000);
  });

  it('puts the voice on every channel when two are wanted', async () => {
    const wav = await store.write(Int16Array.of(1, 2, 3), 16_000, { sampleRate: 16_000, channels: 2 });
    expect([...readWav(await readFile(wav.audio.path)).samples]).toEqual([1, 1, 2, 2, 3, 3]);
  });

  it('makes the gauge the size of the files that exist, and 0 at rest', async () => {
    const wavs = await Promise.all([1, 2, 3].map((n) => store.write(new Int16Array(n * 800), 8000, target)));
    const sizes = await Promise.all(wavs.map(async (wav) => (await stat(wav.audio.path)).size));
    expect(wavs.map((wav) => wav.bytes)).toEqual(sizes);
    expect(await bytesNow(metrics)).toBe(sizes.reduce((sum, size) => sum + size));
    await wavs[0]?.release();
    await wavs[0]?.release();
    expect(await bytesNow(metrics)).toBe((sizes[1] ?? 0) + (sizes[2] ?? 0));
    await Promise.all(wavs.map((wav) => wav.release()));
    expect(await bytesNow(metrics)).toBe(0);
    expect((await everything(folder.path)).filter((name) => name.endsWith('.wav'))).toEqual([]);
  });

  it('removes everything when it is closed, also what is being written', async () => {
    const kept = await store.write(new Int16Array(800), 8000, target);
    const late = store.write(new Int16Array(200_000), 8000, target).catch((error: unknown) => error);
    await store.close();
    expect(await late).toMatchObject({ code: 'SRS_STT_CANCELLED' });
    expect(await everything(folder.path)).toEqual([]);
    expect(await bytesNow(metrics)).toBe(0);
    await kept.release();
    expect(await bytesNow(metrics)).toBe(0);
    await expect(store.write(new Int16Array(1), 8000, target)).rejects.toMatchObject({ code: 'SRS_STT_CANCELLED' });
  });

  it('says so when the directory cannot be made, and works once it can', async () => {
    const root = join(folder.path, 'later');
    await writeFile(root, 'in the way');
    const other = new TempAudio({ root, metrics, logger: silentLogger });
    await expect(other.write(new Int16Array(1), 8000, target)).rejects.toMatchObject({ code: 'SRS_STT_SPOOL' });
    await rm(root);
    expect((await other.write(new Int16Array(1), 8000, target)).bytes).toBe(48);
    await other.close();
  });

  it('says so when a file cannot be written, counts nothing, and works again when it can', async () => {
    const root = join(folder.path, 'taken');
    const other = new TempAudio({ root, metrics, logger: silentLogger });
    const wav = await other.write(new Int16Array(1), 8000, target);
    await rm(root, { recursive: true });
    await writeFile(root, 'in the way');
    await expect(other.write(new Int16Array(1), 8000, target)).rejects.toMatchObject({ code: 'SRS_STT_SPOOL' });
    await wav.release();
    expect(await bytesNow(metrics)).toBe(0);
    await rm(root);
    expect((await other.write(new Int16Array(1), 8000, target)).bytes).toBe(48);
    await other.close();
  });

  it('makes its directory again when a cleaner of old temporary files took it', async () => {
    const first = await store.write(new Int16Array(1), 8000, target);
    await rm(join(first.audio.path, '..'), { recursive: true });
    const both = await Promise.all([1, 2].map(() => store.write(new Int16Array(1), 8000, target)));
    for (const { audio } of both) expect((await readFile(audio.path)).length).toBe(48);
    for (const wav of [first, ...both]) await wav.release();
    expect(await bytesNow(metrics)).toBe(0);
  });

  it('lets the event loop breathe while it resamples a long utterance', async () => {
    const speech = Int16Array.from({ length: 8000 * 25 }, (_, i) => Math.round(8000 * Math.sin(i / 3)));
    await store.write(speech, 8000, target);
    let turns = 0;
    const counting = setInterval(() => {
      turns += 1;
    }, 1);
    await store.write(speech, 8000, target);
    clearInterval(counting);
    // 400,000 samples are made in 49 turns, so timers run in between; in one piece there would be one turn or two.
    expect(turns).toBeGreaterThan(5);
  });
});

describe('stale directories', () => {
  it('go when their process is dead, and only then', async () => {
    const child = spawn('sleep', ['60']);
    const mine = await makeTempDirectory(folder.path);
    const [, , , host = '', start = ''] =
      /sipscribe-(\d+)-(\w+)-(\w+)-/.exec(basename(mine))?.map(String).toSpliced(1, 0, '') ?? [];
    const alive = await startTicks(child.pid ?? 0);
    const names = {
      dead: `sipscribe-4194999-${host}-${start}-AAAAAA`,
      recycled: `sipscribe-${process.pid}-${host}-1-AAAAAA`,
      running: `sipscribe-${child.pid}-${host}-${alive}-AAAAAA`,
      elsewhere: `sipscribe-4194999-${host === '000000' ? '111111' : '000000'}-${start}-AAAAAA`,
      foreign: 'sipscribe-notes',
    };
    for (const name of Object.values(names)) {
      await mkdir(join(folder.path, name));
      await writeFile(join(folder.path, name, 'utterance-1.wav'), 'x');
    }
    await symlink('/etc', join(folder.path, `sipscribe-4194999-${host}-${start}-BBBBBB`));
    expect(await removeStaleDirectories(folder.path)).toBe(2);
    const left = (await everything(folder.path)).filter((name) => !name.includes('/'));
    expect(left).toEqual(
      [
        basename(mine),
        names.running,
        names.elsewhere,
        names.foreign,
        `sipscribe-4194999-${host}-${start}-BBBBBB`,
      ].sort(),
    );
    child.kill();
    await once(child, 'exit');
    expect(await removeStaleDirectories(folder.path)).toBe(1);
  });

  it('go at the start of the store', async () => {
    const mine = await makeTempDirectory(folder.path);
    const stale = basename(mine).replace(/-\d+-/, '-4194999-');
    await mkdir(join(folder.path, stale));
    await store.start();
    expect(await everything(folder.path)).not.toContain(stale);
    expect(await everything(folder.path)).toContain(basename(mine));
  });
});

async function startTicks(pid: number): Promise<string> {
  const text = await readFile(`/proc/${pid}/stat`, 'latin1');
  return Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[19]).toString(36);
}
