import { expect } from 'vitest';
import type { Gap, GapCause } from '../../src/core/gap.js';
import { holesOf, isSilent, placeOf, type Recorded, type Span } from './scenario-kit.js';

/** The tolerance of the length of a recording. */
export const TOLERANCE_MS = 20;
/** Most scenarios send two parts of this length on each leg. */
export const PART_MS = 2000;
const PACKET_MS = 20;
/** Silence beside a hold that is told apart from it. */
const BESIDE_MS = 200;

/** What holds for every recording: all files are as long as the call, the stereo file is its legs, and the gaps are the silence. */
export function wellFormed({ record, legs, stereo, gaps }: Recorded): void {
  const samples = Math.round((record.durationMs ?? 0) * 8);
  expect(legs.slice(1).map(({ length }) => length)).toEqual(record.legs.map(() => samples));
  for (const [index, channel] of stereo.entries()) {
    expect(Buffer.compare(Buffer.from(channel.buffer), Buffer.from((legs[index + 1] ?? channel).buffer))).toBe(0);
  }
  expect(record.legs.map(({ statistics }) => statistics?.lost)).toEqual(record.legs.map(() => 0));
  for (const [index, listed] of gaps.entries()) {
    expect(joined(listed)).toEqual(holesOf(legs[index + 1] ?? new Int16Array(0)).filter(isListed(record.durationMs)));
  }
  expect(record.assurance?.gapMs).toEqual(sums(gaps.flat()));
}

/** Neighbours become one, whatever their causes: each is a hole of the file. */
function joined(gaps: readonly Span[]): Span[] {
  const spans: Span[] = [];
  for (const { startMs, endMs } of gaps) {
    const last = spans.at(-1);
    if (last?.endMs === startMs) spans[spans.length - 1] = { startMs: last.startMs, endMs };
    else spans.push({ startMs, endMs });
  }
  return spans;
}

/** Up to a packet before the first one or after the last is no gap. */
function isListed(durationMs = 0): (hole: Span) => boolean {
  return ({ startMs, endMs }) => (startMs > 0 && endMs < durationMs) || endMs - startMs > PACKET_MS;
}

function sums(gaps: readonly Gap[]): Partial<Record<GapCause, number>> {
  const ms: Partial<Record<GapCause, number>> = {};
  for (const { startMs, endMs, cause } of gaps) ms[cause] = (ms[cause] ?? 0) + endMs - startMs;
  return ms;
}

/** Each leg has one gap of this cause, which is the whole of the hole after the first part. */
export function oneGap({ gaps }: Recorded, cause: GapCause, startMs = PART_MS): void {
  expect(gaps.map((listed) => listed.map((gap) => gap.cause))).toEqual(gaps.map(() => [cause]));
  for (const [gap] of gaps) expect(Math.abs((gap?.startMs ?? 0) - startMs)).toBeLessThanOrEqual(TOLERANCE_MS);
}

/**
 * Each leg has one gap of a hold. An SRC that sends its word or its next packet late has its silence beside it told apart from 200 ms
 * on; what is shorter belongs to the hold.
 */
export function heldOnce({ gaps }: Recorded, atLeastMs: number): void {
  for (const listed of gaps) {
    const [hold, ...more] = listed.filter(({ cause }) => cause === 'hold');
    expect([more, (hold?.endMs ?? 0) - (hold?.startMs ?? 0) >= atLeastMs]).toEqual([[], true]);
    const beside = listed.filter((gap) => gap !== hold);
    expect(
      beside.filter(({ cause, startMs, endMs }) => cause !== 'source_change' || endMs - startMs < BESIDE_MS),
    ).toEqual([]);
    expect(joined(listed)).toHaveLength(1);
    expect(Math.abs((listed[0]?.startMs ?? 0) - PART_MS)).toBeLessThanOrEqual(TOLERANCE_MS);
  }
}

/** Nothing is missing on any leg. */
export function gapless({ gaps }: Recorded): void {
  expect(gaps).toEqual(gaps.map(() => []));
}

/** Both parts of each leg stand in its file bit by bit and together with those of the other leg, and there is silence elsewhere. Gives the hole. */
export function twoParts(
  { legs }: Recorded,
  parts: readonly (readonly [Int16Array, Int16Array])[],
): { startMs: number; holeMs: number } {
  const places = parts.map(([before, after], index) => {
    const samples = legs[index + 1] ?? new Int16Array(0);
    const first = placeOf(samples, before);
    const second = placeOf(samples, after, first + before.length);
    expect([first >= 0, second >= 0]).toEqual([true, true]);
    expect(isSilent(samples, 0, first)).toBe(true);
    expect(isSilent(samples, first + before.length, second)).toBe(true);
    expect(isSilent(samples, second + after.length)).toBe(true);
    return { first, second, hole: second - first - before.length };
  });
  for (const { first, second } of places) {
    expect(Math.abs(first - (places[0]?.first ?? 0))).toBeLessThanOrEqual(TOLERANCE_MS * 8);
    expect(Math.abs(second - (places[0]?.second ?? 0))).toBeLessThanOrEqual(TOLERANCE_MS * 8);
  }
  return { startMs: (places[0]?.first ?? 0) / 8, holeMs: (places[0]?.hole ?? 0) / 8 };
}

/** The first side has all, the second nothing from the beginning to the end. */
export function oneSided({ gaps, record }: Recorded): void {
  expect(gaps).toEqual([[], [{ startMs: 0, endMs: record.durationMs, cause: 'no_rtp' }]]);
}
