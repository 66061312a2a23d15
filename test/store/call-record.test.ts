import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { SrsError } from '../../src/core/errors.js';
import { CallDirectory } from '../../src/store/call-directory.js';
import { type CallRecord, CallRecordWriter } from '../../src/store/call-record.js';
import { desk, spoken } from '../helpers/call-events.js';
import { eventually } from '../helpers/eventually.js';

const initial: CallRecord = {
  version: 1,
  sessionId: 's1',
  callId: 'c1',
  state: 'recording',
  startedAt: Date.UTC(2026, 4, 6, 23, 59, 59),
  source: '192.0.2.1:5060',
  legs: [],
  participants: [],
  warnings: [],
  transcripts: [],
  failures: [],
  metadataFiles: [],
};

describe('the call record', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'sipscribe-record-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));
  const onDisk = (): CallRecord => JSON.parse(readFileSync(join(folder, 'call.json'), 'utf8'));

  it('is on disk from the start', async () => {
    const writer = new CallRecordWriter(folder, initial, { durable: true });
    await writer.flush();
    expect(onDisk()).toEqual(initial);
    await writer.close();
  });

  it('writes its last state although the write in flight at its close fails for a passing reason', async () => {
    rmSync(folder, { recursive: true });
    const writer = new CallRecordWriter(folder, initial, { onError: () => mkdirSync(folder, { recursive: true }) });
    writer.update({ state: 'ended' });
    await writer.close();
    expect(onDisk().state).toBe('ended');
  });

  it('follows its changes without being asked', async () => {
    const writer = new CallRecordWriter(folder, initial, { minIntervalMs: 10 });
    await writer.flush();
    writer.update({ state: 'paused' });
    await eventually('the change is written', () => onDisk().state === 'paused');
    await writer.close();
  });

  it('of a call of two hours costs little: it is written seldom while it is long, and whole at the end', async () => {
    const { bus } = desk();
    const text = 'so many words as people say in one breath '.repeat(3);
    const transcripts = Array.from({ length: 3_000 }, (_, n) => bus.publish(spoken('c1', n, text))).filter(
      (event) => event.type === 'transcript.final',
    );
    const writer = new CallRecordWriter(folder, { ...initial, transcripts }, { minIntervalMs: 1 });
    await writer.flush();
    const { size, mtimeMs } = statSync(join(folder, 'call.json'));
    // Longer than this test may watch: one write in so many seconds.
    expect(size / 65_536).toBeGreaterThan(10);
    const startedAt = performance.now();
    while (performance.now() - startedAt < 1_000) {
      const event = bus.publish(spoken('c1', 1, text));
      if (event.type === 'transcript.final') {
        writer.update((record) => ({ transcripts: [...record.transcripts, event] }));
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(statSync(join(folder, 'call.json')).mtimeMs).toBe(mtimeMs);
    const said = writer.record.transcripts.length;
    expect(said).toBeGreaterThan(3_010);
    writer.update({ endedAt: 1 });
    await eventually('the end of the media, which waits for nothing', () => onDisk().endedAt === 1, 5_000);
    await writer.close();
    expect(onDisk().transcripts).toHaveLength(said);
  });

  it('joins many changes into few writes and is never half written', async () => {
    const writer = new CallRecordWriter(folder, initial, { minIntervalMs: 5 });
    await writer.flush();
    const { bus } = desk();
    const writes = new Set<number>();
    for (let n = 1; n <= 300; n += 1) {
      const event = bus.publish(spoken('c1', n));
      if (event.type === 'transcript.final') {
        writer.update((record) => ({ transcripts: [...record.transcripts, event] }));
      }
      const seen = onDisk();
      writes.add(seen.transcripts.length);
      if (n % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    writer.update({ state: 'ended', reason: 'bye', durationMs: 300_000 });
    await writer.close();
    expect(onDisk().transcripts.map((event) => event.utteranceId)).toHaveLength(300);
    expect(onDisk()).toMatchObject({ state: 'ended', reason: 'bye' });
    expect(writes.size).toBeLessThan(150);
    expect(readdirSync(folder)).toEqual(['call.json']);
  });

  it('keeps raw metadata beside it, byte for byte, and names the files', async () => {
    const writer = new CallRecordWriter(folder, initial);
    await writer.saveMetadata('<recording>é</recording>');
    await writer.saveMetadata('<recording/>');
    await writer.close();
    expect(onDisk().metadataFiles).toEqual(['metadata-1.xml', 'metadata-2.xml']);
    expect(readFileSync(join(folder, 'metadata-1.xml'), 'utf8')).toBe('<recording>é</recording>');
  });

  it('counts what does not fit instead of growing without end', async () => {
    const writer = new CallRecordWriter(folder, initial);
    const warnings = Array.from({ length: 1_200 }, () => ({ code: 'no_rtp' as const }));
    writer.update({ warnings });
    await writer.close();
    expect(onDisk().warnings).toHaveLength(1_000);
    expect(onDisk().omitted).toBe(200);
  });

  it('reports a write that failed once, tries again at close for a while, and says when it was in vain', async () => {
    const errors: SrsError[] = [];
    const missing = join(folder, 'not-there');
    const options = { onError: (error: SrsError) => errors.push(error), minIntervalMs: 5, patienceMs: 50 };
    const writer = new CallRecordWriter(missing, initial, options);
    await expect(writer.flush()).rejects.toMatchObject({ code: 'SRS_RECORDING_WRITE' });
    expect(await writer.close()).toBe(false);
    expect(errors.map(({ code }) => code)).toEqual(['SRS_RECORDING_WRITE']);
  });

  it('is on disk in its last state when the disk takes it again before its patience ends', async () => {
    const later = join(folder, 'later');
    const writer = new CallRecordWriter(later, initial, { minIntervalMs: 5 });
    await expect(writer.flush()).rejects.toMatchObject({ code: 'SRS_RECORDING_WRITE' });
    writer.update({ state: 'ended' });
    const closed = writer.close();
    mkdirSync(later);
    expect(await closed).toBe(true);
    expect(JSON.parse(readFileSync(join(later, 'call.json'), 'utf8'))).toMatchObject({ state: 'ended' });
  });
});

describe('the folder of a call', () => {
  it('lies under the UTC day of its start and can be removed whole', async () => {
    const data = mkdtempSync(join(tmpdir(), 'sipscribe-data-'));
    const directory = new CallDirectory(data, 's1', initial.startedAt);
    expect(directory.path).toBe(join(data, 'recordings', '2026-05-06', 's1'));
    mkdirSync(directory.path, { recursive: true });
    await directory.discard();
    expect(readdirSync(join(data, 'recordings', '2026-05-06'))).toEqual([]);
    rmSync(data, { recursive: true });
  });

  it('takes no session id that could lead elsewhere', () => {
    const make = (): CallDirectory => new CallDirectory(tmpdir(), '../evil', 0);
    expect(make).toThrow(expect.objectContaining({ code: 'SRS_RECORDING_WRITE' }));
  });
});
