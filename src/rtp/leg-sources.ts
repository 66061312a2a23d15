/** Distinct SSRCs are counted up to this. */
const MAX_SOURCES = 1000;
/** Former SSRCs that are remembered, so that senders on one port do not flap. */
const MAX_FORMER = 4;

/** The SSRCs of a leg: the present one, those before it, and how many there were. */
export class LegSources {
  /** -1 before the first, and while a call is on hold. */
  present = -1;
  /** The newest first. */
  #former: readonly number[] = [];
  /** Of most legs there is one. */
  #first = -1;
  #others: Set<number> | undefined;

  get count(): number {
    return (this.#first < 0 ? 0 : 1) + (this.#others?.size ?? 0);
  }

  /** Another one is followed from now on. */
  follow(ssrc: number): void {
    if (this.present >= 0) this.#former = [this.present, ...this.#former].slice(0, MAX_FORMER);
    this.#former = this.#former.filter((former) => former !== ssrc);
    this.present = ssrc;
    if (this.#first < 0) this.#first = ssrc;
    if (ssrc === this.#first || this.count >= MAX_SOURCES) return;
    this.#others ??= new Set();
    this.#others.add(ssrc);
  }

  /** Whether it was there not long ago. */
  wasThere(ssrc: number): boolean {
    return this.#former.includes(ssrc);
  }

  /** Whoever was there before may come back. */
  forgetFormer(): void {
    this.#former = [];
  }
}
