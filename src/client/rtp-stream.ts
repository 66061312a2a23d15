import { createHash } from 'node:crypto';
import { encodeG711, type G711Law } from '../audio/g711.js';

const HEADER_BYTES = 12;
const SAMPLE_RATE = 8000;

export interface RtpStreamOptions {
  readonly codec: G711Law;
  readonly packetTimeMs: number;
  readonly ssrc: number;
  /** First sequence number and timestamp; random in life (RFC 3550 §5.1), chosen in tests. */
  readonly sequence: number;
  readonly timestamp: number;
}

/** One leg's audio as RTP packets in order. Pure: the caller sends them and owns the clock. */
export class RtpStream {
  readonly #payload: Uint8Array;
  readonly #samplesPerPacket: number;
  readonly #payloadType: number;
  #ssrc: number;
  #sequence: number;
  #timestamp: number;
  #position = 0;
  #marker = true;
  #packets = 0;
  #lastTimestamp = 0;
  /** Sent by sources before the present one. */
  #packetsBefore = 0;
  #bytesBefore = 0;

  /** @param samples mono, 8 kHz */
  constructor(samples: Int16Array, options: RtpStreamOptions) {
    this.#payload = encodeG711(options.codec, samples);
    this.#samplesPerPacket = Math.round((options.packetTimeMs * SAMPLE_RATE) / 1000);
    this.#payloadType = options.codec === 'PCMU' ? 0 : 8;
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
    return this.#position - this.#bytesBefore;
  }

  /** Of the last packet. */
  get lastTimestamp(): number {
    return this.#lastTimestamp;
  }

  /** Of the whole G.711 payload, in hex. A recording is bit-exact when its samples encode to the same. */
  get sha256(): string {
    return createHash('sha256').update(this.#payload).digest('hex');
  }

  get samples(): number {
    return this.#payload.length;
  }

  /** The next packet, or undefined at the end of the audio. The last one may be short. */
  next(): Buffer | undefined {
    if (this.#position >= this.#payload.length) return undefined;
    const payload = this.#payload.subarray(this.#position, this.#position + this.#samplesPerPacket);
    const packet = Buffer.alloc(HEADER_BYTES + payload.length);
    packet.writeUInt8(0x80, 0);
    // The marker tells the first packet of a talkspurt (RFC 3551 §4.1).
    packet.writeUInt8((this.#marker ? 0x80 : 0) | this.#payloadType, 1);
    packet.writeUInt16BE(this.#sequence, 2);
    packet.writeUInt32BE(this.#timestamp, 4);
    packet.writeUInt32BE(this.#ssrc, 8);
    packet.set(payload, HEADER_BYTES);
    this.#marker = false;
    this.#lastTimestamp = this.#timestamp;
    this.#position += payload.length;
    this.#sequence = (this.#sequence + 1) & 0xffff;
    this.#timestamp = (this.#timestamp + payload.length) >>> 0;
    this.#packets += 1;
    return packet;
  }

  /** Goes on as another source: everything that an SRS may know the stream by is new (RFC 3550 §8). */
  renew(source: { readonly ssrc: number; readonly sequence: number; readonly timestamp: number }): void {
    this.#packetsBefore = this.#packets;
    this.#bytesBefore = this.#position;
    this.#ssrc = source.ssrc >>> 0;
    this.#sequence = source.sequence & 0xffff;
    this.#timestamp = source.timestamp >>> 0;
    this.#marker = true;
  }

  /** Time in which nothing is sent: the timestamp goes on, the sequence number does not. */
  skip(ms: number): void {
    this.#timestamp = (this.#timestamp + Math.round((ms * SAMPLE_RATE) / 1000)) >>> 0;
    this.#marker = true;
  }
}
