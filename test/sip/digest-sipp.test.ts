import { type ChildProcess, execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DEFAULT_SIP_TIMERS } from '../../src/sip/sip-timers.js';
import { eventually } from '../helpers/eventually.js';
import { metricOf } from './door-fixture.js';
import { type Fixture, startServer } from './engine-kit.js';

const SCENARIO = resolve('test/fixtures/sipp/authenticated-call.xml');
const CALLS = 20;

/** SIPp of Debian 12 knows MD5 alone, and reads only the first challenge. */
const DIGEST = {
  realm: 'recording',
  users: new Map([['sbc', 'open sesame']]),
  algorithms: ['MD5', 'SHA-256'] as const,
};

/** A call that fails ends without a BYE or CANCEL of SIPp's own, which would be for no dialog. */
const ABRUPT = ['-default_behaviors', 'none'];

describe('SIPp with a password', () => {
  let fixture: Fixture;
  let folder: string;

  beforeEach(async () => {
    fixture = await startServer({ timers: DEFAULT_SIP_TIMERS, digest: DIGEST, peerRate: 2 * CALLS });
    folder = await mkdtemp(join(tmpdir(), 'sipp-digest-'));
  });
  afterEach(async () => {
    await fixture.server.stop();
    await rm(folder, { recursive: true, force: true });
  });

  function sipp(port: number, mode: string, password: string, calls: number): ChildProcess {
    const args = ['-sf', SCENARIO, '-nostdin', '-i', '127.0.0.1', '-timeout', '30s', '-timeout_error', '-t', mode];
    const load = ['-m', String(calls), '-r', '20', '-au', 'sbc', '-ap', password, `127.0.0.1:${port}`];
    return execFile('sipp', [...args, ...load, ...ABRUPT], { cwd: folder, maxBuffer: 1e7 });
  }

  it.each(['u1', 't1'])('places calls by digest with the right one: %s', async (mode) => {
    const child = sipp(mode === 'u1' ? fixture.udp : fixture.tcp, mode, 'open sesame', CALLS);
    const [status] = await once(child, 'exit');
    expect(status).toBe(0);
    expect(fixture.calls).toHaveLength(CALLS);
    await eventually('all calls end', () => fixture.calls.every(({ ends }) => ends.length === 1));
    // A busy machine may make SIPp repeat an INVITE, which is challenged anew.
    expect(await metricOf(fixture.metrics, 'siprec_sip_refused_total{cause="challenged"}')).toBeGreaterThanOrEqual(
      CALLS,
    );
    expect(await metricOf(fixture.metrics, 'siprec_sip_refused_total{cause="rate"}')).toBe(0);
  });

  it('places none with a wrong one', async () => {
    const child = sipp(fixture.udp, 'u1', 'close sesame', 3);
    const gone = once(child, 'exit');
    const wrong = () => metricOf(fixture.metrics, 'siprec_sip_refused_total{cause="unauthenticated"}');
    // The calls of SIPp hang where they hear 401 again, so that it does not end by itself.
    await eventually('three wrong passwords are heard', async () => ((await wrong()) ?? 0) >= 3);
    child.kill('SIGKILL');
    await gone;
    expect(fixture.calls).toEqual([]);
    expect(fixture.server.counts).toEqual({ transactions: 0, dialogs: 0, connections: 0 });
  });
});
