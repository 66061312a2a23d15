import type { CallEvent } from '../core/call-event.js';
import { callUuid } from './event-json.js';

/** The word for everything, in `subscribe` and `unsubscribe`. */
export const EVERYTHING = '*';
const MAX_SUBSCRIPTIONS = 1_000;

/**
 * What one reader wants to hear: legs by `call_uuid`, calls by `call_id`, or everything. A reader that names nothing hears
 * everything, as with other SIPREC servers, until it subscribes to something of its own.
 */
export class Subscriptions {
  readonly #names = new Set<string>();
  #everything: boolean;
  /** Everything was not asked for but given. */
  #byDefault: boolean;

  constructor(names: readonly string[]) {
    for (const name of names.slice(0, MAX_SUBSCRIPTIONS)) this.#names.add(name);
    this.#byDefault = this.#names.size === 0;
    this.#everything = this.#byDefault || this.#names.has(EVERYTHING);
    this.#names.delete(EVERYTHING);
  }

  /** False when there are too many. */
  add(name: string): boolean {
    if (name === EVERYTHING) {
      this.#everything = true;
      this.#byDefault = false;
      return true;
    }
    if (this.#names.size >= MAX_SUBSCRIPTIONS && !this.#names.has(name)) return false;
    if (this.#byDefault) this.#everything = false;
    this.#byDefault = false;
    this.#names.add(name);
    return true;
  }

  /** Taking the last one off leaves nothing, not everything. */
  remove(name: string): void {
    if (name === EVERYTHING) this.#everything = false;
    else this.#names.delete(name);
    this.#byDefault = false;
  }

  takes(event: CallEvent): boolean {
    return this.#everything || this.#names.has(event.callId) || this.#names.has(callUuid(event));
  }
}
