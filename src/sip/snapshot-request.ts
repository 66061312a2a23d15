import { SrsError } from '../core/errors.js';
import type { Logger } from '../core/logger.js';
import type { SipDialogRequest, SipDialogResponse } from './sip-server.js';

export interface SnapshotRequestOptions {
  readonly ask: (request: SipDialogRequest) => Promise<SipDialogResponse>;
  /** The type under which this SRC sends its metadata. */
  readonly mediaType: () => string | undefined;
  readonly logger: Logger;
}

/**
 * Asks an SRC for a complete metadata snapshot (RFC 7866 §9.2, RFC 7865 §7): one UPDATE in the life of a dialog, because an SRC that
 * does not know the request will not know it a minute later. The snapshot, if any, comes as a request of the SRC. Whatever answers the
 * UPDATE, a refusal or nothing at all, changes nothing.
 */
export class SnapshotRequest {
  readonly #options: SnapshotRequestOptions;
  #state: 'idle' | 'wanted' | 'sent' = 'idle';

  constructor(options: SnapshotRequestOptions) {
    this.#options = options;
  }

  /** A partial snapshot could not be understood. */
  want(): void {
    if (this.#state === 'idle') this.#state = 'wanted';
  }

  /** Something has arrived in the dialog, so it may be confirmed by now: sends what is wanted, after the answer to what has come. */
  ready(): void {
    if (this.#state !== 'wanted') return;
    this.#state = 'sent';
    setImmediate(() => {
      void this.#send();
    });
  }

  async #send(): Promise<void> {
    const { ask, mediaType, logger } = this.#options;
    try {
      const { status } = await ask(snapshotRequest(mediaType()));
      logger.info({ status }, 'metadata snapshot asked for');
    } catch (error) {
      const { code } = SrsError.from(error);
      // Not confirmed yet, or another request of ours was under way: the next arrival is another occasion.
      if (code === 'SRS_SIP_DIALOG_STATE') this.#state = 'wanted';
      logger.info({ code }, 'metadata snapshot not asked for');
    }
  }
}

/** The UPDATE itself, without SDP: with it, the SRC would take it for an offer. */
export function snapshotRequest(mediaType = 'application/rs-metadata+xml'): SipDialogRequest {
  return {
    method: 'UPDATE',
    // Some SRCs answer with 481 what they do not know; the SRC's own requests tell whether it still has the dialog.
    optional: true,
    headers: { Require: 'siprec', 'Content-Disposition': 'recording-session' },
    body: {
      type: mediaType,
      content:
        '<?xml version="1.0" encoding="UTF-8"?>\r\n<requestsnapshot xmlns="urn:ietf:params:xml:ns:recording:1">\r\n' +
        '  <requestreason>a partial update names elements that were never described</requestreason>\r\n</requestsnapshot>\r\n',
    },
  };
}
