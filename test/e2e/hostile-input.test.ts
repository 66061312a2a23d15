import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeWav } from '../../src/audio/wav-file.js';
import { codeG711 } from '../../src/client/coded-audio.js';
import { RtpStream } from '../../src/client/rtp-stream.js';
import { eventually } from '../helpers/eventually.js';
import { mutate, seeded } from '../helpers/mutation.js';
import { portRange } from '../helpers/port-range.js';
import { RawSrc } from '../helpers/raw-src.js';
import { findSent } from '../helpers/recording-check.js';
import { fixtureBytes, fixtureNames } from '../helpers/siprec-fixture.js';
import { startTestServer, type TestServer } from '../helpers/test-server.js';
import { tone } from '../helpers/voices.js';

const DATAGRAMS = 10_000;
const INVITES = 500;
const NEIGHBOUR_MS = 30_000;
const ports = portRange(4_000);

/** No header of a mutated message may lead the server off this machine: addresses of the fixtures become loopback ones. */
const seeds = fixtureNames
  .filter((name) => fixtureBytes(name).toString('latin1').startsWith('INVITE'))
  .map((name) =>
    Buffer.from(
      fixtureBytes(name)
        .toString('latin1')
        .replace(/\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b/g, '127.0.0.1'),
      'latin1',
    ),
  );

function split(message: Buffer): { contentType: string; body: Buffer; head: Buffer } {
  const at = message.indexOf('\r\n\r\n');
  const head = message.subarray(0, at);
  const contentType = /^(?:Content-Type|c)\s*:\s*(.*?)\r?$/im.exec(head.toString('latin1'))?.[1] ?? 'application/sdp';
  return { contentType, body: message.subarray(at + 4), head };
}

describe('hostile input', () => {
  let server: TestServer;
  const folder = mkdtempSync(join(tmpdir(), 'sipscribe-hostile-'));
  const random = seeded(20261121);
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;
  const caller = tone(440, NEIGHBOUR_MS);
  const callee = tone(1000, NEIGHBOUR_MS, 5000);
  let neighbour: Promise<string>;

  beforeAll(async () => {
    server = await startTestServer({ RTP_PORT_MIN: String(ports), RTP_PORT_MAX: String(ports + 3999) });
    writeFileSync(join(folder, 'a.wav'), encodeWav(caller, 8000, 1));
    writeFileSync(join(folder, 'b.wav'), encodeWav(callee, 8000, 1));
    const to = `sip:srs@127.0.0.1:${server.sip.udp}`;
    const files = ['--caller', join(folder, 'a.wav'), '--callee', join(folder, 'b.wav')];
    neighbour = new Promise((resolve, reject) => {
      // The neighbour is a process of its own, so that this test's own work cannot make its packets late.
      const child = spawn(process.execPath, ['dist/src/cli.js', 'call', '--to', to, ...files, '--json']);
      let out = '';
      child.stdout.on('data', (chunk) => {
        out += chunk;
      });
      child.on('close', (code) =>
        code === 0 ? resolve(JSON.parse(out).callId) : reject(new Error(`the neighbour ended with ${code}`)),
      );
    });
    await eventually(
      'RTP of the neighbour',
      async () => (await server.metric('siprec_rtp_packets_received_total')) > 20,
      20_000,
    );
  }, 60_000);

  afterAll(async () => {
    await server?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it(`answers or ignores ${DATAGRAMS} mutated datagrams on SIP and RTP ports`, async () => {
    const sip = await RawSrc.open(server.sip.udp);
    const stranger = createSocket('udp4');
    const rtp = new RtpStream(codeG711('PCMU', tone(300, 2_000), 20), {
      ssrc: 99,
      sequence: 1,
      timestamp: 1,
    });
    const packet = rtp.next() ?? Buffer.alloc(0);
    for (let n = 0; n < DATAGRAMS; n++) {
      if (n % 2 === 0) {
        const { head, body } = split(pick(seeds));
        // The first lines and the body take the faults; Via and Contact stay on loopback.
        const safe = /^(via|v|contact|m|record-route|route)\s*:/i;
        const lines = head
          .toString('latin1')
          .split('\r\n')
          .map((line) =>
            safe.test(line) || random() < 0.7 ? line : mutate(Buffer.from(line), random).toString('latin1'),
          );
        const keepBody = random() < 0.3 ? mutate(body, random) : body;
        sip.send(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), keepBody]).subarray(0, 60_000));
      } else {
        stranger.send(mutate(packet, random), ports + Math.floor(random() * 4), '127.0.0.1');
      }
      if (n % 50 === 49) await new Promise((resolve) => setTimeout(resolve, 10));
    }
    stranger.close();
    sip.close();
    expect((await fetch(`${server.http}/health/live`)).status).toBe(200);
  }, 60_000);

  it(`gives ${INVITES} mutated SIPREC INVITEs a final response each`, async () => {
    const src = await RawSrc.open(server.sip.udp);
    const sent: string[] = [];
    for (let n = 0; n < INVITES; n++) {
      const { contentType, body } = split(pick(seeds));
      const type = random() < 0.2 ? mutate(Buffer.from(contentType), random).toString('latin1') : contentType;
      sent.push(src.invite(type, mutate(body, random)));
      await eventually('an answer', () => sent.length - src.finals.size < 10, 30_000, 2);
    }
    await eventually('every answer', () => src.finals.size === INVITES, 30_000);
    const statuses = [...src.finals.values()];
    src.close();
    // Most faults hit metadata, and metadata never costs a call.
    expect(statuses.filter((status) => status === 200).length).toBeGreaterThan(INVITES / 2);
    expect(statuses.filter((status) => ![200, 400, 415, 420, 488, 513].includes(status))).toEqual([]);
  }, 120_000);

  it('leaves no session, port or file behind, and the neighbouring call bit-exact', async () => {
    const ended = await server.ended(await neighbour, 60_000);
    expect(findSent(join(server.folder(ended), 'leg-1.wav'), caller).offset).toBeGreaterThanOrEqual(0);
    expect(findSent(join(server.folder(ended), 'leg-2.wav'), callee).offset).toBeGreaterThanOrEqual(0);
    // An INVITE of the first test whose answer nobody acknowledged ends after 64 × T1 (RFC 3261 §13.3.1.4).
    await eventually('no active call', async () => (await server.metric('siprec_active_calls')) === 0, 60_000, 200);
    await eventually('no port in use', async () => (await server.metric('siprec_ports_in_use')) === 0, 10_000, 100);
    const started = server.events.filter((event) => event.type === 'call.started').length;
    await eventually(
      'every call at its end',
      () => server.events.filter((e) => e.type === 'call.ended').length === started,
      60_000,
      200,
    );
    expect(await server.metric('siprec_whisper_temp_file_bytes')).toBe(0);
    expect(
      readdirSync(server.tempDir, { recursive: true }).filter((name) => /\.(wav|json)$/.test(String(name))),
    ).toEqual([]);
    const folders = readdirSync(join(server.dataDir, 'recordings')).flatMap((day) =>
      readdirSync(join(server.dataDir, 'recordings', day)),
    );
    expect(folders.length).toBe(started);
  }, 180_000);
});
