import { ACCEPTED_TYPES } from './rs-body.js';

/** Methods that a 405, a 200 and OPTIONS name. */
export const ALLOWED_METHODS = 'INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, INFO';

/** What this server is able to do, as OPTIONS and every 200 to an INVITE say it (RFC 3261 §11.2, §13.3.1.4). */
export function capabilities(): Record<string, string> {
  return { Accept: ACCEPTED_TYPES, Allow: ALLOWED_METHODS, Supported: 'siprec' };
}
