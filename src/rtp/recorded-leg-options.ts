import type { MediaFormat } from '../core/model.js';
import type { Warning } from '../core/warning.js';
import type { Decoders } from './decoders.js';
import type { LegCutter } from './leg-cutter.js';
import type { DecodedLeg } from './leg-decoding.js';
import type { LegDigits } from './leg-digits.js';
import type { TimelineHooks } from './leg-timeline.js';
import type { MediaCounters } from './media-counters.js';
import type { LegRemote } from './media-plane.js';
import type { PauseGate } from './pause-gate.js';

export interface RecordedLegOptions {
  readonly leg: number;
  readonly formats: readonly MediaFormat[];
  readonly active: boolean;
  /** Place of the first sample on the call clock. */
  readonly originMs: number;
  readonly counters: MediaCounters;
  /** Whether the call is paused already; a leg of a paused call begins so. */
  readonly paused?: boolean;
  readonly gate?: PauseGate;
  /** What the SDP says about the other end. */
  readonly remote?: LegRemote | undefined;
  /** Our canonical name in RTCP. */
  readonly cname: string;
  /** Monotonic ms. */
  readonly clock: () => number;
  /** Epoch ms. */
  readonly epoch: () => number;
  readonly warn?: (warning: Warning) => void;
  readonly hooks: TimelineHooks;
  /** Makes the cutter when speech is to be cut. */
  readonly cutter?: LegCutter;
  readonly decoders: Decoders;
  readonly raise: DecodedLeg['raise'];
  /** Hears key presses; absent when nobody asks for them. */
  readonly digits?: LegDigits;
}

export type LastingLegOptions = Pick<RecordedLegOptions, 'gate' | 'clock' | 'warn' | 'hooks'>;

/** What a leg asks for again and again. The rest, and the offer that it came from, need not live as long as the leg. */
export function lastingOptions({ gate, clock, warn, hooks }: RecordedLegOptions): LastingLegOptions {
  return { clock, hooks, ...(gate ? { gate } : {}), ...(warn ? { warn } : {}) };
}
