import type { LiveCall } from './call-control.js';
import type { Leg } from './leg-book.js';
import type { PauseControl } from './pause-control.js';

/** Whether a call is being recorded, and who keeps it from being so. */
export type PauseStatus = Pick<LiveCall, 'pausedBy' | 'pausedLegs'> & { readonly state: 'recording' | 'paused' };

/** A call is recorded while any leg is neither held by the SRC nor paused by us; the two know nothing of each other. */
export function pauseStatus(legs: readonly Leg[], pauses: Pick<PauseControl, 'any' | 'paused'>): PauseStatus {
  const open = legs.filter((leg) => leg.open);
  const ours = open.filter(({ leg }) => pauses.paused(leg));
  const us = open.length === 0 ? pauses.any : ours.length > 0;
  const src = open.some(({ active }) => !active) || !us;
  const pausedLegs = ours.length === 0 ? {} : { pausedLegs: ours.map(({ leg }) => leg) };
  if (open.some(({ leg, active }) => active && !pauses.paused(leg))) return { state: 'recording', ...pausedLegs };
  return { state: 'paused', pausedBy: us && src ? 'both' : us ? 'us' : 'src', ...pausedLegs };
}
