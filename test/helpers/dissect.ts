import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writePcap } from './pcap-writer.js';

/** What tshark makes of RTCP datagrams: the fields that were asked for, a list for each datagram. */
export function dissectRtcp(datagrams: readonly Uint8Array[], fields: readonly string[]): string[][] {
  const folder = mkdtempSync(join(tmpdir(), 'sipscribe-rtcp-'));
  try {
    const file = join(folder, 'rtcp.pcap');
    const packets = datagrams.map((payload, n) => ({
      atMs: n * 10,
      sourcePort: 40_001,
      destinationPort: 40_003,
      payload,
    }));
    writeFileSync(file, writePcap(packets));
    const shown = fields.flatMap((field) => ['-e', field]);
    const out = execFileSync('tshark', ['-r', file, '-d', 'udp.port==40003,rtcp', '-T', 'fields', ...shown], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const lines = out.toString().replace(/\n$/, '').split('\n');
    return lines.map((line) => line.split('\t'));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
