// Word error rate of a folder of 16 kHz WAV files through the native whisper engine: the only judge that counts.
//
//   node tools/micro-model/score_through_engine.mjs FOLDER [--model FILE] [--params JSON] [--show N]
//
// The engine writes much on stderr; add 2>/dev/null. FOLDER holds refs.json, { "<file>.wav": { "text": "..." } }, as held_out.py and check_demo.py write it.
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const { WhisperModel, TranscribeTask } = createRequire(import.meta.url)('smart-whisper');
const ENGINE_RATE = 16_000;
/** This whisper.cpp hears nothing in less than 1.01 s. */
const SHORTEST_SAMPLES = 1.2 * ENGINE_RATE;
/** As src/stt/whisper/native-child.ts asks it. */
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

async function samplesOf(path) {
  const file = await readFile(path);
  const data = file.indexOf('data', 12, 'latin1') + 8;
  if (data < 8 || file.readUInt32LE(24) !== ENGINE_RATE) throw new Error(`${path} is not a WAV of ${ENGINE_RATE} Hz`);
  const count = (file.length - data) >> 1;
  const samples = new Float32Array(Math.max(count, SHORTEST_SAMPLES));
  for (let i = 0; i < count; i += 1) samples[i] = file.readInt16LE(data + 2 * i) / 32768;
  return samples;
}

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

async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      model: { type: 'string', default: 'models/ggml-micro-telephony.bin' },
      params: { type: 'string', default: '{}' },
      show: { type: 'string', default: '0' },
    },
  });
  const [folder] = positionals;
  if (!folder) throw new Error('which folder?');
  const references = JSON.parse(await readFile(join(folder, 'refs.json'), 'utf8'));
  const params = { ...PARAMS, ...JSON.parse(values.params) };
  const model = await WhisperModel.load(values.model, false);
  const total = { errors: 0, words: 0, exact: 0, utterances: 0 };
  let left = Number(values.show);
  for (const [name, { text }] of Object.entries(references)) {
    const task = await TranscribeTask.run(model, await samplesOf(join(folder, name)), params);
    const result = await task.result;
    // The addon resolves with an Error where it should reject.
    if (result instanceof Error) throw result;
    const heard = wordsOf(result.map((segment) => segment.text).join(' '));
    const errors = wordErrors(wordsOf(text), heard);
    total.errors += errors;
    total.words += wordsOf(text).length;
    total.exact += errors === 0 ? 1 : 0;
    total.utterances += 1;
    if (errors > 0 && left > 0) {
      left -= 1;
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
