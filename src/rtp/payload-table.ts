import { AmrFrames, type FrameFormat, G729_FRAMES } from '../audio/coded-frames.js';
import { decodePcma, decodePcmu } from '../audio/g711.js';
import { codecOf, type FfmpegDecoderName, type FfmpegDecoders, parameter, sampleRateOf } from '../core/audio-codec.js';
import type { MediaFormat } from '../core/model.js';

/** Comfort noise: 13 by RFC 3389, 19 in older gear (RFC 3551 §6 reserves it for that reason). */
const COMFORT_NOISE = [13, 19];
/** What was answered was there when it was answered. */
const ALL: FfmpegDecoders = new Set<FfmpegDecoderName>(['g729', 'amrnb', 'amrwb']);

/** Audio of one payload type. */
export interface AudioFormat {
  /** What it is made of: formats with the same one are the same. */
  readonly key: string;
  readonly name: string;
  /** What its timestamps count. */
  readonly clockRate: number;
  /** Hz of its samples. */
  readonly sampleRate: number;
  readonly channels: number;
  /** G.711: a table decodes each byte, in any order. */
  readonly table?: Int16Array;
  /** What only ffmpeg decodes, and how packets of it are taken apart. */
  readonly ffmpeg?: { readonly decoder: FfmpegDecoderName; readonly frames: FrameFormat };
}

type Entry = AudioFormat | 'telephone-event' | 'ignored' | undefined;

/**
 * What to do with each of the 128 payload types of a leg: audio, `telephone-event` (RFC 4733), `ignored` (not audio, yet nothing wrong),
 * or undefined.
 */
export type PayloadTable = readonly Entry[];

/** Tables by what they were made of. Nothing changes them, and most legs of a thread have one of a few. */
const shared = new Map<string, PayloadTable>();
/** An SRC that makes up parameters must not fill the memory. */
const MAX_SHARED = 64;

/** @param former the table before, whose formats stay what they are where nothing changed, so that no decoder begins anew for a re-INVITE */
export function payloadTable(formats: readonly MediaFormat[], former?: PayloadTable): PayloadTable {
  if (former) {
    const table = newTable(formats, former);
    return table.every((entry, type) => entry === former[type]) ? former : table;
  }
  const key = JSON.stringify(formats);
  const known = shared.get(key);
  if (known) return known;
  if (shared.size >= MAX_SHARED) shared.clear();
  const table = newTable(formats, []);
  shared.set(key, table);
  return table;
}

function newTable(formats: readonly MediaFormat[], former: PayloadTable): PayloadTable {
  const table: Entry[] = new Array(128).fill(undefined);
  for (const type of COMFORT_NOISE) table[type] = 'ignored';
  for (const format of formats) {
    const { payloadType } = format;
    if (payloadType < 0 || payloadType > 127) continue;
    const name = format.encoding.toUpperCase();
    if (name === 'CN') table[payloadType] = 'ignored';
    if (name === 'TELEPHONE-EVENT') table[payloadType] = 'telephone-event';
    const audio = audioOf(format);
    if (!audio) continue;
    const before = former[payloadType];
    table[payloadType] = typeof before === 'object' && before.key === audio.key ? before : audio;
  }
  return table;
}

/** Samples of a packet at the rate of a leg, as near as its length tells; of codecs whose frames have no fixed length, 20 ms. */
export function samplesOf(
  { name, table, channels, sampleRate, ffmpeg }: AudioFormat,
  bytes: number,
  rate: number,
): number {
  const factor = rate / sampleRate;
  if (table) return bytes * factor;
  if (name === 'G722') return 2 * bytes * factor;
  if (name === 'L16') return Math.floor(bytes / (2 * channels)) * factor;
  if (ffmpeg?.decoder === 'g729') return Math.floor(bytes / 10) * 80 * factor;
  return rate / 50;
}

function audioOf(format: MediaFormat): AudioFormat | undefined {
  const codec = codecOf(format, ALL);
  if (!codec) return undefined;
  const { clockRate, channels } = format;
  const { name } = codec;
  const key = [name, clockRate, channels, format.parameters].join('/');
  const audio = { key, name, clockRate, channels, sampleRate: sampleRateOf(codec, format) };
  if (name === 'PCMU') return { ...audio, table: decodePcmu };
  if (name === 'PCMA') return { ...audio, table: decodePcma };
  if (!codec.ffmpeg) return audio;
  const aligned = parameter(format.parameters ?? '', 'octet-align') === '1';
  const frames = codec.ffmpeg === 'g729' ? G729_FRAMES : new AmrFrames(codec.ffmpeg === 'amrwb', aligned);
  return { ...audio, ffmpeg: { decoder: codec.ffmpeg, frames } };
}
