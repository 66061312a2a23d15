import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeWav } from '../../src/audio/wav-file.js';
import { silentLogger } from '../../src/core/logger.js';
import { Metrics } from '../../src/core/metrics.js';
import type { TranscribeRequest } from '../../src/stt/provider.js';
import type { WhisperOptions } from '../../src/stt/whisper/engine.js';
import { type NativeEngineParts, NativeWhisperEngine } from '../../src/stt/whisper/native-engine.js';

export const OPTIONS: WhisperOptions = {
  engine: 'native',
  model: 'micro-telephony',
  language: 'en',
  task: 'transcribe',
  timeoutMs: 60_000,
  maxConcurrent: 1,
  extraArgs: [],
  threads: 1,
  sampleRate: 16_000,
  channels: 1,
  outputFormat: 'json',
};

export const never = new AbortController().signal;

/** Engines, metrics and WAV files that are gone after `close`. */
export class NativeBench {
  readonly folder = mkdtempSync(join(tmpdir(), 'sipscribe-native-'));
  readonly #engines: NativeWhisperEngine[] = [];
  #wavs = 0;

  engine(options: Partial<WhisperOptions>, parts: Partial<NativeEngineParts> = {}) {
    const metrics = new Metrics({ vendors: ['whisper'], models: [options.model ?? OPTIONS.model] });
    const engine = new NativeWhisperEngine({ ...OPTIONS, ...options }, { logger: silentLogger, metrics, ...parts });
    this.#engines.push(engine);
    return { engine, metrics };
  }

  /** A WAV of samples, or of so many ms of silence. */
  wav(sound: Int16Array | number, sampleRate = 16_000): TranscribeRequest {
    const samples = typeof sound === 'number' ? new Int16Array((sound * sampleRate) / 1000) : sound;
    this.#wavs += 1;
    const path = join(this.folder, `speech-${this.#wavs}.wav`);
    writeFileSync(path, encodeWav(samples, sampleRate, 1));
    return { audio: { path, sampleRate, channels: 1, durationMs: (samples.length * 1000) / sampleRate } };
  }

  async close(): Promise<void> {
    await Promise.all(this.#engines.map((engine) => engine.close()));
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** The value of one line of the Prometheus text. */
export async function metricValue(metrics: Metrics, line: string): Promise<number> {
  const found = (await metrics.render()).split('\n').find((text) => text.startsWith(`${line} `));
  if (found === undefined) throw new Error(`no metric ${line}`);
  return Number(found.slice(line.length + 1));
}
