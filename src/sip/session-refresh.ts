import type { Logger } from '../core/logger.js';
import type { SessionTimer } from './session-timer.js';
import type { SipRequestView } from './sip-server.js';

export interface SessionRefreshOptions {
  readonly logger: Logger;
  readonly callId: string;
  readonly timer: SessionTimer;
  /** Sends a request of ours that carries the session interval; resolves with the status of its answer. */
  readonly send: (method: 'INVITE' | 'UPDATE') => Promise<number>;
  /** Whether a re-INVITE has a session description to offer. */
  readonly describable: () => boolean;
  readonly alive: () => boolean;
}

/** Keeps a session alive whose refresher we are (RFC 4028 §10). */
export class SessionRefresh {
  readonly #options: SessionRefreshOptions;
  /** False when the peer's Allow, or its 405, says that it has no UPDATE. */
  #peerUpdates = true;
  #running: Promise<void> | undefined;

  constructor(options: SessionRefreshOptions) {
    this.#options = options;
  }

  /** The refresh that is under way. */
  get running(): Promise<void> | undefined {
    return this.#running;
  }

  /** A request of the peer came: its Allow, when it has one, says whether the peer takes UPDATE. */
  heard(request: SipRequestView): void {
    const allowed = request.headers('allow');
    if (allowed.length > 0) this.#peerUpdates = allowed.some((method) => method.toUpperCase() === 'UPDATE');
  }

  start(): void {
    this.#running ??= this.#refresh().finally(() => {
      this.#running = undefined;
    });
  }

  /** UPDATE needs no offer; a peer without it gets the session as it is in a re-INVITE. */
  async #refresh(): Promise<void> {
    const { timer, send, describable, alive, logger, callId } = this.#options;
    const before = timer.interval;
    try {
      let status = 405;
      if (this.#peerUpdates || !describable()) {
        status = await send('UPDATE');
        if (isUnknown(status)) this.#peerUpdates = false;
      }
      if (isUnknown(status) && describable()) status = await send('INVITE');
      // A peer that asks for refreshes and refuses ours is there all the same (RFC 5057 §5.1): a recording must not end by it.
      if (status >= 300 && alive()) timer.restart(before);
    } catch (error) {
      logger.info({ callId, err: error }, 'session refresh was not answered');
      if (alive()) timer.again();
    }
  }
}

/** The peer has no such method. */
function isUnknown(status: number): boolean {
  return status === 405 || status === 501;
}
