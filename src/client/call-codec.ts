/** What the test SRC can send, by the name that call records give it. */
export type CallCodecName = 'PCMU' | 'PCMA' | 'G722' | 'OPUS' | 'L16';

/** How a codec is offered and cut into packets. */
export interface CallCodec {
  readonly name: CallCodecName;
  readonly payloadType: number;
  /** What follows the payload type in `a=rtpmap`. */
  readonly mapping: string;
  /** What follows it in `a=fmtp`. */
  readonly parameters?: string;
  /** Hz that timestamps count. */
  readonly clockRate: number;
  /** Hz of the samples that are encoded. */
  readonly sampleRate: number;
  /** Lengths of a packet that it can have, in ms, and that one Ethernet frame holds. */
  readonly packetTimes: readonly number[];
}

const ANY = [10, 20, 30, 40, 60];

export const CALL_CODECS: Readonly<Record<CallCodecName, CallCodec>> = {
  PCMU: { name: 'PCMU', payloadType: 0, mapping: 'PCMU/8000', clockRate: 8000, sampleRate: 8000, packetTimes: ANY },
  PCMA: { name: 'PCMA', payloadType: 8, mapping: 'PCMA/8000', clockRate: 8000, sampleRate: 8000, packetTimes: ANY },
  // Its clock is 8000 by an error of RFC 1890 that RFC 3551 §4.5.2 keeps.
  G722: { name: 'G722', payloadType: 9, mapping: 'G722/8000', clockRate: 8000, sampleRate: 16_000, packetTimes: ANY },
  OPUS: {
    name: 'OPUS',
    payloadType: 111,
    // Always two channels here, whatever is sent; the sender says the rest by `sprop-` (RFC 7587 §6.1, §7).
    mapping: 'opus/48000/2',
    parameters: 'sprop-maxcapturerate=16000; sprop-stereo=0',
    clockRate: 48_000,
    sampleRate: 16_000,
    packetTimes: [10, 20, 40, 60],
  },
  L16: {
    name: 'L16',
    payloadType: 96,
    mapping: 'L16/16000',
    clockRate: 16_000,
    sampleRate: 16_000,
    packetTimes: [10, 20, 30, 40],
  },
};
