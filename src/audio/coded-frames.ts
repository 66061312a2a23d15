/** A frame of speech on its way to a decoder, with its place in the packet. */
export interface CodedFrame {
  /** Samples from the start of the packet to that of the frame. */
  readonly at: number;
  readonly bytes: Uint8Array;
}

/** Takes RTP payloads apart into frames that are each decoded to the same number of samples. */
export interface FrameFormat {
  readonly sampleRate: number;
  readonly samplesPerFrame: number;
  /**
   * The frames of speech in a payload; undefined when it breaks the rules of its format. Frames of comfort noise and frames without data
   * are left out: they are silence.
   */
  frames(payload: Uint8Array): readonly CodedFrame[] | undefined;
}

const G729_SPEECH_BYTES = 10;
/** Silence insertion (G.729 annex B), only at the end of a packet. */
const G729_SILENCE_BYTES = 2;
const G729_SAMPLES = 80;

/** G.729 with annexes A and B (RFC 3551 §4.5.6): frames of 10 bytes and 10 ms one after another, then perhaps one of comfort noise. */
export const G729_FRAMES: FrameFormat = {
  sampleRate: 8000,
  samplesPerFrame: G729_SAMPLES,
  frames(payload) {
    const rest = payload.length % G729_SPEECH_BYTES;
    if (rest !== 0 && rest !== G729_SILENCE_BYTES) return undefined;
    return Array.from({ length: Math.floor(payload.length / G729_SPEECH_BYTES) }, (_, i) => ({
      at: i * G729_SAMPLES,
      bytes: payload.subarray(i * G729_SPEECH_BYTES, (i + 1) * G729_SPEECH_BYTES),
    }));
  },
};

/** Bits of a frame by its type: 0 to 7 of AMR, 0 to 8 of AMR-WB are speech, the next one is comfort noise (3GPP TS 26.101, 26.201). */
const AMR_BITS = [95, 103, 118, 134, 148, 159, 204, 244, 39];
const AMR_WB_BITS = [132, 177, 253, 285, 317, 365, 397, 461, 477, 40];
/** 14 of AMR-WB is a frame that was lost before it reached the sender; 15 of both is no frame. */
const SPEECH_LOST = 14;
const NO_DATA = 15;
/** 1 s. RFC 4867 sets no limit; ffmpeg fills its packets so. */
const MAX_AMR_FRAMES = 50;

/**
 * AMR and AMR-WB (RFC 4867), one channel, without CRC, sorting and interleaving. Octet-aligned or bandwidth-efficient, as the fmtp says.
 * Frames come out as in a file of RFC 4867 §5.3: a byte that tells the type, then the bits of speech.
 */
export class AmrFrames implements FrameFormat {
  readonly sampleRate: number;
  readonly samplesPerFrame: number;
  readonly #bits: readonly number[];
  readonly #aligned: boolean;

  constructor(wide: boolean, octetAligned: boolean) {
    this.sampleRate = wide ? 16_000 : 8000;
    this.samplesPerFrame = this.sampleRate / 50;
    this.#bits = wide ? AMR_WB_BITS : AMR_BITS;
    this.#aligned = octetAligned;
  }

  frames(payload: Uint8Array): readonly CodedFrame[] | undefined {
    const aligned = this.#aligned;
    const types: { readonly type: number; readonly good: boolean }[] = [];
    // A mode request of 4 bits, filled up to a byte when aligned; then a table of contents: F, FT, Q.
    let bit = aligned ? 8 : 4;
    for (let more = true; more; ) {
      if (bit + 6 > payload.length * 8 || types.length === MAX_AMR_FRAMES) return undefined;
      const entry = readBits(payload, bit, 6);
      bit += aligned ? 8 : 6;
      more = (entry & 0x20) !== 0;
      types.push({ type: (entry >> 1) & 0x0f, good: (entry & 1) === 1 });
    }
    const frames: CodedFrame[] = [];
    for (const [i, { type, good }] of types.entries()) {
      const bits = type === NO_DATA || type === SPEECH_LOST ? 0 : this.#bits[type];
      if (bits === undefined || bit + bits > payload.length * 8) return undefined;
      // A frame that was damaged on its way to the sender is no speech to be decoded.
      if (bits > 0 && good && type < this.#bits.length - 1) {
        frames.push({ at: i * this.samplesPerFrame, bytes: storedFrame(payload, bit, bits, type) });
      }
      bit += aligned ? Math.ceil(bits / 8) * 8 : bits;
    }
    return frames;
  }
}

function storedFrame(payload: Uint8Array, from: number, bits: number, type: number): Uint8Array {
  const frame = new Uint8Array(1 + Math.ceil(bits / 8));
  frame[0] = (type << 3) | 0x04;
  for (let done = 0, at = 1; done < bits; done += 8, at++) {
    const take = Math.min(8, bits - done);
    frame[at] = readBits(payload, from + done, take) << (8 - take);
  }
  return frame;
}

/** Up to 8 bits, the highest first; beyond the end they are zero. */
function readBits(bytes: Uint8Array, from: number, count: number): number {
  const at = from >> 3;
  const word = ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  return (word >> (16 - (from & 7) - count)) & ((1 << count) - 1);
}
