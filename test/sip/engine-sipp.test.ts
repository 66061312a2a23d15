import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DEFAULT_SIP_TIMERS } from '../../src/sip/sip-timers.js';
import { eventually } from '../helpers/eventually.js';
import { ANSWER, atRest, type Fixture, startServer } from './engine-kit.js';

const CALLS = 60;
/** Over TCP SIPp takes a repeated 200 for a second one: nothing may be repeated while it is busy. */
const PATIENT = { t1Ms: 150, t2Ms: 600, t4Ms: 50 };

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
      await sipp(folder, 'basic-call', [
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

describe('SIPp over UDP that loses every ACK', () => {
  it('hears BYE, and the calls end by ack_timeout', async () => {
    const fixture = await startServer();
    const folder = await mkdtemp(join(tmpdir(), 'sipp-'));
    try {
      await sipp(folder, 'lost-ack', ['-t', 'u1', '-m', '5', '-r', '20', `127.0.0.1:${fixture.udp}`]);
      expect(fixture.calls.map(({ ends }) => ends.map(({ reason }) => reason))).toEqual(Array(5).fill(['ack_timeout']));
      await atRest(fixture);
    } finally {
      await fixture.server.stop();
      await rm(folder, { recursive: true, force: true });
    }
  });
});

describe.each(['UDP', 'TCP'])('SIPp in trouble over %s', (way) => {
  let fixture: Fixture;
  let folder: string;

  beforeEach(async () => {
    fixture = await startServer({ glareWaitMs: () => 50, timers: PATIENT });
    folder = await mkdtemp(join(tmpdir(), 'sipp-'));
  });
  afterEach(async () => {
    await fixture.server.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const play = (scenario: string, calls: number): Promise<void> => {
    const port = way === 'UDP' ? fixture.udp : fixture.tcp;
    const mode = way === 'UDP' ? 'u1' : 't1';
    return sipp(folder, scenario, ['-t', mode, '-m', String(calls), '-r', '20', `127.0.0.1:${port}`]);
  };
  const reasons = () => fixture.calls.map(({ ends }) => ends.map(({ reason }) => reason).join());

  it('cancels in time: 487, and a session that is made too late is dropped', async () => {
    const decisions: (() => void)[] = [];
    fixture.onInvite = (_invite, { cancelled }) =>
      new Promise((done) => {
        decisions.push(() => done(ANSWER));
        cancelled.addEventListener('abort', () => done(ANSWER));
      });
    await play('cancel', 5);
    expect(decisions).toHaveLength(5);
    await eventually('the sessions are dropped', () => reasons().join() === Array(5).fill('cancelled').join());
    await eventually('no dialog is left', () => fixture.server.counts.dialogs === 0);
  });

  it('cancels too late: the calls go on to their BYE', async () => {
    await play('cancel-late', 5);
    await eventually('all calls end', () => reasons().join() === Array(5).fill('bye').join());
    await eventually('no dialog is left', () => fixture.server.counts.dialogs === 0);
  });

  it('crosses our re-INVITE with its own: 491 both ways, and ours comes again', async () => {
    const statuses: Promise<number>[] = [];
    const offer = { method: 'INVITE', body: { type: 'application/sdp', content: 'v=0\r\n' } } as const;
    fixture.onInvite = (_invite, control) => {
      // The request waits for nothing but the end of this decision and the ACK to its 200.
      setImmediate(() => statuses.push(control.request(offer).then(({ status }) => status)));
      return ANSWER;
    };
    await play('glare', 5);
    expect(await Promise.all(statuses)).toEqual(Array(5).fill(200));
    expect(fixture.calls.map(({ requests }) => requests)).toEqual(Array(5).fill([]));
    await eventually('all calls end', () => reasons().join() === Array(5).fill('bye').join());
  });
});

/** Rejects with SIPp's own error log when one call failed. */
async function sipp(folder: string, scenario: string, args: readonly string[]): Promise<void> {
  const all = [
    '-sf',
    resolve(`test/fixtures/sipp/${scenario}.xml`),
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
