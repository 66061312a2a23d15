import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { codeG711 } from '../../src/client/coded-audio.js';
import { RtpStream } from '../../src/client/rtp-stream.js';
import { type CapturedPacket, writePcap } from '../helpers/pcap-writer.js';

const folder = mkdtempSync(join(tmpdir(), 'sipscribe-pcap-'));
afterAll(() => rmSync(folder, { recursive: true }));

function capture(): CapturedPacket[] {
  const samples = Int16Array.from({ length: 900 }, (_, i) => (i * 37) % 9000);
  return [0, 2].flatMap((offset) => {
    const options = {
      ssrc: 0x1234 + offset,
      sequence: 65_534,
      timestamp: 0xffff_ff00,
    } as const;
    const stream = new RtpStream(codeG711('PCMU', samples, 20), options);
    const packets: CapturedPacket[] = [];
    for (let atMs = 0; ; atMs += 20) {
      const payload = stream.next();
      if (payload === undefined) return packets;
      packets.push({ atMs, sourcePort: 7000 + offset, destinationPort: 6000 + offset, payload });
    }
  });
}

/** What Wireshark's own reader makes of it, one line per packet. */
function tshark(path: string, ...fields: string[]): string[][] {
  const args = [
    '-r',
    path,
    '-o',
    'ip.check_checksum:TRUE',
    '-o',
    'udp.check_checksum:TRUE',
    '-d',
    'udp.port==6000,rtp',
    '-d',
    'udp.port==6002,rtp',
  ];
  const output = execFileSync('tshark', [...args, '-T', 'fields', ...fields.flatMap((field) => ['-e', field])], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return output
    .trimEnd()
    .split('\n')
    .map((line) => line.split('\t'));
}

describe('a written capture', () => {
  const packets = capture();
  const path = join(folder, 'two-legs.pcap');
  writeFileSync(path, writePcap(packets, { startedAt: 1_772_000_000_000, destinationAddress: '192.0.2.9' }));

  it('is read by tshark as RTP in order of time, ports, sequence and payload intact', () => {
    const rows = tshark(path, 'frame.time_relative', 'udp.dstport', 'rtp.seq', 'rtp.p_type', 'udp.length');
    const ordered = [...packets].sort((a, b) => a.atMs - b.atMs);
    expect(
      rows.map(([time, port, seq, type, length]) => [
        Number(time),
        Number(port),
        Number(seq),
        Number(type),
        Number(length),
      ]),
    ).toEqual(
      ordered.map(({ atMs, destinationPort, payload }) => [
        atMs / 1000,
        destinationPort,
        Buffer.from(payload).readUInt16BE(2),
        0,
        payload.length + 8,
      ]),
    );
  });

  it('has checksums that hold, for IP and UDP', () => {
    for (const [ip, udp, to] of tshark(path, 'ip.checksum.status', 'udp.checksum.status', 'ip.dst')) {
      expect([ip, udp, to]).toEqual(['1', '1', '192.0.2.9']);
    }
  });

  it('has a short last packet where the audio is no multiple of a packet', () => {
    expect(
      packets.filter(({ destinationPort }) => destinationPort === 6000).map(({ payload }) => payload.length),
    ).toEqual([172, 172, 172, 172, 172, 112]);
  });

  it('refuses what no datagram can hold and addresses that are none', () => {
    const packet = { atMs: 0, sourcePort: 1, destinationPort: 2, payload: Buffer.alloc(65_508) };
    expect(() => writePcap([packet])).toThrow(RangeError);
    for (const sourceAddress of ['::1', '1.2.3', '1.2.3.256', 'host']) {
      expect(() => writePcap([], { sourceAddress })).toThrow(RangeError);
    }
  });

  it('of nothing is a capture without packets', () => {
    expect(writePcap([])).toHaveLength(24);
  });
});
