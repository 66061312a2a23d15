import { createHash } from 'node:crypto';
import type { CodedAudio } from './coded-audio.js';

const HEADER_BYTES = 12;

export interface RtpStreamOptions {
  readonly ssrc: number;
  /** First sequence number and timestamp; random in life (RFC 3550 §5.1), chosen in tests. */
  readonly sequence: number;
  readonly timestamp: number;
}

/** One leg's audio as RTP packets in order. Pure: the caller sends them and owns the clock. */
export class RtpStream {
  readonly #audio: CodedAudio;
  #ssrc: number;
  #sequence: number;
  #timestamp: number;
  #marker = true;
  #packets = 0;
  #bytes = 0;
  #lastTimestamp = 0;
  /** Sent by sources before the present one. */
  #packetsBefore = 0;
  #bytesBefore = 0;

  constructor(audio: CodedAudio, options: RtpStreamOptions) {
    this.#audio = audio;
    this.#ssrc = options.ssrc >>> 0;
    this.#sequence = options.sequence & 0xffff;
    this.#timestamp = options.timestamp >>> 0;
  }

  get packets(): number {
    return this.#packets;
  }

  get ssrc(): number {
    return this.#ssrc;
  }

  /** Packets of the present source. */
  get sourcePackets(): number {
    return this.#packets - this.#packetsBefore;
  }

  /** Payload bytes of the present source. */
  get sourceBytes(): number {
    return this.#bytes - this.#bytesBefore;
  }

  /** Of the last packet. */
  get lastTimestamp(): number {
    return this.#lastTimestamp;
  }

  /** Of all payloads, in hex. A recording of G.711 is bit-exact when its samples encode to the same. */
  get sha256(): string {
    const hash = createHash('sha256');
    for (const { bytes } of this.#audio.payloads) hash.update(bytes);
    return hash.digest('hex');
  }

  /** Of the RTP clock. */
  get samples(): number {
    return this.#audio.payloads.reduce((sum, { units }) => sum + units, 0);
  }

  /** The next packet, or undefined at the end of the audio. The last one may be short. */
  next(): Buffer | undefined {
    const payload = this.#audio.payloads[this.#packets];
    if (payload === undefined) return undefined;
    const packet = Buffer.alloc(HEADER_BYTES + payload.bytes.length);
    packet.writeUInt8(0x80, 0);
    // The marker tells the first packet of a talkspurt (RFC 3551 §4.1).
    packet.writeUInt8((this.#marker ? 0x80 : 0) | this.#audio.codec.payloadType, 1);
    packet.writeUInt16BE(this.#sequence, 2);
    packet.writeUInt32BE(this.#timestamp, 4);
    packet.writeUInt32BE(this.#ssrc, 8);
    packet.set(payload.bytes, HEADER_BYTES);
    this.#marker = false;
    this.#lastTimestamp = this.#timestamp;
    this.#bytes += payload.bytes.length;
    this.#sequence = (this.#sequence + 1) & 0xffff;
    this.#timestamp = (this.#timestamp + payload.units) >>> 0;
    this.#packets += 1;
    return packet;
  }

  /** Goes on as another source: everything that an SRS may know the stream by is new (RFC 3550 §8). */
  renew(source: { readonly ssrc: number; readonly sequence: number; readonly timestamp: number }): void {
    this.#packetsBefore = this.#packets;
    this.#bytesBefore = this.#bytes;
    this.#ssrc = source.ssrc >>> 0;
    this.#sequence = source.sequence & 0xffff;
    this.#timestamp = source.timestamp >>> 0;
    this.#marker = true;
  }

  /** Time in which nothing is sent: the timestamp goes on, the sequence number does not. */
  skip(ms: number): void {
    this.#timestamp = (this.#timestamp + Math.round((ms * this.#audio.codec.clockRate) / 1000)) >>> 0;
    this.#marker = true;
  }
}
