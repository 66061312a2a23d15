import { SrsError } from '../core/errors.js';
import type { DialogSender } from './dialog-sender.js';
import { ALLOWED_METHODS } from './failure.js';
import { GLARE_TRIES, glareWaitMs } from './glare.js';
import type { SipHeader, SipResponse } from './message.js';
import { headerValue } from './message.js';
import { bearsSessionDescription } from './session-description.js';
import { refreshHeaders, type SessionInterval } from './session-interval.js';
import { type SipCore, SUPPORTED } from './sip-core.js';
import type { SipDialogRequest } from './sip-server.js';

export interface OwnRequestsOptions {
  readonly core: SipCore;
  readonly sender: DialogSender;
  readonly contact: string;
  /** Resolves when no INVITE or UPDATE of the peer is under way, its ACK included. */
  readonly untilQuiet: () => Promise<void>;
  /** The session timer in force. */
  readonly interval: () => SessionInterval | undefined;
}

/** What a request of ours came to. */
export interface OwnOutcome {
  readonly response: SipResponse;
  /** The session interval that it asked for. */
  readonly interval: SessionInterval | undefined;
}

/** Re-INVITEs and UPDATEs of ours: one at a time, tried again after a glare (RFC 3261 §14.1) and after a 422 (RFC 4028 §7.4). */
export class OwnRequests {
  readonly #options: OwnRequestsOptions;
  #open: 'nothing' | 'offer' | 'other' = 'nothing';
  #fail: ((error: Error) => void) | undefined;
  #cancelPause: (() => void) | undefined;
  #closed = false;

  constructor(options: OwnRequestsOptions) {
    this.#options = options;
  }

  /** True while an offer of ours waits for its answer: the peer's offers hear 491 (RFC 3261 §14.2, RFC 3311 §5.2). */
  get offering(): boolean {
    return this.#open === 'offer';
  }

  /** @throws SrsError `SRS_SIP_DIALOG_STATE`, `SRS_SIP_TIMEOUT`, or what the transport said */
  send(request: SipDialogRequest): Promise<OwnOutcome> {
    if (this.#closed) return Promise.reject(new SrsError('SRS_SIP_DIALOG_STATE', 'the dialog is over'));
    if (this.#fail !== undefined) {
      return Promise.reject(new SrsError('SRS_SIP_DIALOG_STATE', 'a request of ours is under way'));
    }
    return new Promise<OwnOutcome>((resolve, reject) => {
      this.#fail = reject;
      this.#try(request).then(resolve, reject);
    }).finally(() => {
      this.#fail = undefined;
      this.#open = 'nothing';
    });
  }

  /** The dialog is over: what waits here fails, though its transaction lives on to be acknowledged. */
  close(): void {
    this.#closed = true;
    this.#cancelPause?.();
    this.#fail?.(new SrsError('SRS_SIP_DIALOG_STATE', 'the dialog ended'));
  }

  async #try(request: SipDialogRequest): Promise<OwnOutcome> {
    let interval = this.#options.interval();
    for (let tries = 1; ; tries++) {
      await this.#options.untilQuiet();
      if (this.#closed) throw new SrsError('SRS_SIP_DIALOG_STATE', 'the dialog ended');
      const response = await this.#exchange(request, interval);
      if (tries === GLARE_TRIES || this.#closed) return { response, interval };
      if (response.status === 491) await this.#pause();
      else if (response.status === 422) {
        const longer = lengthened(interval, headerValue(response, 'min-se'));
        if (longer === undefined) return { response, interval };
        interval = longer;
      } else return { response, interval };
    }
  }

  async #exchange(request: SipDialogRequest, interval: SessionInterval | undefined): Promise<SipResponse> {
    const { method, body } = request;
    const headers: SipHeader[] = [
      { name: 'contact', value: this.#options.contact },
      { name: 'allow', value: ALLOWED_METHODS },
      { name: 'supported', value: SUPPORTED },
      ...refreshHeaders(interval),
    ];
    const own = new Set(headers.map(({ name }) => name));
    for (const [key, value] of Object.entries(request.headers ?? {})) {
      const name = key.toLowerCase();
      if (!own.has(name)) headers.push({ name, value });
    }
    if (body !== undefined) headers.push({ name: 'content-type', value: body.type });
    const offer = method === 'INVITE' || bearsSessionDescription(body?.type, body?.content ?? '');
    this.#open = offer ? 'offer' : 'other';
    try {
      return await this.#options.sender.send(method, headers, body?.content, () => !this.#closed);
    } finally {
      this.#open = 'nothing';
    }
  }

  #pause(): Promise<void> {
    const { scope, options } = this.#options.core;
    const ms = options.glareWaitMs?.() ?? glareWaitMs();
    return new Promise((resolve) => {
      this.#cancelPause = scope.timeout(resolve, ms);
    });
  }
}

/** The interval that a 422 asks for, or undefined when it asks for nothing that we did not offer. */
function lengthened(interval: SessionInterval | undefined, minimum: string | undefined): SessionInterval | undefined {
  const seconds = Number(/^\s*(\d{1,9})/.exec(minimum ?? '')?.[1] ?? 0);
  return interval === undefined || seconds <= interval.seconds ? undefined : { ...interval, seconds };
}
