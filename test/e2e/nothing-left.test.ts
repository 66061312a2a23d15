import { readdirSync, readlinkSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { placeRecordingCall } from '../../src/client/recording-client.js';
import { eventually } from '../helpers/eventually.js';
import { startTestServer, type TestServer } from '../helpers/test-server.js';
import { demoVoice } from '../helpers/voices.js';

const ROUNDS = 4;
const CALLS = 10;
const voice = demoVoice('agent', 0, 3_000);
let server: TestServer;

beforeAll(async () => {
  server = await startTestServer();
});

afterAll(() => server?.stop());

async function round(n: number): Promise<void> {
  const placed = Array.from({ length: CALLS }, (_, i) =>
    placeRecordingCall({
      target: { host: '127.0.0.1', port: i % 2 ? server.sip.tcp : server.sip.udp, transport: i % 2 ? 'tcp' : 'udp' },
      callId: `round-${n}-${i}`,
      legs: [
        { label: '1', participant: { name: 'A', aor: 'sip:a@example.com' }, audio: voice },
        { label: '2', participant: { name: 'B', aor: 'sip:b@example.com' }, audio: new Int16Array(voice.length) },
      ],
    }),
  );
  for (const call of await Promise.all(placed)) await server.ended(call.callId, 60_000);
}

interface Held {
  readonly handles: Readonly<Record<string, number>>;
  readonly files: number;
  readonly temp: readonly string[];
}

/** What the process holds: handles by kind, open files and sockets, files below TMPDIR, children through their pipes. */
function held(): Held {
  const handles: Record<string, number> = {};
  for (const kind of process.getActiveResourcesInfo()) {
    // Timers of the polling test itself come and go.
    if (kind !== 'Timeout' && kind !== 'Immediate') handles[kind] = (handles[kind] ?? 0) + 1;
  }
  const links = readdirSync('/proc/self/fd').map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return '';
    }
  });
  return {
    handles,
    files: links.filter((link) => link !== '').length,
    temp: readdirSync(server.tempDir, { recursive: true }).map(String).sort(),
  };
}

it(`holds after ${ROUNDS * CALLS} calls what it held before: handles, ports, files, children`, async () => {
  // The first round starts what stays: the whisper child, lazily opened files of Node itself, keep-alive connections.
  await round(0);
  const gauges = async (): Promise<number[]> => [
    await server.metric('siprec_ports_in_use'),
    await server.metric('siprec_active_calls'),
    await server.metric('siprec_whisper_temp_file_bytes'),
  ];
  await eventually('rest', async () => (await gauges()).every((value) => value === 0));
  const before = held();
  for (let n = 1; n < ROUNDS; n++) await round(n);
  await eventually('rest', async () => (await gauges()).every((value) => value === 0));
  await eventually(
    'the same handles and files',
    () => {
      const now = held();
      return now.files <= before.files && JSON.stringify(now.handles) === JSON.stringify(before.handles);
    },
    40_000,
  ).catch(() => expect(held()).toEqual(before));
  expect(held().temp).toEqual(before.temp);
}, 180_000);
