import type { LegDescription } from '../core/call-event.js';
import type { MediaFormat, OfferedStream, Speaker } from '../core/model.js';
import type { LegRemote } from '../rtp/media-plane.js';
import type { RecordedLeg } from '../store/call-record.js';
import { KeyRing } from './key-ring.js';

/** A recorded m-line. A slot that went through port 0 and came back is a new leg (RFC 3264 §8.1). */
export interface Leg {
  readonly leg: number;
  readonly index: number;
  readonly port: number;
  label: string;
  formats: readonly MediaFormat[];
  active: boolean;
  /** Where the SRC said that it sends from. */
  remote: LegRemote;
  open: boolean;
  /** Who spoke from when on, oldest first. Empty until metadata says something about the leg. */
  spells: readonly Spell[];
}

interface Spell {
  /** Epoch ms. */
  readonly since: number;
  readonly speaker: Speaker;
}

const NOBODY: Speaker = {};
/** Changes of one leg's speaker that are remembered; a peer must not fill the memory with UPDATEs. */
const MAX_SPELLS = 256;

/** Which m-line is which leg, and who speaks on it, now and earlier. Pure bookkeeping. */
export class LegBook {
  readonly keys = new KeyRing();
  #legs: readonly Leg[] = [];
  #numbers = 0;

  get all(): readonly Leg[] {
    return this.#legs;
  }

  /** Numbers given out, those of legs that never came to be too. */
  get numbers(): number {
    return this.#numbers;
  }

  /** The open leg of an m-line. */
  at(index: number): Leg | undefined {
    return this.#legs.find((leg) => leg.index === index && leg.open);
  }

  byNumber(number: number): Leg | undefined {
    return this.#legs.find((leg) => leg.leg === number);
  }

  /** The number of the next leg. A number whose leg could not be opened is not used again: its file may be there. */
  reserve(): number {
    this.#numbers += 1;
    return this.#numbers;
  }

  add(
    number: number,
    stream: OfferedStream,
    port: number,
    formats: readonly MediaFormat[],
    active: boolean,
    remote: LegRemote = { port: stream.port },
  ): void {
    const { index } = stream;
    const label = stream.label ?? String(index + 1);
    this.#legs = this.#legs.concat({
      leg: number,
      index,
      port,
      label,
      formats,
      active,
      remote,
      open: true,
      spells: [],
    });
  }

  /** Takes over the labels of an offer. */
  relabel(streams: readonly OfferedStream[]): void {
    for (const { index, label } of streams) {
      const leg = this.at(index);
      if (leg && label !== undefined) leg.label = label;
    }
  }

  /** From `since` on this speaker speaks on the leg. What was said before anybody was named counts as said by the first one. */
  name(leg: Leg, speaker: Speaker, since: number): void {
    if (leg.spells.length > 0 && JSON.stringify(this.speaker(leg)) === JSON.stringify(speaker)) return;
    // Joined, not pushed: an array that was pushed to keeps room for sixteen more.
    leg.spells = leg.spells.concat({ since, speaker }).slice(-MAX_SPELLS);
  }

  /** @param at epoch ms; the present when not given */
  speaker(leg: Leg, at = Number.POSITIVE_INFINITY): Speaker {
    const spell = leg.spells.findLast(({ since }) => since <= at) ?? leg.spells[0];
    return spell?.speaker ?? NOBODY;
  }

  /** @param at epoch ms at which the speaker is asked for; the present when not given */
  describe(number: number, at?: number): LegDescription {
    const leg = this.byNumber(number);
    if (!leg) return { leg: number, label: String(number), speaker: NOBODY };
    return { leg: number, label: leg.label, speaker: this.speaker(leg, at) };
  }

  /**
   * With everybody who spoke on each leg, and when.
   *
   * @param startedAt epoch ms of the call clock's zero
   */
  recorded(startedAt: number): readonly RecordedLeg[] {
    return this.#legs.map(({ leg, spells }) => ({
      ...this.describe(leg),
      ...(spells.length === 0
        ? {}
        : { speakers: spells.map((spell) => ({ ...spell, sinceMs: Math.max(0, spell.since - startedAt) })) }),
    }));
  }

  descriptions(): readonly LegDescription[] {
    return this.#legs.map(({ leg }) => this.describe(leg));
  }
}
