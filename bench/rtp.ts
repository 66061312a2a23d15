import { spawn } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { silentLogger } from '../src/core/logger.js';
import { Metrics } from '../src/core/metrics.js';
import type { MediaFormat } from '../src/core/model.js';
import { MediaThreads } from '../src/rtp/media-pool.js';
import type { BenchResult } from './bench-result.js';

const PCMU: MediaFormat = { payloadType: 0, encoding: 'PCMU', clockRate: 8000, channels: 1 };
const LOAD = fileURLToPath(new URL('./rtp-load.js', import.meta.url));
const TICK_MS = 100;

interface Measured {
  readonly packets: number;
  readonly sent: number;
  readonly cpuMicroseconds: number;
}

function sendLoad(firstPort: number, streams: number, seconds: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [LOAD, String(firstPort), String(streams), String(seconds)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let out = '';
    child.stdout.on('data', (chunk: Buffer) => {
      out += chunk.toString();
    });
    child.once('error', reject);
    child.once('close', (code) =>
      code === 0 ? resolve(Number(out)) : reject(new Error(`the load ended with ${code}`)),
    );
  });
}

const cpu = (): number => {
  const { user, system } = process.cpuUsage();
  return user + system;
};

/** The least that Node can do: as many sockets, drained on the same tick, packets counted and forgotten. */
async function bareReceiver(firstPort: number, streams: number, seconds: number): Promise<Measured> {
  let packets = 0;
  const sockets = await Promise.all(
    Array.from(
      { length: streams },
      (_, stream) =>
        new Promise<Socket>((resolve, reject) => {
          const socket = createSocket('udp4', () => {
            packets++;
          });
          socket.once('error', reject);
          socket.bind(firstPort + 2 * stream, '127.0.0.1', () => resolve(socket));
        }),
    ),
  );
  const lock = new Int32Array(new SharedArrayBuffer(4));
  let running = true;
  const turn = (): void => {
    Atomics.wait(lock, 0, 0, TICK_MS);
    if (running) setImmediate(turn);
  };
  const before = cpu();
  const done = sendLoad(firstPort, streams, seconds);
  setImmediate(turn);
  const sent = await done;
  const cpuMicroseconds = cpu() - before;
  running = false;
  for (const socket of sockets) socket.close();
  return { packets, sent, cpuMicroseconds };
}

/** The real media plane: received, parsed, placed, decoded and written as two mono WAVs and a stereo one per call. */
async function mediaPlane(firstPort: number, calls: number, seconds: number, utterances: boolean): Promise<Measured> {
  const directory = mkdtempSync(join(tmpdir(), 'sipscribe-bench-'));
  const plane = new MediaThreads({
    bindAddress: '127.0.0.1',
    portMin: firstPort,
    portMax: firstPort + 4 * calls + 1,
    workers: Math.ceil(calls / 450),
    tickMs: TICK_MS,
    quarantineMs: 0,
    logger: silentLogger,
    metrics: new Metrics({ vendors: [], models: [] }),
  });
  try {
    await plane.start();
    const open = [];
    for (let number = 0; number < calls; number++) {
      const path = join(directory, String(number));
      mkdirSync(path);
      const call = await plane.openCall(
        { sessionId: String(number), directory: path, utterances },
        { utterance: () => {}, writeFailed: complain, lost: complain },
      );
      for (const leg of [1, 2]) await call.openLeg({ leg, formats: [PCMU], active: true });
      open.push(call);
    }
    const before = cpu();
    const sent = await sendLoad(firstPort, calls * 2, seconds);
    const results = await Promise.all(open.map((call) => call.finish()));
    const cpuMicroseconds = cpu() - before;
    const packets = results.reduce((sum, { legs }) => sum + legs.reduce((n, leg) => n + leg.packets, 0), 0);
    return { packets, sent, cpuMicroseconds };
  } finally {
    await plane.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** CPU of the whole process per RTP packet, against a bare receiver in the same run. The load runs in a process of its own. */
const complain = (message: string): void => {
  process.stderr.write(`${message}\n`);
};

export async function benchRtp({ calls = 200, seconds = 10, firstPort = 21_000 } = {}): Promise<BenchResult[]> {
  const perPacket = ({ cpuMicroseconds, packets }: Measured): number => cpuMicroseconds / Math.max(1, packets);
  await bareReceiver(firstPort, calls * 2, 1);
  const bare = await bareReceiver(firstPort, calls * 2, seconds);
  const plain = await mediaPlane(firstPort, calls, seconds, false);
  const cutting = await mediaPlane(firstPort, calls, seconds, true);
  const line = (what: string, measured: Measured): BenchResult => {
    const lost = measured.sent - measured.packets;
    return {
      name: `RTP packet ${what}, ${calls} calls, ${lost} of ${measured.sent} lost`,
      value: perPacket(measured),
      unit: 'µs of CPU',
      baseline: perPacket(bare),
      baselineName: 'bare receiver on the same tick',
      ratio: perPacket(measured) / perPacket(bare),
    };
  };
  return [
    line('received, parsed, decoded and written', plain),
    line('the same, with voice activity and utterances', cutting),
  ];
}
