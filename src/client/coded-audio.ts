import { encodeG711 } from '../audio/g711.js';
import { CALL_CODECS, type CallCodec, type CallCodecName } from './call-codec.js';
import { encodeByFfmpeg } from './ffmpeg-encoding.js';
import { readOggPackets } from './ogg-packets.js';

/** One leg's audio as RTP payloads in order. */
export interface CodedAudio {
  readonly codec: CallCodec;
  readonly payloads: readonly CodedPayload[];
}

export interface CodedPayload {
  readonly bytes: Uint8Array;
  /** Units of the codec's RTP clock. */
  readonly units: number;
}

/** Encodes mono samples of the codec's own rate. Throws `SRS_ENCODING`. */
export async function codeAudio(name: CallCodecName, samples: Int16Array, packetTimeMs: number): Promise<CodedAudio> {
  const codec = CALL_CODECS[name];
  switch (name) {
    case 'PCMU':
    case 'PCMA':
      return codeG711(name, samples, packetTimeMs);
    case 'L16':
      return { codec, payloads: cut(bigEndian(samples), packetTimeMs, codec.clockRate, 2) };
    case 'G722': {
      const bytes = await encodeByFfmpeg(samples, codec.sampleRate, ['-c:a', 'g722', '-f', 'g722']);
      return { codec, payloads: cut(bytes, packetTimeMs, codec.clockRate, 1) };
    }
    case 'OPUS': {
      const speech = [
        '-c:a',
        'libopus',
        '-application',
        'voip',
        '-b:a',
        '24k',
        '-frame_duration',
        String(packetTimeMs),
      ];
      const packets = readOggPackets(await encodeByFfmpeg(samples, codec.sampleRate, [...speech, '-f', 'ogg']));
      // The first two are the headers `OpusHead` and `OpusTags` (RFC 7845 §3); each of the others fills a payload (RFC 7587 §4.2).
      const units = (packetTimeMs * codec.clockRate) / 1000;
      return { codec, payloads: packets.slice(2).map((bytes) => ({ bytes, units })) };
    }
  }
}

/** @param samples mono, 8 kHz. The last payload may be short. */
export function codeG711(name: 'PCMU' | 'PCMA', samples: Int16Array, packetTimeMs: number): CodedAudio {
  const codec = CALL_CODECS[name];
  return { codec, payloads: cut(encodeG711(name, samples), packetTimeMs, codec.clockRate, 1) };
}

function cut(bytes: Uint8Array, packetTimeMs: number, clockRate: number, bytesPerUnit: number): CodedPayload[] {
  const size = Math.round((packetTimeMs * clockRate) / 1000) * bytesPerUnit;
  const payloads: CodedPayload[] = [];
  for (let at = 0; at < bytes.length; at += size) {
    const payload = bytes.subarray(at, at + size);
    payloads.push({ bytes: payload, units: payload.length / bytesPerUnit });
  }
  return payloads;
}

/** L16 is in network byte order (RFC 3551 §4.5.11). */
function bigEndian(samples: Int16Array): Uint8Array {
  const view = new DataView(new ArrayBuffer(samples.length * 2));
  for (const [at, sample] of samples.entries()) view.setInt16(at * 2, sample);
  return new Uint8Array(view.buffer);
}
