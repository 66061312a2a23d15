import { type ChildProcess, fork } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { encodeWav } from '../src/audio/wav-file.js';
import { readWav } from '../src/audio/wav-reader.js';
import { silentLogger } from '../src/core/logger.js';
import { Metrics } from '../src/core/metrics.js';
import { SttDispatcher } from '../src/stt/dispatcher.js';
import { TempAudio } from '../src/stt/temp-audio.js';
import type { WhisperEngine, WhisperOptions } from '../src/stt/whisper/engine.js';
import { findModel } from '../src/stt/whisper/model-file.js';
import { NativeWhisperEngine } from '../src/stt/whisper/native-engine.js';
import { WhisperProvider } from '../src/stt/whisper/whisper-provider.js';
import type { BenchResult } from './bench-result.js';

const RATE = 8_000;
const UTTERANCES = 6;
const UTTERANCE_SECONDS = 2.5;
/** Both sides take turns, so that a machine that slows down slows both. */
const ROUNDS = 3;

const OPTIONS: WhisperOptions = {
  engine: 'native',
  model: 'micro-telephony',
  language: 'en',
  task: 'transcribe',
  timeoutMs: 600_000,
  maxConcurrent: 1,
  threads: 1,
  extraArgs: [],
  sampleRate: 16_000,
  channels: 1,
  outputFormat: 'json',
};

function speech(): Int16Array[] {
  const { samples } = readWav(readFileSync('demo/caller.wav'));
  const length = UTTERANCE_SECONDS * RATE;
  return Array.from({ length: UTTERANCES }, (_, i) => samples.slice(i * length, (i + 1) * length));
}

/** The bare addon in a process of its own. */
class BareEngine {
  readonly #child: ChildProcess;

  constructor(modelPath: string, wavPaths: readonly string[]) {
    const entry = fileURLToPath(new URL('./stt-bare.js', import.meta.url));
    this.#child = fork(entry, [modelPath, ...wavPaths], { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
  }

  /** The next message: ms of a round, or 0 once the model is loaded. */
  heard(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#child.once('message', (ms) => resolve(Number(ms)));
      this.#child.once('exit', (code, signal) => reject(new Error(`the bare engine ended: ${code ?? signal}`)));
    });
  }

  round(): Promise<number> {
    const ms = this.heard();
    this.#child.send('round');
    return ms;
  }

  close(): void {
    this.#child.kill('SIGKILL');
  }
}

/** Everything between an utterance in memory and its words: resampling, temp WAV, queue, slot, child, result. */
class WholePath {
  readonly #metrics = new Metrics({ vendors: ['whisper'], models: [OPTIONS.model] });
  readonly #provider: WhisperProvider;
  readonly #temp: TempAudio;
  #dispatcher: SttDispatcher | undefined;

  constructor(root: string) {
    const parts = { metrics: this.#metrics, logger: silentLogger };
    this.#temp = new TempAudio({ root, ...parts });
    const native = (options: WhisperOptions): WhisperEngine => new NativeWhisperEngine(options, parts);
    this.#provider = new WhisperProvider(OPTIONS, {
      ...parts,
      engines: { native, cli: native, nativeAvailable: () => NativeWhisperEngine.available() },
    });
  }

  async start(): Promise<void> {
    await this.#temp.start();
    await this.#provider.start(new AbortController().signal);
    this.#dispatcher = new SttDispatcher({
      providers: new Map([['whisper', this.#provider]]),
      defaultVendor: 'whisper',
      tempAudio: this.#temp,
      metrics: this.#metrics,
      logger: silentLogger,
    });
  }

  async round(utterances: readonly Int16Array[]): Promise<number> {
    const startedAt = performance.now();
    const outcomes = await Promise.all(
      utterances.map((samples, i) =>
        this.#dispatcher?.submit({ id: `bench-${i}`, callId: 'bench', samples, sampleRate: RATE }),
      ),
    );
    const ms = performance.now() - startedAt;
    if (!outcomes.every((outcome) => outcome?.ok)) throw new Error('an utterance of the bench failed');
    return ms;
  }

  async close(): Promise<void> {
    await this.#dispatcher?.close();
    await this.#provider.close();
    await this.#temp.close();
  }
}

/** Seconds of speech per second of wall clock with one slot and one thread: the dispatcher's path against the bare addon. */
export async function benchStt(): Promise<BenchResult[]> {
  const folder = mkdtempSync(join(tmpdir(), 'sipscribe-bench-stt-'));
  const utterances = speech();
  const wavs = utterances.map((samples, i) => {
    const path = join(folder, `bare-${i}.wav`);
    writeFileSync(path, encodeWav(samples, RATE, 1));
    return path;
  });
  const bare = new BareEngine(findModel(OPTIONS.model), wavs);
  const path = new WholePath(folder);
  try {
    await Promise.all([bare.heard(), path.start()]);
    let [bareMs, pathMs] = [0, 0];
    for (let i = 0; i < ROUNDS; i += 1) {
      bareMs += await bare.round();
      pathMs += await path.round(utterances);
    }
    const seconds = ROUNDS * UTTERANCES * UTTERANCE_SECONDS;
    const [value, baseline] = [seconds / (pathMs / 1000), seconds / (bareMs / 1000)];
    return [
      {
        name: 'speech through dispatcher and native engine, 1 slot',
        value,
        unit: 's of speech per s',
        baseline,
        baselineName: 'the bare addon, calls back to back',
        ratio: value / baseline,
      },
    ];
  } finally {
    bare.close();
    await path.close();
    rmSync(folder, { recursive: true, force: true });
  }
}
