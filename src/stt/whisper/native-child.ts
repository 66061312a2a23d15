import { readFile, stat } from 'node:fs/promises';
import { setPriority } from 'node:os';
import { TranscribeTask, WhisperModel, WhisperSamplingStrategy } from 'smart-whisper';
import { readWav } from '../../audio/wav-reader.js';
import { SrsError } from '../../core/errors.js';
import { audioContext, type NativeAudio, nativeAudio, WHISPER_RATE } from './native-audio.js';
import { type ChildMessage, isParentMessage, type LoadMessage, type NativeJob } from './native-protocol.js';
import { nativeResult } from './native-result.js';

/**
 * The forked process that holds one whisper model and runs one transcription at a time. It may die at any moment: the addon ends its
 * process on a bad model, on lack of memory and when it is asked to stop, and nothing in here tries to survive that.
 */
const MAX_WAV_BYTES = 2 ** 30;
/** Below the process that receives RTP: recording must never wait for transcription. */
const NICENESS = 5;
const MIN_THREADS = 1;
const MAX_THREADS = 64;

let model: WhisperModel | undefined;
let threads = MIN_THREADS;

function send(message: ChildMessage): void {
  if (process.connected) process.send?.(message);
}

function asError(error: unknown): SrsError {
  if (error instanceof SrsError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new SrsError('SRS_STT_ENGINE', message, { cause: error });
}

async function load(message: LoadMessage): Promise<void> {
  threads = Math.min(MAX_THREADS, Math.max(MIN_THREADS, Math.floor(message.threads)));
  try {
    const loaded = await WhisperModel.load(message.modelPath, true);
    // The addon can resolve with an Error where it should reject.
    const outcome: unknown = loaded;
    if (outcome instanceof Error) throw outcome;
    if (!loaded.handle) throw new Error('the addon returned no model');
    model = loaded;
    send({ kind: 'ready' });
  } catch (error) {
    send({ kind: 'load-failed', message: asError(error).message });
  }
}

async function speechOf(job: NativeJob): Promise<NativeAudio> {
  if (job.wavPath === undefined) {
    return nativeAudio({ sampleRate: WHISPER_RATE, channels: 1, samples: new Int16Array(WHISPER_RATE) });
  }
  const { size } = await stat(job.wavPath);
  if (size > MAX_WAV_BYTES) throw new SrsError('SRS_WAV_MALFORMED', `a WAV of ${size} bytes; at most ${MAX_WAV_BYTES}`);
  return nativeAudio(readWav(await readFile(job.wavPath)));
}

async function transcribe(id: number, job: NativeJob): Promise<void> {
  try {
    if (model === undefined) throw new Error('no model is loaded');
    const { pcm, durationMs, oneWindow } = await speechOf(job);
    const task = await TranscribeTask.run(model, pcm, {
      // Measured on short telephone utterances: beams took a third more time and gave no better words.
      strategy: WhisperSamplingStrategy.WHISPER_SAMPLING_GREEDY,
      best_of: 1,
      n_threads: threads,
      // Without it the silence after the last word gets a pass of its own, at the price of the first one.
      single_segment: oneWindow,
      ...(job.shortContext && oneWindow ? { audio_ctx: audioContext(durationMs) } : {}),
      language: job.language,
      translate: job.translate,
      // Every utterance stands alone; text of another call must never leak into this one.
      no_context: true,
      ...(job.prompt === undefined ? {} : { initial_prompt: job.prompt }),
      format: 'detail',
      token_timestamps: true,
      suppress_blank: true,
      suppress_non_speech_tokens: true,
      print_progress: false,
      print_realtime: false,
      print_timestamps: false,
      print_special: false,
    });
    const segments: unknown = await task.result;
    // Failures resolve with an Error object: OnError of the addon calls the same callback.
    if (segments instanceof Error) throw segments;
    if (!Array.isArray(segments)) throw new Error('the addon returned no segments');
    const result = nativeResult(segments, durationMs, job.language);
    send({ kind: 'result', id, result, rssBytes: process.memoryUsage.rss() });
  } catch (error) {
    const { code, message } = asError(error);
    send({ kind: 'job-failed', id, code, message });
  }
}

/** A normal exit would wait for the transcription that runs in libuv's pool. */
function die(): void {
  process.kill(process.pid, 'SIGKILL');
}

try {
  setPriority(NICENESS);
} catch {
  // Containers may forbid it; it is only a courtesy.
}
// Ctrl-C at a terminal reaches the whole process group; the parent decides when this process ends.
process.on('SIGINT', () => {});
process.on('disconnect', die);
process.on('message', (message: unknown) => {
  if (!isParentMessage(message)) return;
  if (message.kind === 'ping') send({ kind: 'pong' });
  else if (message.kind === 'load') void load(message);
  else void transcribe(message.id, message.job);
});
