import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeWav } from '../../src/audio/wav-file.js';
import { eventually } from '../helpers/eventually.js';
import { portRange } from '../helpers/port-range.js';
import { findSent } from '../helpers/recording-check.js';
import { ServerProcess } from '../helpers/server-process.js';
import { SipStorm } from '../helpers/sip-storm.js';
import { fixtureBytes } from '../helpers/siprec-fixture.js';
import { tone } from '../helpers/voices.js';

const PLACES = 100;
const HALF_OPEN = 10_000;
const BYES = 3_000;
const NEIGHBOUR_MS = 25_000;
const SLOW = 150;
const CUT = ['rfc7866-two-legs', 'oracle-four-m-lines', 'cisco-cube-sendonly'];
/** The main heap may be this much larger in the end than before: caches and compiled code, not calls. */
const HEAP_SLACK = 40_000_000;

const ports = portRange(4 * PLACES + 200);
const folder = mkdtempSync(join(tmpdir(), 'sipscribe-storm-'));
const caller = tone(440, NEIGHBOUR_MS);
const callee = tone(1000, NEIGHBOUR_MS, 5000);
let server: ServerProcess;
let tcpPort = 0;
let neighbour: Promise<string>;
let before: { readonly heap: number; readonly files: number };
/** Call-IDs of every INVITE that heard 200, whoever placed it. */
const answered = new Set<string>();
const slow: Socket[] = [];

async function metric(series: string): Promise<number> {
  const { body } = await server.get('/metrics');
  const line = body.split('\n').find((text) => text.startsWith(`${series} `));
  if (line === undefined) throw new Error(`no series ${series}`);
  return Number(line.slice(line.lastIndexOf(' ') + 1));
}

const files = (): number => readdirSync(`/proc/${pid()}/fd`).length;
const pid = (): number => Number(server.lines().find((line) => line.pid !== undefined)?.pid);

function parts(name: string): { readonly type: string; readonly body: Buffer } {
  const bytes = fixtureBytes(name);
  const at = bytes.indexOf('\r\n\r\n');
  const type = /^(?:Content-Type|c)\s*:\s*(.*?)\r?$/im.exec(bytes.toString('latin1', 0, at))?.[1] ?? '';
  return { type, body: bytes.subarray(at + 4) };
}

/** A call as it should be: answered, acknowledged, ended. */
async function honestCall(storm: SipStorm, callId: string): Promise<number> {
  const { type, body } = parts('rfc7866-two-legs');
  const invite = storm.request('INVITE', callId, type, body);
  let tries = 0;
  const final = await eventually(
    `the answer to ${callId}`,
    () => {
      if (tries++ % 25 === 0) storm.send(invite);
      return storm.finals.get(callId);
    },
    20_000,
  );
  if (final.status !== 200) return final.status;
  answered.add(callId);
  const bye = storm.request('BYE', callId, undefined, undefined, final.to);
  await eventually(
    `the end of ${callId}`,
    () => {
      if (tries++ % 25 === 0) storm.send(bye);
      return storm.others.has(`${callId} BYE`);
    },
    20_000,
  );
  return 200;
}

/** Gives the server its turn: a loopback that drops datagrams tests nobody. */
const breathe = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 4));

beforeAll(async () => {
  server = await ServerProcess.ready({
    WHISPER_ENABLED: 'false',
    MAX_CONCURRENT_CALLS: String(PLACES),
    RTP_PORT_MIN: String(ports),
    RTP_PORT_MAX: String(ports + 4 * PLACES + 199),
    // Whatever piles up must not fit: the process would die of it.
    NODE_OPTIONS: '--max-old-space-size=256',
  });
  const ready = await server.logged('sipscribe is ready');
  tcpPort = (ready.sip as { transport: string; port: number }[]).find((a) => a.transport === 'tcp')?.port ?? 0;
  const storm = await SipStorm.open(server.sipPort, { acknowledges: true });
  for (let n = 0; n < 20; n++) await honestCall(storm, `warm${n}`);
  storm.close();
  await eventually('rest', async () => (await metric('siprec_active_calls')) === 0);
  before = { heap: await metric('nodejs_heap_size_used_bytes'), files: files() };
  writeFileSync(join(folder, 'a.wav'), encodeWav(caller, 8000, 1));
  writeFileSync(join(folder, 'b.wav'), encodeWav(callee, 8000, 1));
  const to = `sip:srs@127.0.0.1:${server.sipPort}`;
  const audio = ['--caller', join(folder, 'a.wav'), '--callee', join(folder, 'b.wav')];
  neighbour = new Promise((resolve, reject) => {
    // A process of its own, so that this test's work cannot make its packets late.
    const child = spawn(process.execPath, ['dist/src/cli.js', 'call', '--to', to, ...audio, '--json']);
    let out = '';
    child.stdout.on('data', (chunk) => {
      out += chunk;
    });
    child.on('close', (code) =>
      code === 0 ? resolve(JSON.parse(out).callId) : reject(new Error(`the neighbour ended with ${code}`)),
    );
  });
  neighbour.catch(() => {});
  await eventually(
    'RTP of the neighbour',
    async () => (await metric('siprec_rtp_packets_received_total')) > 20,
    20_000,
  );
}, 60_000);

afterAll(async () => {
  for (const socket of slow) socket.destroy();
  await server?.dispose();
  rmSync(folder, { recursive: true, force: true });
});

describe('a server under attack', () => {
  it(`holds ${SLOW} TCP connections that send a byte at a time, and cuts off what claims too much`, async () => {
    const trickle = Buffer.from(`INVITE sip:srs@127.0.0.1 SIP/2.0\r\nSubject: ${'slow '.repeat(2_000)}`);
    for (let n = 0; n < SLOW; n++) {
      const socket = connect({ host: '127.0.0.1', port: tcpPort });
      socket.on('error', () => {});
      let at = 0;
      const timer = setInterval(() => {
        if (socket.writable) socket.write(trickle.subarray(at, ++at));
      }, 100);
      socket.once('close', () => clearInterval(timer));
      slow.push(socket);
    }
    const head = (length: number): string => `INVITE sip:srs@127.0.0.1 SIP/2.0\r\nContent-Length: ${length}\r\n\r\n`;
    const large = connect({ host: '127.0.0.1', port: tcpPort });
    large.on('error', () => {});
    large.write(head(10_000_000));
    large.write(Buffer.alloc(10_000_000, 'x'));
    const lying = connect({ host: '127.0.0.1', port: tcpPort });
    lying.on('error', () => {});
    lying.write(`${head(10_000_000)}little`);
    for (const socket of [large, lying]) {
      socket.resume();
      await eventually('a closed connection', () => socket.closed || socket.destroyed || socket.readableEnded, 10_000);
      socket.destroy();
    }
  }, 30_000);

  it.each(CUT)(
    'takes no prefix of %s for a call, over UDP and cut off on TCP',
    async (name) => {
      const storm = await SipStorm.open(server.sipPort, { acknowledges: true });
      const honest = await SipStorm.open(server.sipPort, { acknowledges: true });
      const { type, body } = parts(name);
      const callsBefore = await metric('siprec_active_calls');
      const size = storm.request('INVITE', `cut-${name}-0000`, type, body).length;
      for (let length = 1; length < size; length++) {
        const callId = `cut-${name}-${String(length).padStart(4, '0')}`;
        storm.send(storm.request('INVITE', callId, type, body).subarray(0, length));
        if (length % 20 === 0) await breathe();
        if (length % 1_000 === 0) expect(await honestCall(honest, `beside-${callId}`)).toBe(200);
      }
      for (let length = 1; length < size; length += 97) {
        const socket = connect({ host: '127.0.0.1', port: tcpPort });
        socket.on('error', () => {});
        socket.end(storm.request('INVITE', `tcp-${name}-${length}`, type, body).subarray(0, length));
        socket.resume();
        if (length % 10 === 0) await breathe();
      }
      expect(await honestCall(honest, `after-${name}`)).toBe(200);
      expect([...storm.finals.values()].filter((call) => call.status < 400)).toEqual([]);
      // What has its Content-Length is answered; nearly half of each message is such a prefix.
      expect(storm.finals.size).toBeGreaterThan(size / 4);
      await eventually('no call of a prefix', async () => (await metric('siprec_active_calls')) <= callsBefore);
      storm.close();
      honest.close();
    },
    60_000,
  );

  it(`gives ${HALF_OPEN} INVITEs that are never acknowledged their places or 503, and ends them`, async () => {
    const storm = await SipStorm.open(server.sipPort, { acknowledges: false });
    const { type, body } = parts('rfc7866-two-legs');
    const ids = Array.from({ length: HALF_OPEN }, (_, n) => `half-${n}`);
    let sent = 0;
    for (const id of ids) {
      storm.send(storm.request('INVITE', id, type, body));
      if (++sent % 10 === 0) await breathe();
      await eventually('room', () => sent - storm.finals.size < 400, 30_000, 2);
    }
    await eventually(
      'a final response each',
      () => {
        // What the loopback dropped is sent again, as any SRC does.
        for (const id of ids) if (!storm.finals.has(id)) storm.send(storm.request('INVITE', id, type, body));
        return storm.finals.size === HALF_OPEN;
      },
      30_000,
      500,
    );
    const taken = [...storm.finals.values()].filter((call) => call.status === 200);
    const refused = [...storm.finals.values()].filter((call) => call.status === 503);
    expect(taken.length + refused.length).toBe(HALF_OPEN);
    expect(taken.length).toBeGreaterThanOrEqual(PLACES - 5);
    expect(taken.length).toBeLessThanOrEqual(PLACES + 5);
    for (const { callId } of taken) answered.add(callId);
    for (let n = 0; n < BYES; n++) {
      storm.send(storm.request('BYE', `nobody-${n}`, undefined, undefined, '<sip:srs@127.0.0.1>;tag=none'));
      if (n % 20 === 0) await breathe();
    }
    await eventually('481 each', () => storm.others.size > BYES * 0.99, 20_000);
    expect(new Set(storm.others.values())).toEqual(new Set([481]));
    // 64 × T1 without an ACK (RFC 3261 §13.3.1.4).
    await eventually(
      'the end of what nobody acknowledged',
      async () => (await metric('siprec_active_calls')) <= 1,
      60_000,
      200,
    );
    storm.close();
  }, 120_000);

  it('has recorded the neighbouring call bit-exactly, answers honest calls, and holds nothing more than before', async () => {
    answered.add(await neighbour);
    const honest = await SipStorm.open(server.sipPort, { acknowledges: true });
    expect(await honestCall(honest, 'honest-in-the-end')).toBe(200);
    await eventually('no call', async () => (await metric('siprec_active_calls')) === 0, 20_000);
    await eventually('no port', async () => (await metric('siprec_ports_in_use')) === 0, 20_000);
    // A message that does not end has 32 s: the server has closed the slow ones by itself.
    await eventually('the end of slow connections', () => slow.every((socket) => socket.closed), 40_000, 100);
    await eventually('the same files', () => files() <= before.files + 2, 20_000, 100);
    await eventually(
      'a heap as before',
      async () => {
        // Something to do, so that a collector that is not in a hurry comes by.
        for (let n = 0; n < 200; n++) honest.send(honest.request('OPTIONS', `gc-${n}-${performance.now()}`));
        return (await metric('nodejs_heap_size_used_bytes')) < before.heap + HEAP_SLACK;
      },
      45_000,
      50,
    );
    honest.close();
    const folder = await eventually('the record of the neighbour', async () => {
      const id = await neighbour;
      return server.recordings().find((path) => record(path).callId === id && record(path).state === 'ended');
    });
    expect(findSent(join(folder, 'leg-1.wav'), caller).offset).toBeGreaterThanOrEqual(0);
    expect(findSent(join(folder, 'leg-2.wav'), callee).offset).toBeGreaterThanOrEqual(0);
  }, 120_000);

  it('has a record of every call that heard 200, and of no other', async () => {
    const records = server.recordings().map(record);
    const known = records.filter(({ callId }) => !callId.startsWith('warm'));
    expect(new Set(known.map(({ callId }) => callId))).toEqual(
      new Set([...answered].filter((id) => !id.startsWith('warm'))),
    );
    expect(records.filter(({ state }) => state !== 'ended')).toEqual([]);
    const completed = await metric('siprec_calls_total{outcome="completed"}');
    const failed = await metric('siprec_calls_total{outcome="failed"}');
    const open = await metric('siprec_active_calls');
    expect(completed + failed + open).toBe(answered.size);
    expect(records.length).toBe(answered.size);
  });
});

function record(path: string): { readonly callId: string; readonly state: string } {
  return JSON.parse(readFileSync(join(path, 'call.json'), 'utf8'));
}
