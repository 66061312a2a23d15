import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { BenchResult } from './bench-result.js';

const SECONDS = 6;
/** Calls in flight: enough to keep the server busy, few enough that nothing waits for a retransmission. */
const WINDOW = 16;

const sibling = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

/** SIPREC calls per second (INVITE with metadata, ACK, BYE; two ports, three files and a record each) against a socket that only answers. */
export async function benchSip(): Promise<BenchResult[]> {
  const folder = mkdtempSync(join(tmpdir(), 'sipscribe-bench-sip-'));
  const bare = spawn(process.execPath, [sibling('sip-bare.js')], { stdio: ['ignore', 'pipe', 'inherit'] });
  const server = spawn(process.execPath, [sibling('../src/cli.js'), 'serve'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      ...process.env,
      SIP_HOST: '127.0.0.1',
      UDP_PORTS: '0',
      TCP_PORTS: 'none',
      HTTP_PORT: '0',
      RTP_PORT_MIN: '20000',
      RTP_PORT_MAX: '59999',
      MAX_CONCURRENT_CALLS: '1000',
      WHISPER_ENABLED: 'false',
      DATA_DIR: folder,
      LOG_FORMAT: 'json',
      LOG_LEVEL: 'info',
    },
  });
  try {
    const [barePort, serverPort] = await Promise.all([
      firstMatch(bare, /^(\d+)$/m),
      firstMatch(server, /"transport":"udp"[^}]*"port":(\d+)/),
    ]);
    // The log goes on; nobody reads it, and a full pipe would hold the server.
    server.stdout?.resume();
    const floor = await load(barePort);
    const ours = await load(serverPort);
    return [
      {
        name: 'SIPREC calls set up, recorded and ended',
        value: ours,
        unit: 'calls/s',
        baseline: floor,
        baselineName: 'a socket that only answers',
        ratio: ours / floor,
      },
    ];
  } finally {
    for (const child of [bare, server]) await ended(child);
    rmSync(folder, { recursive: true, force: true });
  }
}

async function load(port: number): Promise<number> {
  const { stdout } = await promisify(execFile)(process.execPath, [
    sibling('sip-load.js'),
    String(port),
    String(SECONDS),
    String(WINDOW),
  ]);
  const { calls, failed, seconds } = JSON.parse(stdout);
  if (failed > 0) throw new Error(`${failed} of ${calls + failed} calls failed`);
  return calls / seconds;
}

async function firstMatch(child: ChildProcess, pattern: RegExp): Promise<number> {
  let text = '';
  for await (const chunk of child.stdout?.iterator({ destroyOnReturn: false }) ?? []) {
    text += chunk;
    const found = pattern.exec(text)?.[1];
    if (found !== undefined) return Number(found);
  }
  throw new Error(`a bench process ended without its port: ${text}`);
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
}
