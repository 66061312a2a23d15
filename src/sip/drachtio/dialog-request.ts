import { Buffer } from 'node:buffer';
import type { Socket } from 'node:net';
import { SrsError } from '../../core/errors.js';
import type { Scope } from '../../core/scope.js';
import { headerValue, readSipMessage } from '../message.js';
import type { SipDialogResponse } from '../sip-server.js';
import type { SrfAgent, SrfIncomingResponse, SrfRequest, SrfResponse } from './drachtio-link.js';
import type { WrittenMessage } from './drachtio-reply.js';

export interface PeerTarget {
  readonly agent: SrfAgent;
  readonly socket: Socket;
  readonly dialogId: string;
  /** drachtio-srf gives an UPDATE that crosses a request of ours to that request and to nobody else. */
  readonly onRequest: (request: SrfRequest, response: SrfResponse) => void;
}

/**
 * Sends a request of ours inside a dialog and resolves with its final response; the 2xx of an INVITE gets its ACK.
 *
 * @param scope its end rejects, since drachtio-srf tells nobody that a connection with waiting requests is gone
 * @throws SrsError `SRS_SIP_TIMEOUT`, `SRS_SIP_DIALOG_STATE` when the dialog is over
 */
export function askPeer(
  target: PeerTarget,
  method: string,
  message: WrittenMessage,
  scope: Scope,
  patienceMs: number,
): Promise<SipDialogResponse> {
  const { agent, socket, dialogId, onRequest } = target;
  return new Promise((resolve, reject) => {
    let release = (): void => {};
    const timeout = (): SrsError => new SrsError('SRS_SIP_TIMEOUT', `${method} was not answered`);
    const cancel = scope.timeout(() => {
      release();
      reject(timeout());
    }, patienceMs);
    const settle = (end: () => void): void => {
      cancel();
      release();
      end();
    };
    release = scope.own(() => settle(() => reject(new SrsError('SRS_SIP_DIALOG_STATE', 'the dialog is over'))));
    try {
      agent.request({ method, stackDialogId: dialogId, ...message, _socket: socket }, (error, sent) => {
        if (error || sent === undefined) {
          // The only reason that drachtio-server has: it does not know the dialog any more.
          settle(() => reject(new SrsError('SRS_SIP_DIALOG_STATE', `${method} was not sent`, { cause: error })));
          return;
        }
        sent.on('update', onRequest);
        sent.on('response', (response: SrfIncomingResponse, acknowledge: () => void) => {
          if (response.status < 200) return;
          if (method === 'INVITE' && response.status < 300) acknowledge();
          // drachtio-server makes this response when none came.
          settle(() => (response.status === 408 ? reject(timeout()) : resolve(readResponse(response))));
        });
      });
    } catch (error) {
      settle(() => reject(new SrsError('SRS_SIP_DIALOG_STATE', `${method} was not sent`, { cause: error })));
    }
  });
}

function readResponse(response: SrfIncomingResponse): SipDialogResponse {
  const reading = readSipMessage(Buffer.from(response.raw, 'utf8'));
  if ('error' in reading)
    return { status: response.status, header: (name) => response.get(name), body: new Uint8Array() };
  const { message } = reading;
  return { status: response.status, header: (name) => headerValue(message, name), body: message.body };
}
