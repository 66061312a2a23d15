import { SrsError } from '../core/errors.js';
import type { Logger } from '../core/logger.js';
import type { SipDialogRequest, SipDialogResponse } from './sip-server.js';

export interface PauseSignalOptions {
  /** Sends a request in the dialog when its turn has come; what it says is asked for then. */
  readonly ask: (request: () => SipDialogRequest) => Promise<SipDialogResponse>;
  /** Our offer as it is now. @param resumed whether nothing is paused any more */
  readonly offer: (resumed: boolean) => Required<SipDialogRequest>['body'];
  /** The SRC's answer to the offer at the end of a pause. */
  readonly take: (response: SipDialogResponse) => Promise<void>;
  readonly callId: string;
  readonly logger: Logger;
}

/**
 * Tells an SRC of our pauses by re-INVITE. What cannot be told now is told when the SRC is heard of again: an SRC that never hears of a
 * pause's end may stay silent for the rest of the call. The pause itself does not hang on it: what the SRC goes on sending is dropped.
 */
export class PauseSignal {
  readonly #options: PauseSignalOptions;
  /** Whether the latest change that was not told ended the pauses. */
  #wanted: boolean | undefined;
  #telling = false;
  /** Whether there was an occasion while something was being told. */
  #heard = false;

  constructor(options: PauseSignalOptions) {
    this.#options = options;
  }

  /** What is paused has changed. Only the latest of several changes is told. */
  want(resumed: boolean): void {
    this.#wanted = resumed;
    void this.#tell();
  }

  /** Something has arrived in the dialog: another occasion, after the answer to what has come. */
  ready(): void {
    this.#heard = true;
    if (this.#wanted !== undefined) setImmediate(() => void this.#tell());
  }

  async #tell(): Promise<void> {
    if (this.#telling) return;
    this.#telling = true;
    let told = true;
    while (this.#wanted !== undefined && (told || this.#heard)) {
      this.#heard = false;
      told = await this.#send(this.#wanted);
    }
    this.#telling = false;
  }

  /** Whether there is nothing to keep for later. */
  async #send(wanted: boolean): Promise<boolean> {
    const { ask, offer, take, callId, logger } = this.#options;
    let resumed = wanted;
    try {
      const response = await ask(() => {
        resumed = this.#wanted ?? wanted;
        this.#wanted = undefined;
        return { method: 'INVITE', body: offer(resumed) };
      });
      const { status, body } = response;
      if (status < 200 || status > 299) {
        logger.warn({ callId, status, resumed }, 'the SRC refuses the signal of a pause');
        // RFC 3261 §14.1: after so many tries both sides still ask at once.
        return status !== 491 || this.#keep(resumed);
      }
      logger.info({ callId, resumed }, 'pause signalled');
      if (resumed && body.byteLength > 0) await take(response);
    } catch (error) {
      const { code } = SrsError.from(error);
      logger.warn({ callId, code }, 'pause not signalled');
      if (code === 'SRS_SIP_DIALOG_STATE') return this.#keep(resumed);
    }
    return true;
  }

  #keep(resumed: boolean): false {
    this.#wanted ??= resumed;
    return false;
  }
}
