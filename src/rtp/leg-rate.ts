/** Rates of legs are multiples of this, so that every multiple of 125 µs is a sample of every leg. */
export const RATE_UNIT = 8000;
/** 2 s at 8 kHz: what the files may be behind. Packets that come later than that are written past the ring. */
const RING_SAMPLES = 16_384;

export function checkedRate(rate: number): number {
  if (rate <= 0 || rate % RATE_UNIT !== 0) throw new RangeError('the rate of a leg must be a multiple of 8000');
  return rate;
}

/** A power of two, for at least the same time at every rate. */
export function ringSamples(rate: number): number {
  return RING_SAMPLES * 2 ** Math.ceil(Math.log2(rate / RATE_UNIT));
}
