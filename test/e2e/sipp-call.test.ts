import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { codeG711 } from '../../src/client/coded-audio.js';
import { RtpStream } from '../../src/client/rtp-stream.js';
import { type CapturedPacket, writePcap } from '../helpers/pcap-writer.js';
import { findSent } from '../helpers/recording-check.js';
import { startTestServer, type TestServer } from '../helpers/test-server.js';
import { demoVoice } from '../helpers/voices.js';

/** The first turns of the demo's conversation. */
const UNTIL_MS = 6_000;
const CALLER_PORT = 6_000;
const voices = { caller: demoVoice('caller', 0, UNTIL_MS), callee: demoVoice('agent', 0, UNTIL_MS) };

/** SIPp sends what a capture holds: the first port to the first m-line's, the one two above it to the port two above that. */
function capture(): Buffer {
  const packets: CapturedPacket[] = [];
  for (const [leg, samples] of [voices.caller, voices.callee].entries()) {
    const stream = new RtpStream(codeG711('PCMU', samples, 20), {
      ssrc: 0x1000 + leg,
      sequence: 65_500,
      timestamp: 4_294_960_000,
    });
    const port = CALLER_PORT + 2 * leg;
    for (let n = 0, payload = stream.next(); payload; payload = stream.next(), n++) {
      packets.push({ atMs: 20 * n, sourcePort: port, destinationPort: port, payload });
    }
  }
  return writePcap(packets);
}

describe('SIPp as the session recording client', () => {
  let server: TestServer;
  const folder = mkdtempSync(join(tmpdir(), 'sipscribe-sipp-'));

  beforeAll(async () => {
    server = await startTestServer();
  });

  afterAll(async () => {
    await server?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  function sipp(transport: 'u1' | 't1', port: number): Promise<{ code: number | null; output: string }> {
    writeFileSync(join(folder, 'rtp.pcap'), capture());
    const scenario = resolve('test/fixtures/sipp/siprec-call.xml');
    const args = [
      `127.0.0.1:${port}`,
      '-sf',
      scenario,
      '-d',
      String(UNTIL_MS + 100),
      '-m',
      '1',
      '-t',
      transport,
      '-i',
      '127.0.0.1',
    ];
    return new Promise((done) => {
      const child = spawn('sipp', [...args, '-timeout', '60', '-timeout_error', '-trace_err', '-nostdin'], {
        cwd: folder,
      });
      let output = '';
      const keep = (chunk: Buffer): void => {
        output += chunk;
      };
      child.stdout.on('data', keep);
      child.stderr.on('data', keep);
      child.on('error', (error) =>
        done({ code: -1, output: `sipp cannot be run (Debian package sip-tester): ${error.message}` }),
      );
      child.on('close', (code) => done({ code, output }));
    });
  }

  it.each(['u1', 't1'] as const)(
    'has its call recorded bit-exact and transcribed under the right names (%s)',
    async (transport) => {
      const before = server.events.length;
      const { code, output } = await sipp(transport, transport === 'u1' ? server.sip.udp : server.sip.tcp);
      expect(code, output.slice(-1500)).toBe(0);
      const started = server.events.slice(before).find((event) => event.type === 'call.started');
      const ended = await server.ended(started?.callId ?? '');
      expect(ended.reason).toBe('bye');
      const record = server.record(ended);
      expect(
        record.legs.map(({ label, speaker, statistics }) => [
          label,
          speaker.name,
          speaker.aor,
          statistics?.packets,
          statistics?.lost,
        ]),
      ).toEqual([
        ['96', 'Ada Caller', 'sip:+15550100@example.com', 300, 0],
        ['97', 'Ben Desk', 'sip:desk@example.com', 300, 0],
      ]);
      expect(findSent(join(server.folder(ended), 'leg-1.wav'), voices.caller).offset).toBeGreaterThanOrEqual(0);
      expect(findSent(join(server.folder(ended), 'leg-2.wav'), voices.callee).offset).toBeGreaterThanOrEqual(0);
      const finals = record.transcripts.map(({ leg, text }) => [leg.speaker.name, text]);
      expect(finals).toContainEqual(['Ada Caller', 'hello from the scripted model']);
      expect(finals).toContainEqual(['Ben Desk', 'hello from the scripted model']);
      expect(record.warnings).toEqual([]);
    },
    90_000,
  );
});
