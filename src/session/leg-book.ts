import type { LegDescription, OfferedStream, Speaker } from '../core/model.js';

/** A recorded m-line. A slot that went through port 0 and came back is a new leg (RFC 3264 §8.1). */
export interface Leg {
  readonly leg: number;
  readonly index: number;
  readonly port: number;
  label: string;
  speaker: Speaker;
  active: boolean;
  open: boolean;
}

/** Which m-line is which leg, and who speaks on it. Pure bookkeeping. */
export class LegBook {
  readonly #legs: Leg[] = [];

  get all(): readonly Leg[] {
    return this.#legs;
  }

  get nextNumber(): number {
    return this.#legs.length + 1;
  }

  /** The open leg of an m-line. */
  at(index: number): Leg | undefined {
    return this.#legs.find((leg) => leg.index === index && leg.open);
  }

  byNumber(number: number): Leg | undefined {
    return this.#legs[number - 1];
  }

  add(stream: OfferedStream, port: number, active: boolean): Leg {
    const leg: Leg = {
      leg: this.nextNumber,
      index: stream.index,
      port,
      label: stream.label ?? String(stream.index + 1),
      speaker: {},
      active,
      open: true,
    };
    this.#legs.push(leg);
    return leg;
  }

  /** Takes over labels and speakers. A speaker once known is not forgotten when later metadata is silent about it. */
  identify(streams: readonly OfferedStream[], speakers: ReadonlyMap<number, Speaker>): void {
    for (const leg of this.#legs) {
      if (!leg.open) continue;
      const label = streams.find((stream) => stream.index === leg.index)?.label;
      if (label !== undefined) leg.label = label;
      const speaker = speakers.get(leg.index);
      if (speaker && Object.keys(speaker).length > 0) leg.speaker = speaker;
    }
  }

  get anyActive(): boolean {
    return this.#legs.some((leg) => leg.open && leg.active);
  }

  describe(leg: Leg): LegDescription {
    return { leg: leg.leg, label: leg.label, speaker: leg.speaker };
  }

  descriptions(): readonly LegDescription[] {
    return this.#legs.map((leg) => this.describe(leg));
  }
}
