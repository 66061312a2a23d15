import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '../../src/core/logger.js';
import { Metrics } from '../../src/core/metrics.js';
import type { MediaFormat } from '../../src/core/model.js';
import type { Warning } from '../../src/core/warning.js';
import type { CutUtterance, MediaCallEvents } from '../../src/rtp/media-plane.js';
import { MediaThreads, type MediaThreadsOptions } from '../../src/rtp/media-pool.js';
import { portRange } from '../helpers/port-range.js';

export const PCMU: MediaFormat = { payloadType: 0, encoding: 'PCMU', clockRate: 8000, channels: 1 };
export const PCMA: MediaFormat = { payloadType: 8, encoding: 'PCMA', clockRate: 8000, channels: 1 };
export const DTMF: MediaFormat = { payloadType: 101, encoding: 'TELEPHONE-EVENT', clockRate: 8000, channels: 1 };

const base = portRange(200);

export function startPlane(options: Partial<MediaThreadsOptions> = {}): { plane: MediaThreads; metrics: Metrics } {
  const metrics = new Metrics({ vendors: [], models: [] });
  const plane = new MediaThreads({
    bindAddress: '127.0.0.1',
    portMin: base,
    portMax: base + 199,
    workers: 1,
    quarantineMs: 0,
    logger: silentLogger,
    metrics,
    ...options,
  });
  return { plane, metrics };
}

export function temporaryDirectory(): { path: string; remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'sipscribe-media-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** Events of a call as lists. */
export class Heard implements MediaCallEvents {
  readonly utterances: CutUtterance[] = [];
  readonly firstPackets: { leg: number; atMs: number }[] = [];
  readonly failures: string[] = [];
  readonly losses: string[] = [];
  readonly warnings: Warning[] = [];

  utterance(utterance: CutUtterance): void {
    this.utterances.push(utterance);
  }

  firstPacket(leg: number, atMs: number): void {
    this.firstPackets.push({ leg, atMs });
  }

  warning(warning: Warning): void {
    this.warnings.push(warning);
  }

  writeFailed(message: string): void {
    this.failures.push(message);
  }

  lost(message: string): void {
    this.losses.push(message);
  }
}

export interface WavOnDisk {
  readonly channels: number;
  readonly sampleRate: number;
  /** What the header says, in bytes. */
  readonly dataBytes: number;
  readonly samples: Int16Array;
}

/** Reads a WAV by its 44-byte header, strictly. */
export function readWav(path: string): WavOnDisk {
  const bytes = readFileSync(path);
  if (bytes.toString('latin1', 0, 4) !== 'RIFF' || bytes.toString('latin1', 36, 40) !== 'data')
    throw new Error('no WAV');
  const dataBytes = bytes.readUInt32LE(40);
  if (bytes.readUInt32LE(4) !== dataBytes + 36) throw new Error('RIFF and data sizes differ');
  if (bytes.length < 44 + dataBytes) throw new Error(`the file has ${bytes.length - 44} of ${dataBytes} bytes`);
  const data = bytes.subarray(44, 44 + dataBytes);
  const samples = new Int16Array(new Uint8Array(data).buffer);
  return { channels: bytes.readUInt16LE(22), sampleRate: bytes.readUInt32LE(24), dataBytes, samples };
}

/** Where `wanted` begins in `samples`, by its first samples; -1 when nowhere. */
export function find(samples: Int16Array, wanted: Int16Array, probe = 64): number {
  outer: for (let at = 0; at + probe <= samples.length; at++) {
    for (let i = 0; i < probe; i++) if (samples[at + i] !== wanted[i]) continue outer;
    return at;
  }
  return -1;
}

/** Number of samples that differ when `wanted` is laid over `samples` at a place. */
export function mismatches(samples: Int16Array, wanted: Int16Array, at: number): number {
  let wrong = 0;
  for (let i = 0; i < wanted.length; i++) if (samples[at + i] !== wanted[i]) wrong++;
  return wrong;
}

export function channel(stereo: Int16Array, index: number): Int16Array {
  return Int16Array.from({ length: stereo.length / 2 }, (_, i) => stereo[i * 2 + index] ?? 0);
}
