import type { LevelMeter } from '../audio/level-meter.js';
import type { LegStatistics } from '../core/leg-statistics.js';
import { timestampDistance } from './sequence.js';

/** 0.2 s: a step of this length to the next sequence number is silence suppression. No packet is lost in it, and none is so long. */
const SUPPRESSED_SECONDS = 0.2;

/** Whether one leg hears what it should. Pure: fed by its leg with every packet it can use, and by the call's clock about once a second. */
export class LegWatch {
  /** Packets of audio and of comfort noise so far. */
  packets = 0;
  /** See `LegStatistics.silenceSuppressed`. */
  suppressed = false;
  #receivedMs = 0;
  #sequence = -1;
  #timestamp = 0;
  #expected = false;
  #expectedAt = 0;
  #expectedBefore = 0;
  #expectedFrom = -1;
  #packetsSeen = 0;
  #heardAt = -1;
  #windowAt = -1;
  #windowPackets = 0;
  #windowLost = 0;

  get expected(): boolean {
    return this.#expected;
  }

  /** Start of the first time in which it was expected, in ms of the call clock; -1 before it. */
  get expectedFromMs(): number {
    return this.#expectedFrom;
  }

  get receivedMs(): number {
    return this.#receivedMs;
  }

  /** How long it has been expected, all times together. */
  expectedMs(wallMs: number): number {
    return this.#expectedBefore + (this.#expected ? Math.max(0, wallMs - this.#expectedAt) : 0);
  }

  /** Since when it should hear and does not: its last packet, or the begin of its present time. */
  get quietSinceMs(): number {
    return Math.max(this.#heardAt, this.#expectedAt);
  }

  /** Whether audio is to come: the leg is neither held nor paused nor closed. */
  expect(expected: boolean, wallMs: number): void {
    if (expected === this.#expected) return;
    if (expected && this.#expectedFrom < 0) this.#expectedFrom = wallMs;
    if (expected) this.#expectedAt = wallMs;
    else this.#expectedBefore = this.expectedMs(wallMs);
    this.#expected = expected;
    // What a hold leaves out is no silence suppression, and what is lost in it is no loss.
    this.#sequence = -1;
    this.#windowAt = -1;
  }

  /** A packet of audio, so long, whose timestamp counts `clockRate`. */
  packet(sequence: number, timestamp: number, lengthMs: number, clockRate: number): void {
    this.packets++;
    this.#receivedMs += lengthMs;
    if (
      ((sequence - this.#sequence) & 0xffff) === 1 &&
      timestampDistance(this.#timestamp, timestamp) > SUPPRESSED_SECONDS * clockRate &&
      this.#sequence >= 0
    ) {
      this.suppressed = true;
    }
    this.#sequence = sequence;
    this.#timestamp = timestamp;
  }

  /** A packet of comfort noise (RFC 3389): the sender lives, and says nothing. */
  comfort(): void {
    this.packets++;
    this.suppressed = true;
  }

  /** To be called about once a second, after the sockets were drained. */
  look(wallMs: number): void {
    if (this.packets === this.#packetsSeen) return;
    this.#packetsSeen = this.packets;
    this.#heardAt = wallMs;
  }

  /**
   * The share of packets that were lost since the last time, when so long has gone by and as many packets as tell something;
   * undefined meanwhile.
   *
   * @param lost of the leg so far
   */
  lossOver(
    windowMs: number,
    minPackets: number,
    wallMs: number,
    lost: number,
  ): { share: number; fromMs: number } | undefined {
    if (!this.#expected) return undefined;
    const fromMs = this.#windowAt;
    if (fromMs >= 0 && wallMs - fromMs < windowMs) return undefined;
    const gone = Math.max(0, lost - this.#windowLost);
    const all = this.packets - this.#windowPackets + gone;
    this.#windowAt = wallMs;
    this.#windowPackets = this.packets;
    this.#windowLost = lost;
    return fromMs < 0 || all < minPackets ? undefined : { share: gone / all, fromMs };
  }
}

/**
 * What the record keeps of both.
 *
 * @param endMs of the recording, which the clock may have left behind
 */
export function watchedFigures(watch: LegWatch, meter: LevelMeter, endMs: number): Partial<LegStatistics> {
  const { levelDbfs, peakDbfs, firstAudibleMs } = meter;
  const audibleMs = Math.min(meter.audibleMs, endMs);
  const expectedMs = Math.max(0, Math.min(watch.expectedMs(endMs), endMs - watch.expectedFromMs));
  return {
    ...(watch.expectedFromMs < 0 ? {} : { expectedFromMs: round(watch.expectedFromMs) }),
    expectedMs: watch.expectedFromMs < 0 ? 0 : round(expectedMs),
    receivedMs: round(watch.receivedMs),
    ...(watch.suppressed ? { silenceSuppressed: true } : {}),
    ...(firstAudibleMs < 0 ? {} : { firstAudioMs: firstAudibleMs }),
    audibleMs,
    ...(endMs > 0 ? { silenceRatio: round(1 - audibleMs / endMs, 1000) } : {}),
    ...(levelDbfs === undefined ? {} : { levelDbfs: round(levelDbfs, 10) }),
    ...(peakDbfs === undefined ? {} : { peakDbfs: round(peakDbfs, 10) }),
  };
}

function round(value: number, parts = 1): number {
  return Math.round(value * parts) / parts;
}
