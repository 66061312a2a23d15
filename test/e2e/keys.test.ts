import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import type { RecordedKey } from '../../src/store/call-record.js';
import { eventually } from '../helpers/eventually.js';
import { type CapturedPacket, writePcap } from '../helpers/pcap-writer.js';
import { ServerProcess } from '../helpers/server-process.js';
import { keyPackets } from '../rtp/key-press.js';
import { noise, rtpPacket } from '../rtp/rtp-sender.js';

const CALLER_PORT = 6_000;
const LENGTH_MS = 2_500;
/** Star, 7, 4, with their places in the caller's stream. */
const PRESSES = [
  { code: 10, atMs: 500 },
  { code: 7, atMs: 1000 },
  { code: 4, atMs: 1500 },
];

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** Both legs talk; the caller presses three keys, each of 120 ms, in place of the audio. */
function capture(): Buffer {
  const packets: CapturedPacket[] = [];
  for (const leg of [0, 1]) {
    let sequence = 65_500;
    const port = CALLER_PORT + 2 * leg;
    const push = (atMs: number, timestamp: number, payloadType: number, payload: Uint8Array, marker = false): void => {
      const packet = rtpPacket({ sequence: sequence++, timestamp, payloadType, marker, ssrc: 0x1000 + leg }, payload);
      packets.push({ atMs, sourcePort: port, destinationPort: port, payload: packet });
    };
    for (let atMs = 0; atMs < LENGTH_MS; atMs += 20) {
      const pressed = leg === 0 ? PRESSES.find((key) => atMs >= key.atMs && atMs < key.atMs + 120) : undefined;
      if (!pressed) push(atMs, 800 + atMs * 8, 0, noise(160, 7 + atMs + leg));
      else if (atMs === pressed.atMs) {
        const key = keyPackets({ code: pressed.code, timestamp: 800 + atMs * 8, duration: 960, every: 160 });
        for (const { at, timestamp, payload, marker } of key) push(atMs + at / 8, timestamp, 101, payload, marker);
      }
    }
  }
  return writePcap(packets);
}

/** A call by SIPp to a server of its own with this policy, at the loudest log level, when it has ended. */
async function callWithKeys(
  policy: string,
): Promise<{ server: ServerProcess; keys: readonly RecordedKey[] | undefined }> {
  const folder = mkdtempSync(join(tmpdir(), 'sipscribe-keys-'));
  closers.push(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, 'rtp.pcap'), capture());
  const server = await ServerProcess.ready({ DTMF_POLICY: policy, WHISPER_ENABLED: 'false', LOG_LEVEL: 'trace' });
  closers.push(() => server.dispose());
  const scenario = resolve('test/fixtures/sipp/siprec-keys.xml');
  const where = [`127.0.0.1:${server.sipPort}`, '-i', '127.0.0.1', '-sf', scenario, '-nostdin'];
  await promisify(execFile)('sipp', [...where, '-m', '1', '-d', String(LENGTH_MS + 1500), '-timeout', '30'], {
    cwd: folder,
  });
  const record = await eventually('the record', () => {
    const [recording] = server.recordings();
    const text = recording && readFileSync(join(recording, 'call.json'), 'utf8');
    const written = text ? JSON.parse(text) : undefined;
    return written?.state === 'ended' && written;
  });
  return { server, keys: record.dtmf };
}

/** Everything that the server wrote and that is text. */
function texts(server: ServerProcess): string[] {
  return readdirSync(server.root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.endsWith('.wav'))
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1'));
}

describe('keys pressed in a call of SIPp', () => {
  it('are in the record by RTP at the sample, by INFO at their arrival, and in no log line', async () => {
    const { server, keys } = await callWithKeys('store');
    const [first] = keys ?? [];
    const start = first?.startMs ?? 0;
    expect(Math.abs(start - 500)).toBeLessThanOrEqual(120);
    expect(keys?.slice(0, 3)).toEqual(
      ['*', '7', '4'].map((digit, i) => ({
        leg: 1,
        digit,
        startMs: start + i * 500,
        durationMs: 120,
        source: 'rtp',
      })),
    );
    expect(keys?.slice(3)).toEqual([
      { digit: '8', startMs: expect.any(Number), durationMs: 160, source: 'info' },
      { digit: '#', startMs: expect.any(Number), source: 'info' },
    ]);
    expect(server.lines().length).toBeGreaterThan(5);
    expect(server.output).not.toMatch(/digit|signal=|dtmf-relay/i);
  }, 60_000);

  it('are five presses without a digit under the policy mask, wherever one looks', async () => {
    const { server, keys } = await callWithKeys('mask');
    expect(keys?.map(({ masked, digit, source }) => [masked, digit, source])).toEqual([
      ...[1, 2, 3].map(() => [true, undefined, 'rtp']),
      ...[1, 2].map(() => [true, undefined, 'info']),
    ]);
    for (const text of [...texts(server), server.output]) expect(text).not.toMatch(/"digit"|Signal=8/);
    const metrics = (await server.get('/metrics')).body;
    expect(metrics).toContain('siprec_dtmf_digits_total{source="rtp"} 3');
    expect(metrics).toContain('siprec_dtmf_digits_total{source="info"} 2');
  }, 60_000);
});
