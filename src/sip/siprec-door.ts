import { type Clock, systemClock } from '../core/clock.js';
import { SrsError } from '../core/errors.js';
import { uuid } from '../core/ids.js';
import type { Logger } from '../core/logger.js';
import type { Metrics } from '../core/metrics.js';
import type { RsOffer } from '../core/model.js';
import type { Recorder } from '../session/recorder.js';
import { delayedOffer } from './delayed-offer.js';
import { complete, failureReply } from './failure.js';
import { RecordingDialog, sessionIdHeader } from './recording-dialog.js';
import { ACCEPTED_TYPES } from './rs-body.js';
import { type OfferPolicy, readFirstOffer } from './rs-offer.js';
import type { SipDialogControl, SipDialogHandlers, SipHandlers, SipReply, SipRequestView } from './sip-server.js';

export interface SiprecDoorOptions {
  readonly recorder: Recorder;
  readonly metrics: Metrics;
  readonly logger: Logger;
  /** Take only what keeps RFC 7866 §6.2 to the letter. Off by default: most SRCs do not. */
  readonly strict?: boolean;
  /** Keep a copy of the first INVITE with the record, keys and credentials masked. */
  readonly keepInvite?: boolean;
  /** Call attributes that may be kept; all when not given. */
  readonly callAttributes?: readonly string[];
  readonly clock?: Clock;
}

/** The SIPREC floor above any `SipServer`: requests become offers, sessions become dialogs. */
export function createSiprecDoor(options: SiprecDoorOptions): SipHandlers {
  return {
    invite: (request, dialog) => invite(request, dialog, options),
    options: (request) => answerOptions(request, options.recorder),
  };
}

type Accepted = { reply: SipReply; session?: SipDialogHandlers };

async function invite(
  request: SipRequestView,
  dialog: SipDialogControl,
  options: SiprecDoorOptions,
): Promise<Accepted> {
  const { recorder, metrics, logger, clock = systemClock } = options;
  const policy = offerPolicy(options);
  let first: ReturnType<typeof readFirstOffer>;
  try {
    first = readFirstOffer(request, policy);
  } catch (error) {
    metrics.calls.inc({ outcome: 'rejected' });
    return refused(request, error, logger);
  }
  const { conforming } = first;
  const offer: RsOffer = { ...first.offer, localAddress: dialog.localHost };
  if (options.strict && !conforming) {
    metrics.calls.inc({ outcome: 'rejected' });
    logger.warn({ callId: request.callId, source: offer.source }, 'INVITE refused: not SIPREC by the letter');
    // RFC 3261 §21.4.15: the extension that is needed stands in Require.
    return { reply: { status: 421, headers: { Require: 'siprec' } } };
  }
  try {
    const { session, answer } = await recorder.open(withMedia(offer, first.recognised));
    if (dialog.cancelled.aborted) {
      await session.end('cancelled');
      return { reply: { status: 487 } };
    }
    const sessionUuid = uuid().replaceAll('-', '');
    const recording = new RecordingDialog({ session, dialog, first: offer, sessionUuid, logger, policy, clock });
    return { reply: recording.accept(request, answer), session: recording };
  } catch (error) {
    return refused(request, error, logger);
  }
}

function offerPolicy({ keepInvite, callAttributes }: SiprecDoorOptions): OfferPolicy {
  return {
    ...(keepInvite === undefined ? {} : { keepInvite }),
    ...(callAttributes === undefined ? {} : { attributes: callAttributes }),
  };
}

/** An INVITE without SDP: SIPREC has two legs, or as many as the metadata names; any other call has one. */
function withMedia(offer: RsOffer, recognised: boolean): RsOffer {
  if (offer.media) return offer;
  const streams = recognised ? Math.max(2, offer.metadata?.streams.length ?? 0) : 1;
  return { ...offer, media: delayedOffer(streams) };
}

function refused(request: SipRequestView, error: unknown, logger: Logger): Accepted {
  const reply = failureReply(error);
  const { code } = SrsError.from(error);
  const fields = { callId: request.callId, code, status: reply.status };
  if (reply.status === 500) logger.error({ ...fields, err: error }, 'INVITE failed');
  else logger.warn(fields, 'INVITE refused');
  return { reply };
}

/** RFC 3261 §11.2: answered as an INVITE would be. SRCs probe with it and fail over on 503. */
function answerOptions(request: SipRequestView, recorder: Recorder): SipReply {
  // Outside a dialog there is no half of ours yet: the nil UUID stands for it (RFC 7989 §5).
  const sessionId = sessionIdHeader(request, '0'.repeat(32));
  if (!recorder.accepting) return complete({ status: 503, headers: sessionId });
  return { status: 200, headers: { Accept: ACCEPTED_TYPES, ...sessionId } };
}
