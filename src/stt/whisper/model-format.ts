import type { FileHandle } from 'node:fs/promises';
import { SrsError } from '../../core/errors.js';

/**
 * The "ggml" model file of whisper.cpp, as far as it must be walked to know that it is whole. whisper.cpp itself only counts tensors:
 * a file that was cut inside the last one loads and then says nonsense, and a file that is no model at all kills the process.
 *
 *   u32 magic · 11 × i32 parameters · i32 mels, i32 bins, f32[mels × bins] · i32 count, count × (u32 length, bytes)
 *   then until the end: i32 dimensions, i32 name length, i32 type, i32[dimensions], name, data
 */
export interface ModelShape {
  /** Size of the token table: 51,864 English only, 51,865 and more multilingual. */
  readonly vocabulary: number;
  readonly audioLayers: number;
  readonly textLayers: number;
  readonly audioWidth: number;
  readonly mels: number;
  readonly tensors: number;
  readonly bytes: number;
}

const MAGIC = 0x67676d6c;
const HEADER_BYTES = 48;
const MAX_LAYERS = 256;
const MAX_WIDTH = 65_536;
const MAX_TOKEN_BYTES = 4_096;
const MAX_NAME_BYTES = 256;
const WINDOW_BYTES = 65_536;

/** Elements and bytes of one block, by ggml's type number. */
const BLOCKS: Readonly<Record<number, readonly [elements: number, bytes: number]>> = {
  0: [1, 4],
  1: [1, 2],
  2: [32, 18],
  3: [32, 20],
  6: [32, 22],
  7: [32, 24],
  8: [32, 34],
  9: [32, 36],
  10: [256, 84],
  11: [256, 110],
  12: [256, 144],
  13: [256, 176],
  14: [256, 210],
  15: [256, 292],
  30: [1, 2],
};

/** What people take for a model, by its first bytes. */
const OTHERS: readonly [prefix: string, what: string][] = [
  ['GGUF', 'a GGUF file; whisper.cpp reads its own older "ggml" files (ggml-*.bin)'],
  ['PK', 'a PyTorch or zip archive; convert it with whisper.cpp first'],
  ['version https://git-lfs', 'a git-lfs pointer; the model itself was never fetched'],
  ['<', 'a web page; the download went wrong'],
  ['{', 'a JSON text; the download went wrong'],
];

export function modelError(path: string, rule: string): SrsError {
  return new SrsError('SRS_STT_MODEL', `${path} is not a usable whisper model: ${rule}`);
}

/** Reads a file forwards through one small window, so that skipping gigabytes of weights costs nothing. */
class FileWalk {
  readonly bytes: number;
  readonly path: string;
  readonly #file: FileHandle;
  readonly #window = Buffer.alloc(WINDOW_BYTES);
  #windowAt = 0;
  #windowBytes = 0;
  at = 0;

  constructor(file: FileHandle, path: string, bytes: number) {
    this.#file = file;
    this.path = path;
    this.bytes = bytes;
  }

  get left(): number {
    return this.bytes - this.at;
  }

  skip(bytes: number, what: string): void {
    if (bytes > this.left)
      throw modelError(this.path, `it is cut short in ${what} (${bytes - this.left} bytes are missing)`);
    this.at += bytes;
  }

  /** The next `bytes`, at most the window. The buffer is valid until the next call. */
  async take(bytes: number, what: string): Promise<Buffer> {
    const start = this.at;
    this.skip(bytes, what);
    if (start < this.#windowAt || start + bytes > this.#windowAt + this.#windowBytes) {
      const { bytesRead } = await this.#file.read(this.#window, 0, WINDOW_BYTES, start);
      this.#windowAt = start;
      this.#windowBytes = bytesRead;
      if (bytesRead < bytes) throw modelError(this.path, `it shrank while ${what} was read`);
    }
    return this.#window.subarray(start - this.#windowAt, start - this.#windowAt + bytes);
  }

  async int(what: string): Promise<number> {
    return (await this.take(4, what)).readInt32LE(0);
  }
}

async function readHeader(walk: FileWalk): Promise<Omit<ModelShape, 'tensors' | 'bytes'>> {
  const head = await walk.take(Math.min(HEADER_BYTES, walk.bytes), 'the header');
  const opening = head.toString('latin1');
  const other = OTHERS.find(([prefix]) => opening.startsWith(prefix));
  if (other) throw modelError(walk.path, `it is ${other[1]}`);
  if (head.length < HEADER_BYTES) throw modelError(walk.path, `${head.length} bytes are shorter than the header`);
  if (head.readUInt32LE(0) !== MAGIC) throw modelError(walk.path, 'it does not begin with the magic number of ggml');
  const field = (index: number): number => head.readInt32LE(4 + 4 * index);
  const [vocabulary, audioWidth, audioLayers, textWidth, textLayers, mels] = [0, 2, 4, 6, 8, 9].map(field) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const within = (name: string, value: number, low: number, high: number): void => {
    if (value < low || value > high) throw modelError(walk.path, `${name} is ${value}; ${low} to ${high} are possible`);
  };
  within('the vocabulary', vocabulary, 51_864, 100_000);
  within('the audio context', field(1), 1, 10_000);
  within('the audio width', audioWidth, 1, MAX_WIDTH);
  within('the number of audio heads', field(3), 1, audioWidth);
  within('the number of audio layers', audioLayers, 1, MAX_LAYERS);
  within('the text context', field(5), 1, 10_000);
  within('the text width', textWidth, 1, MAX_WIDTH);
  within('the number of text heads', field(7), 1, textWidth);
  within('the number of text layers', textLayers, 1, MAX_LAYERS);
  within('the number of mel bands', mels, 1, 1_024);
  if (audioWidth !== textWidth) throw modelError(walk.path, 'encoder and decoder differ in width');
  return { vocabulary, audioLayers, textLayers, audioWidth, mels };
}

async function skipFiltersAndWords(walk: FileWalk, mels: number, vocabulary: number): Promise<void> {
  const [bands, bins] = [await walk.int('the mel filters'), await walk.int('the mel filters')];
  if (bands !== mels || bins < 1 || bins > 4_096)
    throw modelError(walk.path, `its mel filters are ${bands} × ${bins} and the header says ${mels} bands`);
  walk.skip(4 * bands * bins, 'the mel filters');
  const words = await walk.int('the vocabulary');
  if (words < 1 || words > vocabulary) throw modelError(walk.path, `it lists ${words} words of ${vocabulary}`);
  for (let i = 0; i < words; i += 1) {
    const length = await walk.int('the vocabulary');
    if (length < 0 || length > MAX_TOKEN_BYTES) throw modelError(walk.path, `a word of ${length} bytes`);
    walk.skip(length, 'the vocabulary');
  }
}

async function skipTensor(walk: FileWalk): Promise<void> {
  const what = 'a tensor header';
  const dimensions = await walk.int(what);
  const nameBytes = await walk.int(what);
  const type = await walk.int(what);
  if (dimensions < 1 || dimensions > 4) throw modelError(walk.path, `a tensor with ${dimensions} dimensions`);
  if (nameBytes < 1 || nameBytes > MAX_NAME_BYTES) throw modelError(walk.path, `a tensor name of ${nameBytes} bytes`);
  const block = BLOCKS[type];
  if (!block) throw modelError(walk.path, `a tensor of the unknown type ${type}`);
  let elements = 1;
  for (let i = 0; i < dimensions; i += 1) {
    const size = await walk.int(what);
    if (size < 1) throw modelError(walk.path, `a tensor dimension of ${size}`);
    elements *= size;
  }
  const name = (await walk.take(nameBytes, what)).toString('latin1');
  if (!/^(encoder|decoder)\.[a-z0-9_.]+$/.test(name)) throw modelError(walk.path, 'a tensor with an impossible name');
  walk.skip((elements / block[0]) * block[1], `the tensor ${name}`);
}

/**
 * Walks a model file from the magic number to its last byte without reading weights.
 * Throws `SRS_STT_MODEL` whose message names the rule that was broken.
 */
export async function walkModel(file: FileHandle, path: string): Promise<ModelShape> {
  const { size } = await file.stat();
  const walk = new FileWalk(file, path, size);
  const header = await readHeader(walk);
  await skipFiltersAndWords(walk, header.mels, header.vocabulary);
  if (walk.left === 0) {
    throw modelError(path, 'it has no weights at all (whisper.cpp\'s own "for-tests" files are such)');
  }
  let tensors = 0;
  for (; walk.left > 0; tensors += 1) await skipTensor(walk);
  // Encoder and decoder have 11 tensors of their own; a layer has 15, a decoder layer 9 more for the attention to the audio.
  const wanted = 11 + 15 * header.audioLayers + 24 * header.textLayers;
  if (tensors !== wanted)
    throw modelError(path, `it has ${tensors} tensors and needs ${wanted}: it is cut short or mixed up`);
  return { ...header, tensors, bytes: size };
}
