import { readFileSync } from 'node:fs';
import { TranscribeTask, WhisperModel, WhisperSamplingStrategy } from 'smart-whisper';
import { readWav } from '../src/audio/wav-reader.js';
import { audioContext, nativeAudio } from '../src/stt/whisper/native-audio.js';

/**
 * The least that the addon needs: a process with the model and the sound in memory, one call after another. Arguments are the model and
 * WAV files; every message starts a round over all of them, which is answered with its milliseconds.
 */
const [, , modelPath = '', ...paths] = process.argv;
const sounds = paths.map((path) => nativeAudio(readWav(readFileSync(path))));
const model = await WhisperModel.load(modelPath, true);

async function round(): Promise<number> {
  const startedAt = performance.now();
  for (const { pcm, durationMs, oneWindow } of sounds) {
    const task = await TranscribeTask.run(model, pcm, {
      strategy: WhisperSamplingStrategy.WHISPER_SAMPLING_GREEDY,
      best_of: 1,
      n_threads: 1,
      single_segment: oneWindow,
      audio_ctx: audioContext(durationMs),
      language: 'en',
      no_context: true,
      print_progress: false,
      suppress_non_speech_tokens: true,
      format: 'detail',
      token_timestamps: true,
    });
    await task.result;
  }
  return performance.now() - startedAt;
}

process.on('disconnect', () => process.exit(0));
process.on('message', () => {
  void round().then((ms) => process.send?.(ms));
});
process.send?.(0);
