import { SrsError } from '../core/errors.js';
import type { AnsweredStream, OfferedStream } from '../core/model.js';
import type { LegOptions, LegRemote, MediaCall } from '../rtp/media-plane.js';
import type { Leg, LegBook } from './leg-book.js';
import { answerStream, type StreamDecision } from './offer-policy.js';

/** Legs of one session over its whole life; each has a file to the end of the call. Slots that come and go without end are refused. */
const MAX_LEGS = 256;
/** Legs that are made ready with the call. An offer of many more opens them one by one, and may be refused before. */
const FIRST_LEGS = 4;

/**
 * Brings the legs to what was decided about an offer and returns the answer to each m-line.
 *
 * Whatever can fail comes first: new legs are opened before any leg that is there changes, so that a refused offer leaves the session
 * as it was (RFC 3261 §14.2). Throws `SRS_PORTS_EXHAUSTED`, `SRS_SDP_NOT_ACCEPTABLE`, `SRS_RECORDING_WRITE`, `SRS_MEDIA_WORKER`.
 */
export async function negotiate(
  media: MediaCall,
  legs: LegBook,
  decisions: readonly StreamDecision[],
): Promise<readonly AnsweredStream[]> {
  const fresh = decisions.filter(({ formats, offered }) => formats.length > 0 && !legs.at(offered.index));
  if (legs.numbers + fresh.length > MAX_LEGS) {
    throw new SrsError('SRS_SDP_NOT_ACCEPTABLE', `a session has ${MAX_LEGS} streams at most`);
  }
  const present = decisions.filter(({ offered }) => legs.at(offered.index));
  const opened = await openAll(media, legs, fresh);
  for (const decision of present) await change(media, legs, decision);
  // RFC 3264 §8 forbids an offer of fewer m-lines than before. What it leaves out, the SRC does not send any more.
  for (const leg of legs.all.filter((one) => one.open && one.index >= decisions.length)) await close(media, legs, leg);
  for (const [at, { offered, formats, active }] of fresh.entries()) {
    const handle = opened[at];
    if (handle) legs.add(handle.leg, offered, handle.port, formats, active, remoteOf(offered));
  }
  return decisions.map((decision) => {
    const { offered, crypto } = decision;
    return answerStream(decision, legs.at(offered.index)?.port ?? 0, legs.keys.answer(offered.index, crypto));
  });
}

/** The legs that the first offer of a session will open, so that its media can make them ready. */
export function firstLegs(decisions: readonly StreamDecision[], legs: LegBook): LegOptions[] {
  return decisions
    .filter(({ formats }) => formats.length > 0)
    .slice(0, FIRST_LEGS)
    .map((decision, index) => ({ leg: index + 1, ...legOptions(decision, legs) }));
}

function legOptions({ offered, formats, active, crypto }: StreamDecision, legs: LegBook): Omit<LegOptions, 'leg'> {
  return {
    formats,
    active,
    remote: remoteOf(offered),
    ...(crypto ? { keys: legs.keys.agree(offered.index, crypto) } : {}),
  };
}

function remoteOf({ address, port, rtcp }: OfferedStream): LegRemote {
  return { port, ...(address === undefined ? {} : { address }), ...(rtcp === undefined ? {} : { rtcp }) };
}

async function openAll(media: MediaCall, legs: LegBook, fresh: readonly StreamDecision[]) {
  const opened: { leg: number; port: number }[] = [];
  try {
    for (const decision of fresh) {
      opened.push(await media.openLeg({ leg: legs.reserve(), ...legOptions(decision, legs) }));
    }
    return opened;
  } catch (error) {
    // A leg that this offer opened must not outlive the refusal of the offer.
    for (const { leg } of opened) await media.discardLeg(leg).catch(() => {});
    throw error;
  }
}

/** A refresh that changes nothing does not touch the media (RFC 4028, RFC 3264 §8). */
async function change(media: MediaCall, legs: LegBook, decision: StreamDecision): Promise<void> {
  const leg = legs.at(decision.offered.index);
  if (!leg) return;
  const { formats, active, crypto } = decision;
  const remote = remoteOf(decision.offered);
  if (formats.length === 0) {
    await close(media, legs, leg);
    return;
  }
  const rekeyed = legs.keys.changes(leg.index, crypto);
  if (rekeyed || JSON.stringify([active, formats, remote]) !== JSON.stringify([leg.active, leg.formats, leg.remote])) {
    if (!crypto) legs.keys.forget(leg.index);
    const keys = crypto ? legs.keys.agree(leg.index, crypto) : null;
    try {
      await media.updateLeg(leg.leg, { formats, active, remote, ...(rekeyed ? { keys } : {}) });
    } catch (error) {
      // The media has the keys from before: whatever is offered next must reach it, the same keys again too.
      if (rekeyed) legs.keys.forget(leg.index);
      throw error;
    }
    leg.formats = formats;
    leg.active = active;
    leg.remote = remote;
  }
}

async function close(media: MediaCall, legs: LegBook, leg: Leg): Promise<void> {
  await media.closeLeg(leg.leg);
  legs.keys.forget(leg.index);
  leg.open = false;
  leg.active = false;
}
