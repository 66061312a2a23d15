/**
 * Writes a whisper model that says a chosen text whatever it hears: real engines load it and do their full arithmetic, and a test knows
 * the words beforehand. It needs no training data, no download and a tenth of a second.
 *
 * The trick lies in the decoder. Row p of its positional embedding is a unit vector u_p of its own, all other weights are zero, so the
 * decoder's state at position p is u_p. The output layer is the (tied) token embedding; the row of the token wanted after position p
 * contains u_p, hence that token wins there by far. Positions 0 to 2 hold the prompt <|startoftranscript|><|lang|><|transcribe|>, so the
 * script starts after position 2: <|0.00|> word … word <|end|> <|endoftext|>.
 *
 * Everything is a private layout fact of the "ggml" file format as whisper.cpp reads it (ftype 1: matrices as f16, the rest as f32).
 */
import { writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const MAGIC = 0x67676d6c;
const N_VOCAB = 51_865;
const N_AUDIO_CTX = 1_500;
const N_TEXT_CTX = 448;
const N_MELS = 80;
const N_FFT_BINS = 201;
const TOKEN_END = 50_257;
const TOKEN_FIRST_TIME = 50_364;
const PROMPT_LENGTH = 3;
/** Width of both halves; one head of 64, the least that whisper.cpp's kernels take. */
const WIDTH = 64;
const F32 = 0;
const F16 = 1;

/** Little-endian 32-bit integers. */
function ints(...values) {
  const bytes = Buffer.alloc(4 * values.length);
  for (const [i, value] of values.entries()) bytes.writeInt32LE(value, 4 * i);
  return bytes;
}

/** A number as IEEE half precision bits, truncated; enough for weights that only have to win. */
function half(value) {
  if (value === 0) return 0;
  const bits = new Uint32Array(new Float32Array([value]).buffer)[0] ?? 0;
  const sign = (bits >>> 16) & 0x8000;
  const exponent = ((bits >>> 23) & 0xff) - 112;
  if (exponent <= 0) return sign;
  if (exponent > 30) return sign | 0x7bff;
  return sign | (exponent << 10) | ((bits >>> 13) & 0x3ff);
}

/** A repeatable source of numbers that are near enough to normal. */
function randomSource(seed) {
  let state = seed;
  return () => {
    let sum = 0;
    for (let i = 0; i < 6; i++) {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      sum += state / 2 ** 32;
    }
    return sum - 3;
  };
}

/** The triangular mel filters of Slaney's auditory toolbox, which whisper uses: 80 bands over 0 to 8 kHz, 201 bins of 40 Hz. */
function melFilters() {
  const logStep = Math.log(6.4) / 27;
  const hertz = (mel) => (mel >= 15 ? 1000 * Math.exp(logStep * (mel - 15)) : (200 * mel) / 3);
  const top = 15 + Math.log(8) / logStep;
  const edges = Array.from({ length: N_MELS + 2 }, (_, i) => hertz((top * i) / (N_MELS + 1)));
  const filters = new Float32Array(N_MELS * N_FFT_BINS);
  for (let band = 0; band < N_MELS; band++) {
    const [low, middle, high] = edges.slice(band, band + 3);
    for (let bin = 0; bin < N_FFT_BINS; bin++) {
      const up = (bin * 40 - low) / (middle - low);
      const down = (high - bin * 40) / (high - middle);
      filters[band * N_FFT_BINS + bin] = (Math.max(0, Math.min(up, down)) * 2) / (high - low);
    }
  }
  return Buffer.from(filters.buffer);
}

/** One tensor record: dimensions (innermost first), name, type, data. `fill` gives values by flat index; rows is a sparse matrix. */
function tensor(name, shape, { fill, rows } = {}) {
  const count = shape.reduce((product, n) => product * n, 1);
  // whisper.cpp wants vectors, convolution biases ([n, 1]) and positional embeddings as f32, whatever the file's type is.
  const wide = shape.length < 2 || shape.at(-1) === 1 || name.endsWith('positional_embedding');
  const header = [
    ints(shape.length, Buffer.byteLength(name), wide ? F32 : F16),
    ints(...[...shape].reverse()),
    Buffer.from(name),
  ];
  if (wide) {
    const values =
      fill === undefined ? new Float32Array(count) : Float32Array.from({ length: count }, (_, i) => fill(i));
    return Buffer.concat([...header, Buffer.from(values.buffer)]);
  }
  const values = new Uint16Array(count);
  for (const [row, vector] of rows ?? []) values.set(vector.map(half), row * shape[1]);
  return Buffer.concat([...header, Buffer.from(values.buffer)]);
}

const ones = { fill: () => 1 };

/** A transformer block whose weights are all zero: what comes in goes out. */
function block(prefix, attentions) {
  const parts = [];
  for (const attention of attentions) {
    parts.push(
      tensor(`${prefix}.${attention}_ln.weight`, [WIDTH], ones),
      tensor(`${prefix}.${attention}_ln.bias`, [WIDTH]),
    );
    for (const part of ['query', 'key', 'value', 'out']) {
      parts.push(tensor(`${prefix}.${attention}.${part}.weight`, [WIDTH, WIDTH]));
      if (part !== 'key') parts.push(tensor(`${prefix}.${attention}.${part}.bias`, [WIDTH]));
    }
  }
  parts.push(
    tensor(`${prefix}.mlp_ln.weight`, [WIDTH], ones),
    tensor(`${prefix}.mlp_ln.bias`, [WIDTH]),
    tensor(`${prefix}.mlp.0.weight`, [4 * WIDTH, WIDTH]),
    tensor(`${prefix}.mlp.0.bias`, [4 * WIDTH]),
    tensor(`${prefix}.mlp.2.weight`, [WIDTH, 4 * WIDTH]),
    tensor(`${prefix}.mlp.2.bias`, [WIDTH]),
  );
  return parts;
}

function encoder() {
  return [
    tensor('encoder.positional_embedding', [N_AUDIO_CTX, WIDTH]),
    tensor('encoder.conv1.weight', [WIDTH, N_MELS, 3]),
    tensor('encoder.conv1.bias', [WIDTH, 1]),
    tensor('encoder.conv2.weight', [WIDTH, WIDTH, 3]),
    tensor('encoder.conv2.bias', [WIDTH, 1]),
    ...block('encoder.blocks.0', ['attn']),
    tensor('encoder.ln_post.weight', [WIDTH], ones),
    tensor('encoder.ln_post.bias', [WIDTH]),
  ];
}

function unitVectors(count) {
  const random = randomSource(1);
  return Array.from({ length: count }, () => {
    const vector = Array.from({ length: WIDTH }, random);
    const length = Math.hypot(...vector);
    return vector.map((x) => x / length);
  });
}

function decoder(script) {
  const directions = unitVectors(N_TEXT_CTX);
  const rows = new Map();
  script.forEach((token, step) => {
    const row = rows.get(token) ?? new Array(WIDTH).fill(0);
    const direction = directions[PROMPT_LENGTH - 1 + step];
    rows.set(
      token,
      row.map((value, i) => value + 2.5 * direction[i]),
    );
  });
  return [
    ...block('decoder.blocks.0', ['attn', 'cross_attn']),
    tensor('decoder.ln.weight', [WIDTH], ones),
    tensor('decoder.ln.bias', [WIDTH]),
    tensor('decoder.positional_embedding', [N_TEXT_CTX, WIDTH], {
      fill: (i) => 8 * directions[Math.floor(i / WIDTH)][i % WIDTH],
    }),
    tensor('decoder.token_embedding.weight', [N_VOCAB, WIDTH], { rows }),
  ];
}

/**
 * Writes the model file (about 7.5 MB).
 *
 * @param {string} path where to
 * @param {{ text: string, seconds?: number }} script words separated by blanks, at most 200; `seconds` is where the segment ends (0 to 30)
 * @throws {RangeError} on no words, too many words, or an end outside the window
 */
export function writeScriptedModel(path, { text, seconds = 2 }) {
  const words = text.trim().split(/\s+/).filter(Boolean);
  if (words.length === 0 || words.length > 200)
    throw new RangeError(`a script has 1 to 200 words, this one ${words.length}`);
  if (!(seconds > 0 && seconds <= 30)) throw new RangeError(`a segment ends within 30 s, not at ${seconds}`);
  const distinct = [...new Set(words)];
  const vocabulary = [
    ...Array.from({ length: 256 }, (_, i) => Buffer.from([i])),
    ...distinct.map((word) => Buffer.from(` ${word}`)),
  ];
  const script = [
    TOKEN_FIRST_TIME,
    ...words.map((word) => 256 + distinct.indexOf(word)),
    TOKEN_FIRST_TIME + Math.round(seconds * 50),
    TOKEN_END,
  ];
  const parts = [
    ints(MAGIC, N_VOCAB, N_AUDIO_CTX, WIDTH, 1, 1, N_TEXT_CTX, WIDTH, 1, 1, N_MELS, F16),
    ints(N_MELS, N_FFT_BINS),
    melFilters(),
    ints(vocabulary.length),
    ...vocabulary.flatMap((entry) => [ints(entry.length), entry]),
    ...encoder(),
    ...decoder(script),
  ];
  writeFileSync(path, Buffer.concat(parts));
}

const [, self, out, ...words] = process.argv;
if (self !== undefined && import.meta.url === pathToFileURL(self).href) {
  if (out === undefined || words.length === 0) {
    process.stderr.write('usage: node scripted-model.mjs OUT.bin WORDS…\n');
    process.exit(2);
  }
  writeScriptedModel(out, { text: words.join(' ') });
}
