import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { encodeWav } from '../../src/audio/wav-file.js';
import { findSent } from '../helpers/recording-check.js';
import { startTestServer, type TestServer } from '../helpers/test-server.js';
import { ffprobe, tone } from '../helpers/voices.js';

const LENGTH_MS = 60_000;
let server: TestServer;
const folder = mkdtempSync(join(tmpdir(), 'sipscribe-sixty-'));

beforeAll(async () => {
  server = await startTestServer();
});

afterAll(async () => {
  await server?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** `sipscribe call` as a user runs it. */
function call(args: readonly string[]): Promise<{ code: number | null; report: { callId: string; outcome: string } }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['dist/src/cli.js', 'call', ...args, '--json']);
    let out = '';
    let err = '';
    child.stdout.on('data', (chunk) => {
      out += chunk;
    });
    child.stderr.on('data', (chunk) => {
      err += chunk;
    });
    child.on('close', (code) => {
      if (out === '') reject(new Error(`sipscribe call printed nothing: ${err}`));
      else resolve({ code, report: JSON.parse(out) });
    });
  });
}

it('records a call of 60 s that `sipscribe call` places: two legs and stereo, 60 s long, bit-exact', async () => {
  const caller = tone(440, LENGTH_MS);
  const callee = tone(1000, LENGTH_MS, 5000);
  const files = { caller: join(folder, 'caller.wav'), callee: join(folder, 'callee.wav') };
  writeFileSync(files.caller, encodeWav(caller, 8000, 1));
  writeFileSync(files.callee, encodeWav(callee, 8000, 1));
  const to = `sip:srs@${server.sip.host}:${server.sip.udp}`;
  const { code, report } = await call(['--to', to, '--caller', files.caller, '--callee', files.callee]);
  expect([code, report.outcome]).toEqual([0, 'completed']);
  const ended = await server.ended(report.callId, 60_000);
  const directory = server.folder(ended);
  for (const [file, channels] of [
    ['leg-1.wav', 1],
    ['leg-2.wav', 1],
    ['call.wav', 2],
  ] as const) {
    const found = ffprobe(join(directory, file));
    expect({ file, channels: found.channels, sampleRate: found.sampleRate }).toEqual({
      file,
      channels,
      sampleRate: 8000,
    });
    expect(Math.abs(found.seconds * 1000 - LENGTH_MS), file).toBeLessThanOrEqual(20);
  }
  const { legs, warnings, assurance } = server.record(ended);
  expect([warnings, assurance?.problems, assurance?.complete]).toEqual([[], [], true]);
  expect(legs.map((leg) => [leg.statistics?.packets, leg.statistics?.lost])).toEqual([
    [3000, 0],
    [3000, 0],
  ]);
  const places = [
    findSent(join(directory, 'leg-1.wav'), caller),
    findSent(join(directory, 'leg-2.wav'), callee),
    findSent(join(directory, 'call.wav'), caller, 'PCMU', 0),
    findSent(join(directory, 'call.wav'), callee, 'PCMU', 1),
  ];
  for (const place of places) {
    expect(place.offset).toBeGreaterThanOrEqual(0);
    expect(place.offset).toBeLessThanOrEqual(160);
    expect(place.silentElsewhere).toBe(true);
  }
  expect(places.slice(2).map((p) => p.offset)).toEqual(places.slice(0, 2).map((p) => p.offset));
}, 150_000);
