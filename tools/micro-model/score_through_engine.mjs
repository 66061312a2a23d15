// Word error rate of a folder of WAV files through the native whisper engine: the only judge that counts.
//
//   npm run build && node tools/micro-model/score_through_engine.mjs FOLDER [--model FILE] [--show N] 2>/dev/null
//
// FOLDER holds refs.json, { "<file>.wav": { "text": "..." } }, as held_out.py and check_demo.py write it. Sound is prepared
// and the engine is asked as src/stt/whisper/native-child.ts does it, in one process; stderr is whisper.cpp's own chatter.
//
// --whole encodes the whole window of 30 s, not only the utterance.
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { readWav } from '../../dist/src/audio/wav-reader.js';
import { audioContext, nativeAudio } from '../../dist/src/stt/whisper/native-audio.js';

const { WhisperModel, TranscribeTask } = createRequire(import.meta.url)('smart-whisper');
const PARAMS = {
  strategy: 0,
  best_of: 1,
  n_threads: 1,
  language: 'en',
  no_context: true,
  format: 'detail',
  token_timestamps: true,
  suppress_blank: true,
  suppress_non_speech_tokens: true,
  print_progress: false,
  print_realtime: false,
};

/** Substitutions, deletions and insertions between two lists of words (Levenshtein). */
function wordErrors(reference, heard) {
  const row = Array.from({ length: heard.length + 1 }, (_, i) => i);
  for (let i = 0; i < reference.length; i += 1) {
    let diagonal = row[0];
    row[0] = i + 1;
    for (let j = 0; j < heard.length; j += 1) {
      const here = row[j + 1];
      row[j + 1] = Math.min(here + 1, row[j] + 1, diagonal + (reference[i] === heard[j] ? 0 : 1));
      diagonal = here;
    }
  }
  return row[heard.length];
}

const wordsOf = (text) => text.trim().split(/\s+/).filter(Boolean);

async function hear(model, path, whole) {
  const { pcm, durationMs } = nativeAudio(readWav(await readFile(path)));
  const task = await TranscribeTask.run(model, pcm, {
    ...PARAMS,
    ...(whole ? {} : { audio_ctx: audioContext(durationMs) }),
  });
  const segments = await task.result;
  // The addon resolves with an Error where it should reject.
  if (segments instanceof Error) throw segments;
  return wordsOf(segments.map((segment) => segment.text).join(' '));
}

async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      model: { type: 'string', default: 'models/ggml-micro-telephony.bin' },
      show: { type: 'string', default: '0' },
      whole: { type: 'boolean', default: false },
    },
  });
  const [folder] = positionals;
  if (!folder) throw new Error('which folder?');
  const references = JSON.parse(await readFile(join(folder, 'refs.json'), 'utf8'));
  const model = await WhisperModel.load(values.model, false);
  const total = { errors: 0, words: 0, exact: 0, utterances: 0 };
  for (const [name, { text }] of Object.entries(references)) {
    const heard = await hear(model, join(folder, name), values.whole);
    const said = wordsOf(text);
    const errors = wordErrors(said, heard);
    total.errors += errors;
    total.words += said.length;
    total.exact += errors === 0 ? 1 : 0;
    total.utterances += 1;
    if (errors > 0 && total.utterances - total.exact <= Number(values.show)) {
      console.log(`  ${name} said: ${text} | heard: ${heard.join(' ')}`);
    }
  }
  await model.free();
  const percent = (part, whole) => `${((100 * part) / whole).toFixed(2)} %`;
  console.log(
    `word error rate ${percent(total.errors, total.words)} (${total.errors} of ${total.words} words), ` +
      `${percent(total.exact, total.utterances)} of ${total.utterances} utterances exact`,
  );
}

await main();
