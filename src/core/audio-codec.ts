import type { MediaFormat } from './model.js';

/** Programs' names of decoders that an installed ffmpeg may have. */
export type FfmpegDecoderName = 'g729' | 'amrnb' | 'amrwb';

/** A codec of speech that can be recorded. */
export interface AudioCodec {
  /** As in `a=rtpmap`, in upper case. */
  readonly name: string;
  /** What its timestamps may count, in Hz (RFC 3551 §4.1): not always the rate of its samples. */
  readonly clockRates: readonly number[];
  readonly maxChannels: number;
  /** Hz, of what is recorded; the clock rate when not given. */
  readonly sampleRate?: number;
  /** The decoder of ffmpeg that it needs; without one it is built in. */
  readonly ffmpeg?: FfmpegDecoderName;
  /** Whether its `a=fmtp` asks for something that cannot be decoded. */
  readonly refuses?: (parameters: string) => boolean;
  /** What is answered as `a=fmtp`; what was offered when not given. */
  readonly answers?: string;
}

/** Protections and orders of frames that RFC 4867 allows and nobody is known to use in a recording: they would be decoded to noise. */
const refusesAmr = (parameters: string): boolean =>
  ['crc', 'robust-sorting'].some((name) => parameter(parameters, name) === '1') ||
  parameter(parameters, 'interleaving') !== undefined;

/** Every codec that is taken, when what it needs is there. */
export const AUDIO_CODECS: readonly AudioCodec[] = [
  { name: 'PCMU', clockRates: [8000], maxChannels: 1 },
  { name: 'PCMA', clockRates: [8000], maxChannels: 1 },
  // Its clock is 8000 by an error of RFC 1890 that RFC 3551 §4.5.2 keeps.
  { name: 'G722', clockRates: [8000], maxChannels: 1, sampleRate: 16_000 },
  { name: 'L16', clockRates: [8000, 16_000], maxChannels: 2 },
  {
    // Always `opus/48000/2` (RFC 7587 §7). What we would like to receive: mono in the band that is recorded, and no FEC, which is not used.
    name: 'OPUS',
    clockRates: [48_000],
    maxChannels: 2,
    sampleRate: 16_000,
    answers: 'maxplaybackrate=16000; stereo=0; useinbandfec=0',
  },
  // Annex A is the same bits (RFC 4856 §2.1.4); Cisco and old gateways write it with its letter.
  { name: 'G729', clockRates: [8000], maxChannels: 1, ffmpeg: 'g729' },
  { name: 'G729A', clockRates: [8000], maxChannels: 1, ffmpeg: 'g729' },
  { name: 'AMR', clockRates: [8000], maxChannels: 1, ffmpeg: 'amrnb', refuses: refusesAmr },
  { name: 'AMR-WB', clockRates: [16_000], maxChannels: 1, ffmpeg: 'amrwb', refuses: refusesAmr },
];

/** Decoders of ffmpeg that are there; none when it is not installed. */
export type FfmpegDecoders = ReadonlySet<FfmpegDecoderName>;

export const NO_FFMPEG: FfmpegDecoders = new Set();

/** The codec of a format, when it can be recorded. */
export function codecOf(format: MediaFormat, ffmpeg: FfmpegDecoders): AudioCodec | undefined {
  const { encoding, clockRate, channels, parameters = '' } = format;
  const codec = AUDIO_CODECS.find(({ name }) => name === encoding.toUpperCase());
  if (!codec?.clockRates.includes(clockRate) || channels > codec.maxChannels) return undefined;
  if (codec.refuses?.(parameters) || (codec.ffmpeg && !ffmpeg.has(codec.ffmpeg))) return undefined;
  return codec;
}

/** Names of the codecs that are taken, for people. */
export function codecNames(ffmpeg: FfmpegDecoders): readonly string[] {
  return AUDIO_CODECS.filter((codec) => !codec.ffmpeg || ffmpeg.has(codec.ffmpeg)).map(({ name }) => name);
}

/** Hz, of what is recorded of a format. */
export function sampleRateOf(codec: AudioCodec, format: MediaFormat): number {
  return codec.sampleRate ?? format.clockRate;
}

/** What is answered as `a=fmtp`: what was offered, as RFC 4867 §8.3 and RFC 3555 ask, unless it says what its receiver would like. */
export function answeredParameters({ encoding, parameters }: MediaFormat): string | undefined {
  return AUDIO_CODECS.find(({ name }) => name === encoding)?.answers ?? parameters;
}

/** One value of an `a=fmtp` line, such as `octet-align=1; mode-set=0,2`. Names are compared without regard to case (RFC 4855 §3). */
export function parameter(parameters: string, name: string): string | undefined {
  for (const part of parameters.split(';')) {
    const [key = '', value = ''] = part.split('=', 2);
    if (key.trim().toLowerCase() === name) return value.trim();
  }
  return undefined;
}
