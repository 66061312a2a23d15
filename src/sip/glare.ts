import { randomInt } from 'node:crypto';

/** How often a request of ours is sent, the first time included, to a peer that answers 491. */
export const GLARE_TRIES = 5;

/** In ms: who did not choose the Call-ID waits 0 to 2 s, in steps of 10 ms (RFC 3261 §14.1). */
export function glareWaitMs(): number {
  return 10 * randomInt(0, 201);
}
