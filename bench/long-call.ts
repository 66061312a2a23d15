import { createSocket } from 'node:dgram';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '../src/core/logger.js';
import { Metrics } from '../src/core/metrics.js';
import type { MediaFormat } from '../src/core/model.js';
import { MediaThreads } from '../src/rtp/media-pool.js';

/** A real-time call whose two senders have clocks that are wrong in opposite directions: do both channels stay together? */
const MINUTES = Number(process.argv[2] ?? 30);
const SKEW_PPM = 200;
const MARK_MS = 10_000;
const LIMIT_MS = 20;
const PACKET = 160;
const PORT = 36_000;
const PCMU: MediaFormat = { payloadType: 0, encoding: 'PCMU', clockRate: 8000, channels: 1 };

/** Sends a pulse at every mark of our clock, in packets that its own clock paces. Resolves when the time is over. */
async function send(port: number, ppm: number, began: number, lengthMs: number): Promise<void> {
  const socket = createSocket('udp4');
  const pace = 1 + ppm / 1e6;
  const packet = Buffer.alloc(12 + PACKET);
  packet[0] = 0x80;
  packet.writeUInt32BE(port, 8);
  let mark = 1;
  for (let sent = 0; ; sent++) {
    const startMs = (sent * PACKET) / 8 / pace;
    const endMs = ((sent + 1) * PACKET) / 8 / pace;
    if (endMs > lengthMs) break;
    const wait = began + endMs - performance.now();
    if (wait > 1) await new Promise((resolve) => setTimeout(resolve, wait));
    packet.writeUInt16BE(sent & 0xffff, 2);
    packet.writeUInt32BE((sent * PACKET) >>> 0, 4);
    packet.fill(0xff, 12);
    if (mark * MARK_MS >= startMs && mark * MARK_MS < endMs) {
      packet[12 + Math.floor((mark * MARK_MS - startMs) * 8 * pace)] = 0;
      mark++;
    }
    await new Promise<void>((resolve) => socket.send(packet, port, '127.0.0.1', () => resolve()));
  }
  socket.close();
}

/** Where the pulses stand in a mono WAV, in ms. */
function pulses(path: string): number[] {
  const bytes = readFileSync(path);
  const found: number[] = [];
  for (let at = 44; at + 1 < bytes.length; at += 2) {
    const ms = (at - 44) / 16;
    if (Math.abs(bytes.readInt16LE(at)) > 20_000 && ms - (found.at(-1) ?? -1) > 1) found.push(ms);
  }
  return found;
}

const directory = mkdtempSync(join(tmpdir(), 'sipscribe-bench-'));
const plane = new MediaThreads({
  bindAddress: '127.0.0.1',
  portMin: PORT,
  portMax: PORT + 19,
  workers: 1,
  quarantineMs: 0,
  logger: silentLogger,
  metrics: new Metrics({ vendors: [], models: [] }),
});
try {
  await plane.start();
  const call = await plane.openCall(
    { sessionId: 'long', directory, utterances: false },
    { utterance: () => {}, writeFailed: () => {}, lost: (message) => console.error(message) },
  );
  const ports: number[] = [];
  for (const leg of [1, 2]) ports.push((await call.openLeg({ leg, formats: [PCMU], active: true })).port);
  const began = performance.now();
  await Promise.all(ports.map((port, i) => send(port, i === 0 ? SKEW_PPM : -SKEW_PPM, began, MINUTES * 60_000)));
  const result = await call.finish();
  const [one = [], other = []] = [1, 2].map((leg) => pulses(join(directory, `leg-${leg}.wav`)));
  let worst = 0;
  for (const [i, at] of one.entries()) {
    const apart = at - (other[i] ?? Number.NaN);
    worst = Math.max(worst, Number.isNaN(apart) ? Number.POSITIVE_INFINITY : Math.abs(apart));
    console.log(
      `${((i + 1) * MARK_MS) / 1000} s: apart ${apart.toFixed(3)} ms, the first ${(at - (i + 1) * MARK_MS).toFixed(3)} ms off`,
    );
  }
  for (const { leg, clockSkewPpm, slippedSamples } of result.legs) {
    console.log(`leg ${leg}: ${clockSkewPpm ?? 'no'} ppm, ${slippedSamples ?? 0} samples slipped`);
  }
  console.log(`worst: ${worst.toFixed(3)} ms apart, at most ${LIMIT_MS} are allowed`);
  if (one.length === 0 || one.length !== other.length || worst > LIMIT_MS) process.exitCode = 1;
} finally {
  await plane.stop();
  rmSync(directory, { recursive: true, force: true });
}
