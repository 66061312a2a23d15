import type { CallEvent } from '../core/call-event.js';

/** An event on its way to the broker. */
export interface Outgoing {
  readonly event: CallEvent;
  readonly body: Buffer;
}

interface Lane {
  readonly callId: string;
  /** The head is the one in flight when `inFlight`. */
  readonly waiting: Outgoing[];
  inFlight: boolean;
  held: boolean;
}

/**
 * The order of what goes to the broker: one lane per call, and in each lane one event in flight. The next event of a call
 * leaves only when the broker has confirmed the one before, so nothing that fails, comes back or is sent twice can change
 * the order within a call; calls do not wait for each other. Pure: no sockets, no timers.
 */
export class CallLanes {
  readonly #lanes = new Map<string, Lane>();
  /** Lanes whose head can be sent, in the order in which they became so. */
  readonly #ready = new Set<Lane>();
  #count = 0;
  #bytes = 0;
  #inFlight = 0;

  /** Events not yet confirmed. */
  get count(): number {
    return this.#count;
  }

  /** Of the bodies held. */
  get bytes(): number {
    return this.#bytes;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  add(outgoing: Outgoing): void {
    const { callId } = outgoing.event;
    let lane = this.#lanes.get(callId);
    if (!lane) {
      lane = { callId, waiting: [], inFlight: false, held: false };
      this.#lanes.set(callId, lane);
    }
    lane.waiting.push(outgoing);
    this.#count += 1;
    this.#bytes += outgoing.body.length;
    this.#offer(lane);
  }

  /** Takes the next event to send; it is in flight from now on. */
  take(): Outgoing | undefined {
    const [lane] = this.#ready;
    const head = lane?.waiting[0];
    if (!lane || !head) return undefined;
    this.#ready.delete(lane);
    lane.inFlight = true;
    this.#inFlight += 1;
    return head;
  }

  /** The broker has it: it is forgotten here. */
  confirmed(outgoing: Outgoing): void {
    const lane = this.#land(outgoing);
    if (!lane) return;
    lane.waiting.shift();
    this.#count -= 1;
    this.#bytes -= outgoing.body.length;
    if (lane.waiting.length === 0) this.#lanes.delete(lane.callId);
    else this.#offer(lane);
  }

  /** The broker does not have it: it stays first in its lane, which is held until `releaseHeld`. */
  refused(outgoing: Outgoing): void {
    const lane = this.#land(outgoing);
    if (lane) lane.held = true;
  }

  /** Lets lanes with a refused head try again. */
  releaseHeld(): void {
    for (const lane of this.#lanes.values()) {
      lane.held = false;
      this.#offer(lane);
    }
  }

  /** The connection is gone and with it every answer: whatever was in flight is to be sent again. */
  reset(): void {
    for (const lane of this.#lanes.values()) lane.inFlight = false;
    this.#inFlight = 0;
    this.releaseHeld();
  }

  #land(outgoing: Outgoing): Lane | undefined {
    const lane = this.#lanes.get(outgoing.event.callId);
    if (!lane?.inFlight || lane.waiting[0] !== outgoing) return undefined;
    lane.inFlight = false;
    this.#inFlight -= 1;
    return lane;
  }

  #offer(lane: Lane): void {
    if (!lane.inFlight && !lane.held && lane.waiting.length > 0) this.#ready.add(lane);
  }
}
