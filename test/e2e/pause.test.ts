import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { decodeG711, encodeG711 } from '../../src/audio/g711.js';
import { placeRecordingCall } from '../../src/client/recording-client.js';
import type { CallRecord } from '../../src/store/call-record.js';
import { eventually } from '../helpers/eventually.js';
import { scriptedModel } from '../helpers/scripted-model.js';
import { ServerProcess } from '../helpers/server-process.js';
import { spoken } from '../helpers/spoken.js';

const KEY = 'a-key-of-sixteen-chars';
const REASON = 'the card of Mister Brown';
let server: ServerProcess | undefined;
afterEach(() => server?.dispose());

/** Speech for so many seconds over a loud line: voice to the detector, and no two places of it alike. */
function voice(seconds: number, seed: number): Int16Array {
  const words = spoken('one two three four five six seven eight nine ten eleven twelve');
  let state = seed;
  const samples = Int16Array.from({ length: seconds * 8000 }, (_, i) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return (words[i % words.length] ?? 0) + (state >>> 23) - 256;
  });
  return decodeG711('PCMU', encodeG711('PCMU', samples));
}

/** Every file below a folder, whatever made it. */
function allBytes(folder: string): Buffer[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name)));
}

/** Windows of 32 samples, one in each 20 ms, that stand in some file: as PCM, as one channel of two, or as they came. */
function windowsFound(files: readonly Buffer[], samples: Int16Array): number {
  const channels = files.flatMap((file) => [0, 2].map((skip) => everyOther(file, skip)));
  let found = 0;
  for (let at = 0; at + 32 <= samples.length; at += 160) {
    const window = samples.slice(at, at + 32);
    const needles = [Buffer.from(window.buffer), Buffer.from(encodeG711('PCMU', window))];
    if (needles.some((needle) => [...files, ...channels].some((file) => file.includes(needle)))) found++;
  }
  return found;
}

function everyOther(file: Buffer, skip: number): Buffer {
  const frames = Math.max(0, Math.floor((file.length - 44) / 4));
  const bytes = Buffer.alloc(frames * 2);
  for (let i = 0; i < frames; i++) file.copy(bytes, i * 2, 44 + i * 4 + skip, 46 + i * 4 + skip);
  return bytes;
}

describe('a paused call of a whole server', () => {
  it('leaves nothing of what was said in the pause in any folder or log, also when the process is killed in it', async () => {
    server = await ServerProcess.ready({
      API_KEYS: KEY,
      WHISPER_MODEL: scriptedModel('hello from the scripted model'),
      LOG_LEVEL: 'debug',
    });
    const own = server;
    const post = async (path: string, body: object): Promise<{ status: number; body: Record<string, unknown> }> => {
      const answer = await fetch(`http://127.0.0.1:${own.httpPort}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-api-key': KEY },
        body: JSON.stringify(body),
      });
      return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
    };
    const voices = [voice(30, 1), voice(30, 2)];
    const times: { started?: number } = {};
    const hangUp = new AbortController();
    const call = placeRecordingCall({
      target: { host: '127.0.0.1', port: own.sipPort, transport: 'udp' },
      legs: voices.map((audio, i) => ({
        label: String(i + 1),
        participant: { name: `P${i}`, aor: `sip:p${i}@example.com` },
        audio,
      })),
      onEvent: ({ type, at }) => {
        if (type === 'answered') times.started = at;
      },
      // The server is killed: a BYE to it need not be waited for as long as in the world.
      timers: { t1Ms: 60 },
      signal: hangUp.signal,
    }).catch(() => {});
    const first = await own.logged('first packet');
    const id = String(first.sessionId);
    const cut = (): boolean => own.lines().some((line) => line.msg === 'utterance cut');
    await eventually('3 s of audio', () => Date.now() > (times.started ?? Date.now()) + 3000);
    const paused = await post(`/api/calls/${id}/pause`, { reason: REASON });
    const since = Date.now();
    expect(paused).toMatchObject({ status: 200, body: { call: { state: 'paused', paused_by: 'us' } } });
    await eventually('the utterance before the pause', cut);
    await eventually('3 s of the pause, and its files', () => Date.now() > since + 3000);
    const record = await eventually('the pause in the record', () => {
      const path = join(own.recordings()[0] ?? '', 'call.json');
      const written = JSON.parse(readFileSync(path, 'utf8')) as CallRecord;
      return written.state === 'paused' && written;
    });
    expect(record.pauses).toMatchObject([{ by: 'key-1', reason: REASON }]);
    own.kill('SIGKILL');
    await own.exited;
    hangUp.abort();
    await call;

    // The sender is never early: what lies a packet and more behind this was sent after the answer to the command.
    const safe = Math.ceil((since - (times.started ?? 0) + 40) * 8);
    const files = allBytes(own.root);
    expect(files.length).toBeGreaterThanOrEqual(4);
    for (const audio of voices) {
      expect(windowsFound(files, audio.subarray(0, 16_000))).toBeGreaterThanOrEqual(95);
      expect(windowsFound(files, audio.subarray(safe, safe + 32_000))).toBe(0);
    }
    expect(own.lines().find((line) => line.msg === 'recording paused')).toMatchObject({
      callId: record.callId,
      sessionId: id,
      atMs: record.pauses?.[0]?.fromMs,
      at: record.pauses?.[0]?.from,
      by: 'key-1',
    });
    expect(own.output).not.toContain(REASON);
    expect(own.output).not.toContain(KEY);
    const cuts = own.lines().filter((line) => line.msg === 'utterance cut');
    expect(cuts.length).toBeGreaterThanOrEqual(1);
    for (const { endMs } of cuts) expect(Number(endMs)).toBeLessThanOrEqual((record.pauses?.[0]?.fromMs ?? 0) + 500);
  }, 60_000);
});
