import { SrsError } from '../core/errors.js';
import { EVERYTHING } from './subscriptions.js';

/** What a WebSocket client may say. */
export type ClientMessage =
  | { readonly type: 'subscribe' | 'unsubscribe'; readonly name: string; readonly key: 'call_uuid' | 'call_id' }
  | { readonly type: 'ping' };

const MAX_NAME_LENGTH = 1_024;

/** Reads a frame of a client. Throws `SRS_LISTENER` with words for the client. */
export function parseClientMessage(frame: string): ClientMessage {
  let value: unknown;
  try {
    value = JSON.parse(frame);
  } catch {
    throw new SrsError('SRS_LISTENER', 'a message must be one JSON object');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new SrsError('SRS_LISTENER', 'a message must be one JSON object');
  }
  const type = 'type' in value ? value.type : undefined;
  if (type === 'ping') return { type };
  if (type !== 'subscribe' && type !== 'unsubscribe') {
    throw new SrsError('SRS_LISTENER', 'type must be subscribe, unsubscribe or ping');
  }
  const key = 'call_id' in value && !('call_uuid' in value) ? 'call_id' : 'call_uuid';
  const name: unknown = key in value ? Reflect.get(value, key) : EVERYTHING;
  if (typeof name !== 'string' || name === '' || name.length > MAX_NAME_LENGTH) {
    throw new SrsError('SRS_LISTENER', `${key} must be a text of 1 to ${MAX_NAME_LENGTH} characters`);
  }
  return { type, name, key };
}
