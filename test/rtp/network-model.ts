import { decodeG711, type G711Law } from '../../src/audio/g711.js';
import { noise, rtpPacket } from './rtp-sender.js';

/** Everything is in ms of true time or in samples of 8 kHz. */
export const PER_MS = 8;

/** How a stretch of a stream with a clock of its own came to begin. */
export type EpochKind = 'first' | 'new_ssrc' | 'jump' | 'frozen' | 'after_hold';

export interface Epoch {
  readonly kind: EpochKind;
}

/** A packet as it was sent, and what becomes of it on the way. */
export interface SentPacket {
  readonly epoch: Epoch;
  /** Samples since the beginning of its epoch: what its timestamp means. */
  readonly media: number;
  readonly samples: Int16Array;
  readonly wire: Uint8Array;
  /** True ms at which its last sample had been spoken. */
  readonly spokenMs: number;
  readonly lost: boolean;
}

export interface Arrival {
  readonly at: number;
  readonly leg: number;
  readonly packet: SentPacket;
}

export type ActKind = 'hold' | 'resume' | 'pause' | 'unpause';

export interface Act {
  readonly at: number;
  readonly leg: number;
  readonly kind: ActKind;
}

/** A seeded source of numbers. */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = (Math.imul(seed, 2_654_435_761) ^ 0x9e37_79b9) >>> 0;
    for (let i = 0; i < 4; i++) this.below(2);
  }

  /** A whole number from 0 to `n - 1`. */
  below(n: number): number {
    this.#state = (Math.imul(this.#state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((this.#state / 2 ** 32) * n);
  }

  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  chance(percent: number): boolean {
    return this.below(1000) < percent * 10;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }
}

export interface NetworkOptions {
  readonly lossPercent: number;
  readonly duplicatePercent: number;
  readonly reorderPercent: number;
  readonly jitterMs: number;
  readonly skewPpm: number;
}

/**
 * A sender of one leg and the network behind it: what is sent, when it arrives, and what it meant. It knows nothing of how a recorder
 * places it. Impairments that would make two readings of the same packets right keep a distance from each other.
 */
export class LegModel {
  readonly packets: SentPacket[] = [];
  readonly arrivals: Arrival[] = [];
  readonly acts: Act[] = [];
  readonly leg: number;
  /** True ms. */
  now: number;
  readonly #dice: Dice;
  readonly #network: NetworkOptions;
  #epoch: Epoch = { kind: 'first' };
  #media = 0;
  #sequence: number;
  #timestamp: number;
  #ssrc: number;
  #law: G711Law = 'PCMU';
  #ptime = 20;
  #lastArrival = 0;
  #seed: number;

  constructor(leg: number, seed: number, startMs: number, network: NetworkOptions) {
    this.leg = leg;
    this.now = startMs;
    this.#dice = new Dice(seed * 16 + leg);
    this.#network = network;
    this.#seed = seed * 1000 + leg;
    // Half of all streams wrap their numbers and timestamps soon.
    const wrap = this.#dice.chance(50);
    this.#sequence = wrap ? 65_536 - this.#dice.below(100) : this.#dice.below(60_000);
    this.#timestamp = wrap ? 2 ** 32 - this.#dice.below(40_000) : this.#dice.below(2 ** 31);
    this.#ssrc = this.#dice.below(2 ** 32);
  }

  set ptime(ms: number) {
    this.#ptime = ms;
  }

  set law(law: G711Law) {
    this.#law = law;
  }

  /** Speech that gets through unharmed: jitter, but no loss, and in order. */
  clean(ms: number): void {
    this.#talk(ms, false);
  }

  /** Speech over a network that loses, doubles and reorders. */
  talk(ms: number): void {
    this.#talk(ms, true);
  }

  /** A run of packets that all get lost. */
  outage(ms: number): void {
    for (const end = this.now + ms; this.now < end; ) this.#send(true, 0);
  }

  /** The network holds packets back and lets them go all at once. */
  burst(ms: number): void {
    const first = this.arrivals.length;
    for (const end = this.now + ms; this.now < end; ) this.#send(false, 0);
    for (let i = first; i < this.arrivals.length; i++) {
      this.arrivals[i] = { ...(this.arrivals[i] as Arrival), at: this.now };
    }
    this.#lastArrival = this.now;
  }

  /** Nobody speaks and nothing is sent, while the clock of the stream goes on. */
  suppress(ms: number): void {
    const samples = Math.round(ms * PER_MS);
    this.#media += samples;
    this.#timestamp += samples;
    this.now += samples / PER_MS / this.#pace;
  }

  /** The sender stands still, clock and all. */
  freeze(ms: number): void {
    this.now += ms;
    this.#begin('frozen');
  }

  newSource(ms: number): void {
    this.now += ms;
    this.#ssrc = this.#dice.below(2 ** 32);
    this.#sequence = this.#dice.below(65_536);
    this.#timestamp = this.#dice.below(2 ** 32);
    this.#begin('new_ssrc');
  }

  /** The same source begins its timestamps anew, far from where they were. */
  jump(): void {
    this.#timestamp += this.#dice.pick([1, -1]) * this.#dice.between(20 * 8000, 2 ** 30);
    this.#begin('jump');
  }

  /** The SRC holds the leg; meanwhile it may go on sending. */
  hold(ms: number): void {
    this.acts.push({ at: this.now + 1, leg: this.leg, kind: 'hold' });
    if (this.#dice.chance(50)) this.#talk(ms, false);
    else this.now += ms;
    // What was sent on hold has arrived by its end.
    this.suppress(150);
    this.acts.push({ at: this.now + 1, leg: this.leg, kind: 'resume' });
    this.#begin('after_hold');
  }

  /** We are told to pause the leg; the sender knows nothing of it. */
  pause(ms: number): void {
    this.acts.push({ at: this.now + 1, leg: this.leg, kind: 'pause' });
    this.#talk(ms, false);
    this.acts.push({ at: this.now + 1, leg: this.leg, kind: 'unpause' });
  }

  get #pace(): number {
    return 1 + this.#network.skewPpm / 1e6;
  }

  #begin(kind: EpochKind): void {
    this.#epoch = { kind };
    this.#media = 0;
  }

  #talk(ms: number, harmed: boolean): void {
    const { lossPercent, duplicatePercent, reorderPercent } = this.#network;
    const dice = this.#dice;
    for (const end = this.now + ms; this.now < end; ) {
      const lost = harmed && dice.chance(lossPercent);
      const late =
        harmed && !lost && dice.chance(reorderPercent) ? this.#ptime * dice.between(1, 6) + dice.below(9) : 0;
      this.#send(lost, late);
      const packet = this.packets.at(-1);
      if (!lost && packet && harmed && dice.chance(duplicatePercent)) {
        this.arrivals.push({ at: (this.arrivals.at(-1) as Arrival).at + dice.below(400), leg: this.leg, packet });
      }
    }
  }

  #send(lost: boolean, lateMs: number): void {
    const length = this.#ptime * PER_MS;
    const payload = noise(length, this.#seed++ * 7919 + 1);
    const wire = rtpPacket(
      {
        sequence: this.#sequence,
        timestamp: this.#timestamp,
        ssrc: this.#ssrc,
        payloadType: this.#law === 'PCMU' ? 0 : 8,
      },
      payload,
    );
    this.now += this.#ptime / this.#pace;
    const packet: SentPacket = {
      epoch: this.#epoch,
      media: this.#media,
      samples: decodeG711(this.#law, payload),
      wire,
      spokenMs: this.now,
      lost,
    };
    this.packets.push(packet);
    this.#sequence++;
    this.#timestamp += length;
    this.#media += length;
    if (lost) return;
    // Jitter never reorders; what is late is late on purpose.
    const at = Math.max(this.now + this.#dice.below(this.#network.jitterMs + 1), this.#lastArrival);
    if (lateMs === 0) this.#lastArrival = at;
    this.arrivals.push({ at: at + lateMs, leg: this.leg, packet });
  }
}
