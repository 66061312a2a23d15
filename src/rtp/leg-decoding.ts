import type { PayloadDecoder } from '../audio/payload-decoder.js';
import { RateDoubler } from '../audio/rate-doubler.js';
import type { LegStatistics } from '../core/leg-statistics.js';
import type { RtpDropReason } from '../core/metrics.js';
import type { Decoders } from './decoders.js';
import { FfmpegAudio } from './ffmpeg-audio.js';
import type { LegTimeline } from './leg-timeline.js';
import { Payload, PayloadPlace } from './payload.js';
import type { AudioFormat } from './payload-table.js';
import { type OrderedPacket, ReorderQueue } from './reorder-queue.js';

/** What decoding needs of its leg. */
export interface DecodedLeg {
  readonly timeline: LegTimeline;
  /** The leg is to hold samples of this rate from now on. False when it cannot. */
  raise(sampleRate: number): boolean;
  /** Gives audio to the timeline and counts what has no place: then it is false. `missing` packets are missing before it. */
  hear(sequence: number, timestamp: number, payload: Payload, missing: number): boolean;
  drop(reason: RtpDropReason): void;
}

const NOTHING = new Uint8Array(0);
const payload = new Payload();

/**
 * The audio of a leg that does not go straight into its ring: packets of codecs that learn from what they decoded, which are put in order
 * first, and narrow-band audio on a leg that is wide-band by now. G.711 on a narrow leg never comes here.
 */
export class LegDecoding {
  readonly #leg: DecodedLeg;
  readonly #decoders: Decoders;
  /** Made when the first packet needs them, as is ffmpeg. */
  #queue: ReorderQueue<AudioFormat> | undefined;
  #doubler: RateDoubler | undefined;
  readonly #place = new PayloadPlace();
  #format: AudioFormat | undefined;
  #sequence = 0;
  #decoder: PayloadDecoder | undefined;
  /** Made when the first packet needs it. */
  #ffmpeg: FfmpegAudio | undefined;
  /** Names of codecs, in the order of their use. */
  #used: readonly string[] = [];
  #noted: AudioFormat | undefined;

  constructor(leg: DecodedLeg, decoders: Decoders) {
    this.#leg = leg;
    this.#decoders = decoders;
  }

  /** For the record of the call. */
  statistics(): Pick<LegStatistics, 'sampleRate' | 'codecs' | 'undecoded'> {
    const undecoded = this.#ffmpeg?.undecoded ?? 0;
    const { rate: sampleRate } = this.#leg.timeline;
    return { sampleRate, codecs: this.#used, ...(undecoded > 0 ? { undecoded } : {}) };
  }

  /** Audio of this format is on the leg. */
  note(format: AudioFormat): void {
    if (format === this.#noted) return;
    this.#noted = format;
    // Such a list has room for one; one that is pushed to has room for seventeen.
    if (!this.#used.includes(format.name)) this.#used = [...this.#used, format.name];
  }

  /** Whether packets of this leg come here: then all of them do, in their order. */
  get live(): boolean {
    return this.#queue !== undefined;
  }

  /** A packet that is not for a decoder has a number all the same. */
  pass(sequence: number, timestamp: number, newest: boolean): void {
    this.#queue?.push(sequence, timestamp, undefined, NOTHING, 0, 0, newest);
  }

  /** Takes a packet that is no duplicate and not empty. */
  take(
    sequence: number,
    timestamp: number,
    format: AudioFormat,
    bytes: Uint8Array,
    offset: number,
    length: number,
    newest: boolean,
  ): RtpDropReason | undefined {
    this.#queue ??= new ReorderQueue((packet) => this.#decode(packet));
    return this.#queue.push(sequence, timestamp, format, bytes, offset, length, newest) ? undefined : 'late';
  }

  /** One tick of the loop, before the timeline's. @param nowMs monotonic */
  tick(nowMs: number): void {
    this.#queue?.tick();
    this.#ffmpeg?.tick(nowMs);
  }

  /** Another source, a hold or a pause: what waits is decoded, and what comes then is decoded as by somebody who just came in. */
  restart(): void {
    this.#queue?.restart();
    this.#forget();
  }

  /** The leg hears no more: what waits is decoded, and children end when they have given what they owe. */
  retire(): void {
    this.restart();
    this.#ffmpeg?.retire();
  }

  /** Gives decoders back and ends children. Idempotent. */
  close(): void {
    this.restart();
    this.#ffmpeg?.close();
  }

  #forget(): void {
    this.#decoder?.close?.();
    this.#decoder = undefined;
    this.#format = undefined;
    this.#ffmpeg?.renew();
    this.#doubler?.reset();
    this.#place.forget();
  }

  #decode(packet: OrderedPacket<AudioFormat>): void {
    const { format, bytes, offset, length, timestamp, missing, follows } = packet;
    this.#sequence = packet.sequence;
    if (format !== this.#format) this.#change(format);
    if (format.ffmpeg !== undefined) {
      this.#ffmpeg ??= new FfmpegAudio(this.#leg, this.#decoders);
      this.#ffmpeg.take(packet);
      return;
    }
    const decoder = this.#decoder;
    const samples = decoder?.decode(bytes, offset, length);
    if (!decoder || !samples || samples.length === 0) {
      this.#leg.drop('malformed');
      return;
    }
    if (!this.#leg.raise(decoder.sampleRate)) {
      this.#leg.drop('unknown_payload');
      return;
    }
    if (!follows) this.#doubler?.reset();
    this.#put(timestamp, samples, decoder.sampleRate, format.clockRate, missing);
  }

  #change(format: AudioFormat): void {
    this.#forget();
    this.#format = format;
    this.note(format);
    if (format.ffmpeg === undefined) this.#decoder = this.#decoders.decoder(format);
  }

  #put(timestamp: number, samples: Int16Array, rate: number, clockRate: number, missing: number): void {
    const { timeline } = this.#leg;
    const place = this.#place;
    if (rate === timeline.rate) {
      this.#hear(timestamp, samples, 0, clockRate, missing);
      return;
    }
    this.#doubler ??= new RateDoubler();
    const { samples: doubled, lead } = this.#doubler.push(samples);
    const mended = 2 * lead;
    const before = place.known ? place.at(timeline.rate) + place.lengthAt(timeline.rate) : -1;
    if (lead > 0 && before >= 0) {
      // The end of the packet before is made anew where it lies, and this one follows it as any packet does.
      timeline.mend(before - mended, payload.decoded(doubled, 0, mended, clockRate));
      this.#hear(timestamp, doubled, mended, clockRate, missing);
    } else {
      // Both wait for their place: then one packet says both.
      const earlier = Math.round((lead * clockRate) / rate);
      this.#hear((timestamp - earlier) >>> 0, doubled, 0, clockRate, missing);
    }
  }

  #hear(timestamp: number, samples: Int16Array, from: number, clockRate: number, missing: number): void {
    this.#place.forget();
    payload.decoded(samples, from, samples.length - from, clockRate).place = this.#place;
    this.#leg.hear(this.#sequence, timestamp, payload, missing);
  }
}
