import { Dialog } from './dialog.js';
import { contactUri } from './dialog-path.js';
import { failureReply } from './failure.js';
import type { IncomingRequest } from './incoming-request.js';
import { takesReliableProvisional } from './reliable-provisional.js';
import type { ServerTransaction } from './server-transaction.js';
import { negotiateSessionInterval, type SessionInterval } from './session-interval.js';
import type { SipCore } from './sip-core.js';
import { transactionLifetimeMs } from './sip-timers.js';

/** Longer than a decision takes as a rule: a straight 200 is what every SRC can read. */
const PROVISIONAL_AFTER_MS = 200;

/**
 * A new INVITE from 100 to its final response (RFC 3261 §13.3.1).
 * No provisional response but 100 is sent, which stops the peer's repetitions; a peer that takes reliable ones hears a 183 when the
 * decision is long in coming, which stops its timers too (RFC 3262 §3). An unreliable 183 would say nothing that 100 does not.
 * Whatever happens on the way, the INVITE gets exactly one final response, and a session that was made for nothing is told so.
 */
export async function takeInvite(
  core: SipCore,
  request: IncomingRequest,
  transaction: ServerTransaction,
): Promise<void> {
  const { logger, minimumSessionSeconds } = core.options;
  let dialog: Dialog | undefined;
  const giveUp = (status: number): void => {
    core.respond(transaction, request, { status });
    dialog?.abandon(true);
  };
  try {
    core.respond(transaction, request, { status: 100 });
    if (contactUri(request) === undefined) {
      core.respond(transaction, request, { status: 400, headers: { Warning: '399 sipscribe "no Contact"' } });
      return;
    }
    const session = negotiateSessionInterval(request, minimumSessionSeconds);
    if ('refusal' in session) {
      core.respond(transaction, request, session.refusal);
      return;
    }
    transaction.onCancel = () => giveUp(487);
    const local = core.localHost(request);
    dialog = new Dialog(core, request, transaction.toTag, typeof local === 'string' ? local : await local);
    if (transaction.finalStatus !== undefined) return;
    await decide({ core, request, transaction, dialog, giveUp, interval: session.interval });
  } catch (error) {
    const { callId } = request;
    const reply = failureReply(error);
    const fields = { callId, status: reply.status, err: error };
    if (reply.status === 500) logger.error(fields, 'INVITE failed');
    else logger.info(fields, 'INVITE refused');
    core.respond(transaction, request, reply);
    dialog?.abandon(false);
  }
}

interface Invitation {
  readonly core: SipCore;
  readonly request: IncomingRequest;
  readonly transaction: ServerTransaction;
  readonly dialog: Dialog;
  readonly interval: SessionInterval | undefined;
  /** Refuses the INVITE and tells the application that it is gone. */
  readonly giveUp: (status: number) => void;
}

/** Asks the application, whose time is bounded. @throws what the application threw */
async function decide(invitation: Invitation): Promise<void> {
  const { core, request, transaction, dialog, interval } = invitation;
  const stopClocks = watch(invitation);
  try {
    const { reply, session: made } = await core.options.handlers.invite(request, dialog);
    if (transaction.finalStatus !== undefined) {
      // The answer comes too late: the session was made for a call that is gone.
      made?.ended('cancelled');
    } else if (reply.status >= 200 && reply.status < 300) {
      dialog.confirm(request, transaction, reply, made, interval);
    } else {
      core.respond(transaction, request, reply.status < 300 ? { status: 500 } : reply);
      dialog.abandon(false);
    }
  } finally {
    stopClocks();
  }
}

/** The patience with the application, and the 183 on the way. @returns what stops both */
function watch({ core, request, transaction, dialog, giveUp }: Invitation): () => void {
  const { scope, options } = core;
  const { logger, timers } = options;
  const { callId } = request;
  const lifetime = transactionLifetimeMs(timers);
  const wait = (ms: number): (() => void) =>
    scope.timeout(() => {
      logger.error({ callId }, 'INVITE was not decided in time');
      giveUp(503);
    }, ms);
  let stopPatience = wait(lifetime);
  const announce = (): void => {
    // The 183 gets all of its own time, so that its loss is told as what it is.
    stopPatience();
    stopPatience = wait(lifetime + timers.t2Ms);
    dialog.announce(request, transaction, () => {
      logger.warn({ callId }, 'provisional response was not acknowledged');
      giveUp(504);
    });
  };
  const stopAnnouncement = takesReliableProvisional(request)
    ? scope.timeout(announce, options.provisionalAfterMs ?? PROVISIONAL_AFTER_MS)
    : undefined;
  return () => {
    stopPatience();
    stopAnnouncement?.();
  };
}
