import { SrsError } from '../core/errors.js';
import { decodeG711 } from './g711.js';

export interface WavAudio {
  /** Hz. */
  readonly sampleRate: number;
  readonly channels: number;
  /** Interleaved. */
  readonly samples: Int16Array;
}

/** Format tags of `fmt ` (RFC 2361); 0xFFFE says that the real tag opens the sub-format GUID. */
const PCM = 1;
const FLOAT = 3;
const ALAW = 6;
const MULAW = 7;
const EXTENSIBLE = 0xfffe;
const MAX_CHANNELS = 64;
const MAX_RATE = 768_000;

interface Layout {
  readonly tag: number;
  readonly channels: number;
  readonly sampleRate: number;
  readonly bits: number;
}

function malformed(rule: string): SrsError {
  return new SrsError('SRS_WAV_MALFORMED', `not a WAV file that can be read: ${rule}`);
}

function chunkId(view: DataView, at: number): string {
  return String.fromCharCode(view.getUint8(at), view.getUint8(at + 1), view.getUint8(at + 2), view.getUint8(at + 3));
}

function readLayout(view: DataView, at: number, size: number): Layout {
  if (size < 16) throw malformed(`the fmt chunk has ${size} bytes and needs 16`);
  let tag = view.getUint16(at, true);
  const [channels, sampleRate, bits] = [
    view.getUint16(at + 2, true),
    view.getUint32(at + 4, true),
    view.getUint16(at + 14, true),
  ];
  if (tag === EXTENSIBLE) {
    if (size < 26) throw malformed(`an extensible fmt chunk has ${size} bytes and needs 26`);
    tag = view.getUint16(at + 24, true);
  }
  if (channels < 1 || channels > MAX_CHANNELS)
    throw malformed(`${channels} channels; 1 to ${MAX_CHANNELS} are possible`);
  if (sampleRate < 1 || sampleRate > MAX_RATE) throw malformed(`${sampleRate} Hz; 1 to ${MAX_RATE} are possible`);
  return { tag, channels, sampleRate, bits };
}

/** Whether the rest of the file, from `at`, is a row of chunks and no sound. */
function isChunks(view: DataView, at: number): boolean {
  while (at < view.byteLength) {
    if (at + 8 > view.byteLength || !/^[\x20-\x7e]{4}$/.test(chunkId(view, at))) return false;
    const size = view.getUint32(at + 4, true);
    at += 8 + size + (size & 1);
  }
  return at === view.byteLength || at === view.byteLength + 1;
}

/**
 * The bytes of sound, whatever the header says of them. Writers that were killed or that stream leave 0 or 0xFFFFFFFF as the size,
 * and copies that were cut short promise more than there is: all of these mean "until the end of the file".
 */
function dataEnd(view: DataView, start: number, size: number): number {
  const rest = view.byteLength - start;
  if (size > rest) return view.byteLength;
  if (size > 0 || rest === 0) return start + size;
  return isChunks(view, start) ? start : view.byteLength;
}

function decodePcm(view: DataView, start: number, count: number, bits: number): Int16Array {
  const out = new Int16Array(count);
  const bytes = bits / 8;
  // The two upper bytes are the sample; 8 bits are unsigned (RIFF MCI, "8-bit PCM is offset binary").
  if (bits === 8) for (let i = 0; i < count; i += 1) out[i] = (view.getUint8(start + i) - 128) << 8;
  else for (let i = 0; i < count; i += 1) out[i] = view.getInt16(start + i * bytes + bytes - 2, true);
  return out;
}

function decodeFloat(view: DataView, start: number, count: number, bits: number): Int16Array {
  const out = new Int16Array(count);
  for (let i = 0; i < count; i += 1) {
    const value = bits === 32 ? view.getFloat32(start + i * 4, true) : view.getFloat64(start + i * 8, true);
    const scaled = Math.round(value * 32_768);
    out[i] = Number.isNaN(scaled) ? 0 : Math.max(-32_768, Math.min(32_767, scaled));
  }
  return out;
}

function decode(view: DataView, layout: Layout, start: number, end: number): Int16Array {
  const { tag, bits, channels } = layout;
  const known =
    (tag === PCM && [8, 16, 24, 32].includes(bits)) ||
    (tag === FLOAT && [32, 64].includes(bits)) ||
    ((tag === ALAW || tag === MULAW) && bits === 8);
  if (!known) {
    throw malformed(
      `format ${tag} with ${bits} bits; PCM of 8, 16, 24 or 32, float of 32 or 64, A-law and µ-law are read`,
    );
  }
  // A last frame that was cut is dropped: half a sample is noise.
  const frame = (bits / 8) * channels;
  const count = Math.floor((end - start) / frame) * channels;
  if (tag === PCM) return decodePcm(view, start, count, bits);
  if (tag === FLOAT) return decodeFloat(view, start, count, bits);
  const payload = new Uint8Array(view.buffer, view.byteOffset + start, count);
  return decodeG711(tag === ALAW ? 'PCMA' : 'PCMU', payload);
}

/**
 * Reads a whole WAV file: PCM of 8 to 32 bits, float, A-law and µ-law, as 16-bit samples. Sizes that are 0 or lie are read around.
 * Throws `SRS_WAV_MALFORMED`, whose message names the rule that was broken.
 */
export function readWav(bytes: Uint8Array): WavAudio {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.byteLength < 12) throw malformed(`${view.byteLength} bytes are shorter than a RIFF header`);
  if (!['RIFF', 'RF64'].includes(chunkId(view, 0)) || chunkId(view, 8) !== 'WAVE') {
    throw malformed('it does not begin with RIFF … WAVE');
  }
  let layout: Layout | undefined;
  for (let at = 12; at + 8 <= view.byteLength; ) {
    const [id, size, body] = [chunkId(view, at), view.getUint32(at + 4, true), at + 8];
    if (id === 'data') {
      if (!layout) throw malformed('the data chunk comes before the fmt chunk');
      const samples = decode(view, layout, body, dataEnd(view, body, size));
      return { sampleRate: layout.sampleRate, channels: layout.channels, samples };
    }
    if (body + size > view.byteLength) throw malformed(`a chunk of ${size} bytes reaches beyond the end of the file`);
    if (id === 'fmt ') layout = readLayout(view, body, size);
    at = body + size + (size & 1);
  }
  throw malformed(layout ? 'it has no data chunk' : 'it has no fmt chunk');
}
