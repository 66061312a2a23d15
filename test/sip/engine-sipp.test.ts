import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DEFAULT_SIP_TIMERS } from '../../src/sip/sip-timers.js';
import { eventually } from '../helpers/eventually.js';
import { type Fixture, startServer } from './engine-kit.js';

const SCENARIO = resolve('test/fixtures/sipp/basic-call.xml');
const CALLS = 60;

describe('SIPp', () => {
  let fixture: Fixture;
  let folder: string;

  beforeEach(async () => {
    fixture = await startServer({ timers: DEFAULT_SIP_TIMERS });
    folder = await mkdtemp(join(tmpdir(), 'sipp-'));
  });
  afterEach(async () => {
    await fixture.server.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it.each(['UDP', 'TCP one connection', 'TCP a connection each'])(
    'places calls over %s without a failure',
    async (way) => {
      const port = way === 'UDP' ? fixture.udp : fixture.tcp;
      const mode = { UDP: 'u1', 'TCP one connection': 't1', 'TCP a connection each': 'tn' }[way] ?? '';
      await sipp(folder, [
        '-t',
        mode,
        '-m',
        String(CALLS),
        '-r',
        '60',
        '-l',
        '30',
        '-max_socket',
        '200',
        `127.0.0.1:${port}`,
      ]);
      expect(fixture.calls).toHaveLength(CALLS);
      await eventually('all calls end', () => fixture.calls.every(({ ends }) => ends.length === 1));
      expect(fixture.calls.every(({ ends, acks }) => ends[0]?.reason === 'bye' && acks.length === 2)).toBe(true);
      expect(fixture.server.counts.dialogs).toBe(0);
      await eventually('connections close', () => fixture.server.counts.connections === 0);
    },
  );
});

/** Rejects with SIPp's own error log when one call failed. */
async function sipp(folder: string, args: readonly string[]): Promise<void> {
  const all = [
    '-sf',
    SCENARIO,
    '-nostdin',
    '-i',
    '127.0.0.1',
    '-timeout',
    '60s',
    '-timeout_error',
    '-trace_err',
    ...args,
  ];
  await new Promise<void>((done, fail) => {
    execFile('sipp', all, { cwd: folder, maxBuffer: 1e7 }, async (error, stdout) => {
      if (error === null) return done();
      const logs = await Promise.all(
        (await readdir(folder)).map((name) => readFile(join(folder, name), 'utf8').catch(() => '')),
      );
      fail(new Error(`sipp ended with ${error.code}: ${logs.join('\n').slice(0, 4_000)} ${stdout.slice(-2_000)}`));
    });
  });
}
