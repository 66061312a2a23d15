import { createSocket } from 'node:dgram';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { type CallReport, placeRecordingCall } from '../../src/client/recording-client.js';
import { eventually } from '../helpers/eventually.js';
import { findSent } from '../helpers/recording-check.js';
import { FreezableDisk, SmallDisk } from '../helpers/small-disk.js';
import { startTestServer, type TestServer } from '../helpers/test-server.js';
import { tone } from '../helpers/voices.js';

const closers: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function start(dataDir: string, env: Readonly<Record<string, string>> = {}): Promise<TestServer> {
  const server = await startTestServer({
    DATA_DIR: dataDir,
    SUPPORTED_VENDORS: 'whisper',
    WHISPER_ENABLED: 'false',
    ...env,
  });
  closers.push(() => server.stop());
  return server;
}

const audio = [tone(440, 5_000), tone(660, 5_000)] as const;

function place(server: TestServer, callId: string, ms = 5_000): Promise<CallReport> {
  return placeRecordingCall({
    target: { host: '127.0.0.1', port: server.sip.udp, transport: 'udp' },
    callId,
    legs: audio.map((samples, n) => ({
      label: String(n + 1),
      participant: { name: `P${n}`, aor: `sip:p${n}@example.com` },
      audio: samples.subarray(0, ms * 8),
    })),
  });
}

/** The final answer to an OPTIONS, as text. */
async function options(server: TestServer): Promise<string> {
  const socket = createSocket('udp4');
  try {
    await new Promise<void>((done) => socket.bind(0, '127.0.0.1', done));
    const local = `127.0.0.1:${socket.address().port}`;
    const answer = new Promise<string>((done) => socket.once('message', (bytes) => done(bytes.toString('latin1'))));
    const lines = [
      `OPTIONS sip:srs@127.0.0.1:${server.sip.udp} SIP/2.0`,
      `Via: SIP/2.0/UDP ${local};branch=z9hG4bK${Math.random()}`,
      'Max-Forwards: 70',
      `From: <sip:src@${local}>;tag=1`,
      `To: <sip:srs@127.0.0.1:${server.sip.udp}>`,
      `Call-ID: ${Math.random()}`,
      'CSeq: 1 OPTIONS',
      'Content-Length: 0',
    ];
    socket.send(`${lines.join('\r\n')}\r\n\r\n`, server.sip.udp, '127.0.0.1');
    return await answer;
  } finally {
    socket.close();
  }
}

async function ready(server: TestServer): Promise<{ status: number; body: { reasons: string[] } }> {
  const response = await fetch(`${server.http}/health/ready`);
  return { status: response.status, body: (await response.json()) as { reasons: string[] } };
}

function folders(dataDir: string): string[] {
  return readdirSync(dataDir, { recursive: true })
    .map(String)
    .filter((path) => /^recordings\/[^/]+\/[^/]+$/.test(path));
}

describe('a server whose disk', () => {
  it('is full refuses new calls and tells so everywhere, goes on with those it has, and takes new ones when there is space', async () => {
    const disk = new SmallDisk('6m');
    closers.push(() => disk.remove());
    const server = await start(disk.path, { MIN_FREE_DISK: '1MB' });
    const running = place(server, 'running');
    await eventually(
      'a second of audio',
      () => folders(disk.path).length === 1 && server.metric('siprec_rtp_packets_received_total').then((n) => n > 100),
    );
    disk.fill();
    await eventually('the alarm', async () => (await ready(server)).status === 503);
    expect((await ready(server)).body.reasons.join()).toMatch(/^disk is down: /);
    const refused = await options(server);
    expect(refused).toMatch(/^SIP\/2\.0 503 /);
    expect(refused).toMatch(/\r\nRetry-After: \d+\r\n/);
    await expect(place(server, 'refused')).rejects.toMatchObject({ facts: { status: 503 } });
    expect(folders(disk.path)).toHaveLength(1);
    await eventually('a backlog', async () => (await server.metric('siprec_recording_backlog_bytes')) > 30_000);
    expect(await server.metric('siprec_disk_free_bytes')).toBe(0);
    disk.free();
    await eventually('the end of the alarm', async () => (await ready(server)).status === 200);
    expect(await options(server)).toMatch(/^SIP\/2\.0 200 /);
    await place(server, 'next', 400);
    const report = await running;
    expect(report.outcome).toBe('completed');
    const ended = await server.ended('running');
    const folder = join(disk.path, ended.recording);
    for (const [n, samples] of audio.entries()) {
      expect(findSent(join(folder, `leg-${n + 1}.wav`), samples).offset).toBeGreaterThanOrEqual(0);
      expect(findSent(join(folder, 'call.wav'), samples, 'PCMU', n).offset).toBeGreaterThanOrEqual(0);
    }
    const record = JSON.parse(readFileSync(join(folder, 'call.json'), 'utf8'));
    expect(record.state).toBe('ended');
    expect(record.warnings).toContainEqual({ code: 'recording_write_failed' });
    expect(record.warnings.map(({ code }: { code: string }) => code)).not.toContain('recording_incomplete');
    expect(await server.metric('siprec_recording_errors_total')).toBeGreaterThanOrEqual(1);
    expect(await server.metric('siprec_recording_unwritten_seconds_total')).toBe(0);
  }, 30_000);

  it('has become read-only refuses the next call before any 200, and takes calls when it can be written again', async () => {
    const disk = new SmallDisk('6m');
    closers.push(() => disk.remove());
    const server = await start(disk.path, { MIN_FREE_DISK: '0' });
    disk.setReadOnly(true);
    await expect(place(server, 'refused', 200)).rejects.toMatchObject({ facts: { status: 503 } });
    expect((await ready(server)).status).toBe(503);
    expect(await options(server)).toMatch(/^SIP\/2\.0 503 /);
    disk.setReadOnly(false);
    await eventually('the end of the alarm', async () => (await ready(server)).status === 200);
    expect((await place(server, 'taken', 200)).outcome).toBe('completed');
    expect(folders(disk.path)).toHaveLength(1);
    await eventually('rest', async () => (await server.metric('siprec_ports_in_use')) === 0);
  }, 30_000);

  it('does not answer refuses a call in time, leaves nothing of it, and takes calls when it answers', async () => {
    const disk = new FreezableDisk();
    closers.push(() => disk.remove());
    const server = await start(disk.path, { MIN_FREE_DISK: '0' });
    disk.freeze();
    const began = performance.now();
    await expect(place(server, 'refused', 200)).rejects.toMatchObject({ facts: { status: 503 } });
    expect(performance.now() - began).toBeLessThan(6_000);
    expect((await ready(server)).status).toBe(503);
    const again = performance.now();
    await expect(place(server, 'refused too', 200)).rejects.toMatchObject({ facts: { status: 503 } });
    expect(performance.now() - again).toBeLessThan(1_000);
    disk.thaw();
    await eventually('the end of the alarm', async () => (await ready(server)).status === 200);
    await eventually('nothing of it', async () => folders(disk.path).length === 0);
    expect((await place(server, 'taken', 200)).outcome).toBe('completed');
    await eventually('rest', async () => (await server.metric('siprec_ports_in_use')) === 0);
    await eventually('rest', async () => (await server.metric('siprec_active_calls')) === 0);
  }, 30_000);
});
