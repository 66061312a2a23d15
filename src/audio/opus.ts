import { OpusDecoder as OpusModule } from 'opus-decoder';
import { SrsError } from '../core/errors.js';
import type { PayloadDecoder } from './payload-decoder.js';

/** 120 ms at 48 kHz: the longest packet (RFC 6716 §3.2.5). */
const MAX_SAMPLES = 5760;
/** Half a second of speech at the highest rate of Opus; what is longer is no speech. */
const MAX_BYTES = 3840;

/** Where the package's record of a decoder keeps the address of libopus' own state, which `opus_frame_decoder_destroy` does not free. */
const STATE_AT = 20;

/** Rates at which libopus decodes by itself, whatever the encoder's band was (RFC 6716 §2.1.3). */
export type OpusRate = 8000 | 16_000 | 48_000;

/** The entry points of the package's WASM module, which are plain functions on its memory. */
interface OpusFunctions {
  readonly HEAP: ArrayBuffer;
  /** 0 when out of memory. */
  malloc(bytes: number): number;
  free(pointer: number): void;
  /** 0 when out of memory. */
  opus_frame_decoder_create(
    sampleRate: number,
    channels: number,
    streams: number,
    coupledStreams: number,
    mapping: number,
    preSkip: number,
    forceStereo: number,
  ): number;
  opus_frame_decoder_destroy(decoder: number): void;
  /** Samples, or a negative error. */
  opus_frame_decode_float_deinterleaved(decoder: number, input: number, bytes: number, output: number): number;
}

/**
 * libopus (RFC 6716) as WASM, loaded once per thread. The package's own class has a whole module of 28 MB behind every stream, starts it
 * asynchronously and prints to stderr when a packet is bad; so its module is used directly, which has room for 1,200 decoders and
 * makes one in a call. The version is pinned for that.
 */
export class OpusEngine {
  readonly #functions: OpusFunctions;
  /** One packet in and its samples out, for all decoders: a call is over before the next begins. */
  readonly #input: number;
  readonly #output: number;
  /** The channel mapping of mono: one zero. */
  readonly #mapping: number;
  #open = 0;

  private constructor(functions: OpusFunctions) {
    this.#functions = functions;
    this.#input = functions.malloc(MAX_BYTES);
    this.#output = functions.malloc(MAX_SAMPLES * Float32Array.BYTES_PER_ELEMENT);
    this.#mapping = functions.malloc(1);
    new Uint8Array(functions.HEAP)[this.#mapping] = 0;
  }

  static async load(): Promise<OpusEngine> {
    const loaded = new OpusModule({ channels: 1, sampleRate: 16_000 });
    await loaded.ready;
    const { wasm } = (loaded as unknown as { readonly _common: { readonly wasm: OpusFunctions } })._common;
    const engine = new OpusEngine(wasm);
    engine.#provePinned();
    return engine;
  }

  /** Decoders that are open. */
  get open(): number {
    return this.#open;
  }

  /**
   * Opens the decoder of one stream; undefined when there are more than memory holds. What was encoded in stereo is decoded to mono, which
   * is libopus' own mixing.
   */
  decoder(sampleRate: OpusRate = 16_000): OpusDecoder | undefined {
    const functions = this.#functions;
    const instance = functions.opus_frame_decoder_create(sampleRate, 1, 1, 0, this.#mapping, 0, 0);
    if (instance === 0) return undefined;
    this.#open++;
    return new OpusDecoder(sampleRate, {
      decode: (bytes, offset, length) => this.#decode(instance, bytes, offset, length),
      close: () => {
        this.#free(instance);
        this.#open--;
      },
    });
  }

  /** 23 kB of every decoder would stay for good otherwise, and a thread that lives for weeks would have no room for another one. */
  #free(instance: number): void {
    const functions = this.#functions;
    const state = new DataView(functions.HEAP).getUint32(instance + STATE_AT, true);
    functions.opus_frame_decoder_destroy(instance);
    functions.free(state);
  }

  /** A decoder that was freed leaves its place to the next one: so it is with the version that is pinned. */
  #provePinned(): void {
    const functions = this.#functions;
    const make = (): number => functions.opus_frame_decoder_create(16_000, 1, 1, 0, this.#mapping, 0, 0);
    const first = make();
    this.#free(first);
    const second = make();
    this.#free(second);
    if (first !== second) throw new SrsError('SRS_INTERNAL', 'The Opus decoder is not the version that is known here.');
  }

  #decode(instance: number, bytes: Uint8Array, offset: number, length: number): Float32Array | undefined {
    // An empty packet would be taken for a lost one, and audio invented for it.
    if (length === 0 || length > MAX_BYTES) return undefined;
    const { HEAP } = this.#functions;
    new Uint8Array(HEAP, this.#input, length).set(bytes.subarray(offset, offset + length));
    const decode = this.#functions.opus_frame_decode_float_deinterleaved;
    const samples = decode(instance, this.#input, length, this.#output);
    return samples > 0 ? new Float32Array(HEAP, this.#output, samples) : undefined;
  }
}

interface OpusInstance {
  /** The samples lie in the memory of all decoders; undefined for a packet that breaks RFC 6716. */
  decode(bytes: Uint8Array, offset: number, length: number): Float32Array | undefined;
  close(): void;
}

/** The decoder of one stream: mono, and nothing is made up for packets that were lost. */
export class OpusDecoder implements PayloadDecoder {
  readonly sampleRate: OpusRate;
  readonly #samples: Int16Array;
  #instance: OpusInstance | undefined;

  constructor(sampleRate: OpusRate, instance: OpusInstance) {
    this.sampleRate = sampleRate;
    this.#instance = instance;
    this.#samples = new Int16Array((MAX_SAMPLES * sampleRate) / 48_000);
  }

  decode(payload: Uint8Array, offset: number, length: number): Int16Array {
    const decoded = this.#instance?.decode(payload, offset, length);
    if (!decoded) return this.#samples.subarray(0, 0);
    for (let i = 0; i < decoded.length; i++) {
      const sample = Math.round((decoded[i] as number) * 32_768);
      this.#samples[i] = sample > 32_767 ? 32_767 : sample < -32_768 ? -32_768 : sample;
    }
    return this.#samples.subarray(0, decoded.length);
  }

  /** Frees the decoder. Idempotent. */
  close(): void {
    this.#instance?.close();
    this.#instance = undefined;
  }
}
