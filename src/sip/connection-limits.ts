import type { ConnectionRefusal } from '../core/metrics.js';
import { peerKey } from './peer-key.js';

export interface ConnectionLimitsOptions {
  /** Connections accepted at once, over all ports. */
  readonly total: number;
  /** Of these, from one address (IPv6: from one /64). */
  readonly perPeer: number;
}

/** Counts accepted connections of all stream transports together, handshakes included. */
export class ConnectionLimits {
  readonly #options: ConnectionLimitsOptions;
  readonly #byPeer = new Map<string, number>();
  #total = 0;

  constructor(options: ConnectionLimitsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#total;
  }

  /** Takes a place, or says why there is none. The returned function gives it back; calling it again does nothing. */
  admit(address: string): (() => void) | Extract<ConnectionRefusal, 'full' | 'peer_full'> {
    const key = peerKey(address);
    const held = this.#byPeer.get(key) ?? 0;
    if (this.#total >= this.#options.total) return 'full';
    if (held >= this.#options.perPeer) return 'peer_full';
    this.#total++;
    this.#byPeer.set(key, held + 1);
    let released = false;
    return () => {
      if (released) return;
      released = true;
      this.#total--;
      const left = (this.#byPeer.get(key) ?? 1) - 1;
      if (left === 0) this.#byPeer.delete(key);
      else this.#byPeer.set(key, left);
    };
  }
}
