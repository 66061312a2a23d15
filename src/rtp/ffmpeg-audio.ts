import type { CodedFrame } from '../audio/coded-frames.js';
import { RateDoubler } from '../audio/rate-doubler.js';
import type { Decoders } from './decoders.js';
import type { FfmpegRun } from './ffmpeg-run.js';
import type { DecodedLeg } from './leg-decoding.js';
import { Payload, PayloadPlace } from './payload.js';
import type { AudioFormat } from './payload-table.js';
import type { OrderedPacket } from './reorder-queue.js';

/** A child that dies is not replaced sooner than this after its start: one that cannot live must not take the machine with it. */
const RESTART_MS = 1000;

const payload = new Payload();

/**
 * The audio of a leg that an ffmpeg decodes. A frame's place is taken when its packet comes, with silence; its samples are put there when
 * the child gives them, a tick later as a rule. A child that hangs or dies leaves the silence, and nothing else.
 */
export class FfmpegAudio {
  readonly #leg: DecodedLeg;
  readonly #decoders: Decoders;
  readonly #doubler = new RateDoubler();
  #silence = new Int16Array(0);
  #format: AudioFormat | undefined;
  #run: FfmpegRun | undefined;
  /** The child of the source before, which still owes its last frames. */
  #former: FfmpegRun | undefined;
  #renew = false;
  #startedAt = Number.NEGATIVE_INFINITY;
  #nowMs = 0;
  /** Frames that were to be decoded and have no samples. */
  undecoded = 0;

  constructor(leg: DecodedLeg, decoders: Decoders) {
    this.#leg = leg;
    this.#decoders = decoders;
  }

  take(packet: OrderedPacket<AudioFormat>): void {
    const { format, bytes, offset, length } = packet;
    const { timeline } = this.#leg;
    const codec = format.ffmpeg?.frames;
    const frames = codec?.frames(bytes.subarray(offset, offset + length));
    if (!codec || !frames) {
      this.#leg.drop('malformed');
      return;
    }
    if (frames.length === 0) {
      // Comfort noise announces silence, as a packet of its own does (RFC 3389).
      timeline.gaps.enter('silence_suppressed', timeline.present);
      return;
    }
    if (!this.#leg.raise(format.sampleRate)) {
      this.#leg.drop('unknown_payload');
      return;
    }
    if (!this.#ready(format)) {
      this.undecoded += frames.length;
      timeline.gaps.mark('unusable', timeline.present, timeline.present);
      return;
    }
    this.#feed(packet, codec.samplesPerFrame, frames);
  }

  tick(nowMs: number): void {
    this.#nowMs = nowMs;
    this.#former?.tick(nowMs);
    this.#run?.tick(nowMs);
    const { timeline } = this.#leg;
    const owed = this.#former?.owedFrom ?? this.#run?.owedFrom;
    timeline.owedFrom = owed?.known ? owed.at(timeline.rate) : Number.POSITIVE_INFINITY;
  }

  /** What comes next is of another source. */
  renew(): void {
    this.#renew = true;
  }

  /** Nothing more comes: children end when they have given what they owe. */
  retire(): void {
    this.#former?.retire();
    this.#run?.retire();
  }

  /** Idempotent. */
  close(): void {
    this.#former?.close();
    this.#run?.close();
  }

  /** Whether there is a child that takes frames of this format. */
  #ready(format: AudioFormat): boolean {
    const other = format !== this.#format;
    if (this.#run && (other || this.#renew) && !this.#former) {
      this.#former = this.#run;
      this.#former.retire();
      this.#run = undefined;
    }
    // While two children are there, a third source goes on with the second one: its first frames may sound wrong for a moment.
    if (this.#run) return !other;
    if (this.#nowMs - this.#startedAt < RESTART_MS) return false;
    this.#startedAt = this.#nowMs;
    this.#format = format;
    this.#renew = false;
    const run: FfmpegRun | undefined = this.#decoders.run(format, {
      decoded: (samples, place, follows) => this.#fill(samples, place, follows),
      ended: (undecoded) => {
        this.#lose(undecoded);
        if (this.#run === run) this.#run = undefined;
        if (this.#former === run) this.#former = undefined;
      },
    });
    this.#run = run;
    return run !== undefined;
  }

  #feed(packet: OrderedPacket<AudioFormat>, samplesPerFrame: number, frames: readonly CodedFrame[]): void {
    const { format, sequence, timestamp, follows, missing } = packet;
    const { timeline } = this.#leg;
    const { sampleRate, clockRate } = format;
    const length = samplesPerFrame * (timeline.rate / sampleRate);
    if (this.#silence.length < length) this.#silence = new Int16Array(length);
    const fed = [];
    for (const [i, { at, bytes }] of frames.entries()) {
      const place = new PayloadPlace();
      payload.decoded(this.#silence, 0, length, clockRate).place = place;
      const due = (timestamp + (at * clockRate) / sampleRate) >>> 0;
      if (!this.#leg.hear(sequence, due, payload, i === 0 ? missing : 0)) continue;
      const last = frames[i - 1];
      const joined = i === 0 ? follows : last !== undefined && at - last.at === samplesPerFrame;
      fed.push({ bytes, place, follows: joined });
    }
    if (fed.length > 0) this.#run?.feed(fed);
  }

  /** What is in the file for these frames is the silence that kept their places. */
  #lose(places: readonly PayloadPlace[]): void {
    this.undecoded += places.length;
    const { gaps, rate } = this.#leg.timeline;
    for (const place of places) {
      const from = place.known ? Math.round(place.at(rate)) : 0;
      if (place.known) gaps.note(from, from + place.lengthAt(rate), 'unusable');
    }
  }

  #fill(samples: Int16Array, place: PayloadPlace, follows: boolean): void {
    const { timeline } = this.#leg;
    const position = place.at(timeline.rate);
    if (samples.length === place.lengthAt(timeline.rate)) {
      timeline.mend(position, payload.decoded(samples, 0, samples.length, timeline.rate));
      return;
    }
    if (!follows) this.#doubler.reset();
    const { samples: doubled, lead } = this.#doubler.push(samples);
    timeline.mend(position - 2 * lead, payload.decoded(doubled, 0, doubled.length, timeline.rate));
  }
}
