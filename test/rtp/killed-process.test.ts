import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { decodeG711 } from '../../src/audio/g711.js';
import type { MediaCallResult } from '../../src/rtp/media-plane.js';
import { portRange } from '../helpers/port-range.js';
import { channel, find, mismatches, readWav, temporaryDirectory } from './media-fixture.js';
import { noise, paced, pieces, RtpSender } from './rtp-sender.js';

const PROGRAM = fileURLToPath(new URL('./recording-process.mjs', import.meta.url));
const FILES = ['leg-1.wav', 'leg-2.wav', 'call.wav'];
const closers: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

interface Recorder {
  readonly child: ChildProcessByStdio<Writable, Readable, null>;
  readonly path: string;
  readonly senders: readonly RtpSender[];
  readonly line: () => Promise<string>;
}

/** A process of its own that records a call, and a sender for each of its legs. */
async function startRecorder(firstPort: number): Promise<Recorder> {
  const directory = temporaryDirectory();
  const child = spawn(process.execPath, [PROGRAM, directory.path, String(firstPort)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines: Interface = createInterface({ input: child.stdout });
  const iterator = lines[Symbol.asyncIterator]();
  const line = async (): Promise<string> => String((await iterator.next()).value);
  const ports = JSON.parse(await line()) as number[];
  const senders = ports.map((port) => new RtpSender(port));
  closers.push(directory.remove, async () => {
    child.kill('SIGKILL');
    await Promise.all(senders.map((sender) => sender.close()));
  });
  return { child, path: directory.path, senders, line };
}

const gone = (child: Recorder['child']): Promise<void> =>
  new Promise((resolve) => {
    child.once('exit', () => resolve());
    child.kill('SIGKILL');
  });

const base = portRange(20);

describe('a recording process', () => {
  it('that is killed leaves files that play, with all but about the last second, and true headers at every moment', async () => {
    const { child, path, senders } = await startRecorder(base);
    const sent = [noise(40_000, 51), noise(40_000, 52)] as const;
    const packets = sent.map((speech) => pieces(speech));
    let behind = 0;
    await paced(250, 20, async (i) => {
      for (const [leg, sender] of senders.entries()) await sender.send(packets[leg]?.[i] ?? new Uint8Array());
      // Every 7 packets: a moment that falls on no flush or tick in particular.
      if (i % 7 !== 3) return;
      const lengths = FILES.map((file) => readWav(join(path, file))).map((wav) => wav.samples.length / wav.channels);
      behind = Math.max(behind, (i + 1) * 20 - Math.min(...lengths) / 8);
    });
    await gone(child);
    const lengths = FILES.map((file) => {
      const wav = readWav(join(path, file));
      return wav.samples.length / wav.channels;
    });
    // A flush each 0.9 s, 100 ms of reordering and two ticks; the rest is for a busy machine.
    expect(behind).toBeLessThan(2500);
    for (const length of lengths) expect(length).toBeGreaterThan(40_000 - 2.5 * 8000);
    const stereo = readWav(join(path, 'call.wav')).samples;
    for (const [leg, speech] of sent.entries()) {
      const wanted = decodeG711('PCMU', speech);
      const samples = readWav(join(path, `leg-${leg + 1}.wav`)).samples;
      const start = find(samples, wanted);
      expect(start).toBeGreaterThanOrEqual(0);
      expect(start).toBeLessThan(800);
      expect(mismatches(samples, wanted.subarray(0, samples.length - start), start)).toBe(0);
      const side = channel(stereo, leg);
      expect(mismatches(side, wanted.subarray(0, side.length - start), start)).toBe(0);
    }
  });

  it('that stands still for 4.5 s while both legs go on has lost no sample', async () => {
    const { child, path, senders, line } = await startRecorder(base + 10);
    const sent = [noise(72_000, 53), noise(72_000, 54)] as const;
    const packets = sent.map((speech) => pieces(speech));
    await paced(450, 20, async (i) => {
      if (i === 100) child.kill('SIGSTOP');
      if (i === 325) child.kill('SIGCONT');
      for (const [leg, sender] of senders.entries()) await sender.send(packets[leg]?.[i] ?? new Uint8Array());
    });
    child.stdin.write('finish\n');
    const result = JSON.parse(await line()) as MediaCallResult;
    expect(result.legs.map(({ packets: n, lost, dropped }) => [n, lost, dropped.late])).toEqual([
      [450, 0, 0],
      [450, 0, 0],
    ]);
    for (const [leg, speech] of sent.entries()) {
      const wanted = decodeG711('PCMU', speech);
      for (const samples of [
        readWav(join(path, `leg-${leg + 1}.wav`)).samples,
        channel(readWav(join(path, 'call.wav')).samples, leg),
      ]) {
        const start = find(samples, wanted);
        expect(start).toBeGreaterThanOrEqual(0);
        expect(start).toBeLessThan(800);
        expect(mismatches(samples, wanted, start)).toBe(0);
      }
    }
  });
});
