import type { CallEvent, CallFacts, LegDescription } from '../core/call-event.js';

/** What of the past is still held, for a reader that comes back with `since`. */
export interface EventReplay {
  /** Oldest first. */
  readonly events: readonly CallEvent[];
  /** False when events after `since` are gone, or `since` belongs to an earlier run of the process. */
  readonly complete: boolean;
}

/** Holds published events in order of their `seq`. A durable log can take the place of the one in memory. */
export interface EventLog {
  append(event: CallEvent): void;
  /** Events with a greater `seq`, at most `limit` of those that `filter` takes. */
  since(seq: number, filter?: (event: CallEvent) => boolean, limit?: number): EventReplay;
  /** 0 before the first event. */
  readonly lastSeq: number;
}

export interface MemoryEventLogOptions {
  readonly maxEvents?: number;
  /** Of text and fixed overhead, not of the heap. */
  readonly maxBytes?: number;
}

const DEFAULT_MAX_EVENTS = 20_000;
const DEFAULT_MAX_BYTES = 32 * 1024 * 1024;
/** Fields besides text and words, generously. */
const FIXED_BYTES = 600;
const BYTES_PER_WORD = 80;
const BYTES_PER_LEG = 200;
const BYTES_PER_ENTRY = 120;

/** Keeps the youngest events and forgets the oldest ones, whichever limit is met first. */
export class MemoryEventLog implements EventLog {
  readonly #maxEvents: number;
  readonly #maxBytes: number;
  #events: CallEvent[] = [];
  /** Events before this index are forgotten; the array is cut when they are the greater half. */
  #first = 0;
  #bytes = 0;
  #lastSeq = 0;
  #forgottenSeq = 0;

  constructor(options: MemoryEventLogOptions = {}) {
    this.#maxEvents = options.maxEvents ?? DEFAULT_MAX_EVENTS;
    this.#maxBytes = options.maxBytes ?? DEFAULT_MAX_BYTES;
  }

  get lastSeq(): number {
    return this.#lastSeq;
  }

  /** How many events are held. */
  get size(): number {
    return this.#events.length - this.#first;
  }

  append(event: CallEvent): void {
    if (this.size === 0) this.#forgottenSeq = event.seq - 1;
    this.#events.push(event);
    this.#bytes += eventBytes(event);
    this.#lastSeq = event.seq;
    while (this.size > 1 && (this.size > this.#maxEvents || this.#bytes > this.#maxBytes)) this.#forgetOldest();
  }

  since(seq: number, filter?: (event: CallEvent) => boolean, limit = Number.POSITIVE_INFINITY): EventReplay {
    const complete = seq >= this.#forgottenSeq && seq <= this.#lastSeq;
    // A place in an earlier run tells nothing about this one: all that is held is news to that reader.
    const after = seq > this.#lastSeq ? 0 : seq;
    const events: CallEvent[] = [];
    for (let index = this.#indexAfter(after); index < this.#events.length && events.length < limit; index += 1) {
      const event = this.#events[index];
      if (event && (!filter || filter(event))) events.push(event);
    }
    return { events, complete };
  }

  #indexAfter(seq: number): number {
    let low = this.#first;
    let high = this.#events.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#events[middle]?.seq ?? 0) > seq) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  #forgetOldest(): void {
    const oldest = this.#events[this.#first];
    if (!oldest) return;
    this.#first += 1;
    this.#forgottenSeq = oldest.seq;
    this.#bytes -= eventBytes(oldest);
    if (this.#first * 2 > this.#events.length) {
      this.#events = this.#events.slice(this.#first);
      this.#first = 0;
    }
  }
}

function eventBytes(event: CallEvent): number {
  const callBytes = FIXED_BYTES + event.callId.length * 2;
  if (event.type === 'transcript.final') {
    return callBytes + event.text.length * 2 + event.words.length * BYTES_PER_WORD;
  }
  if ('legs' in event) return callBytes + legBytes(event.legs) + factBytes(event);
  return callBytes;
}

function legBytes(legs: readonly LegDescription[]): number {
  return legs.reduce((bytes, { label, speaker }) => {
    const { participantId = '', name = '', aor = '' } = speaker;
    return bytes + BYTES_PER_LEG + (label.length + participantId.length + name.length + aor.length) * 2;
  }, 0);
}

/** Who takes part is told again in every event of a call: some hundred people with long names are more than all words. */
function factBytes({ participants = [], communicationSessions = [], attributes = {} }: CallFacts): number {
  let bytes = 0;
  for (const { id, name = '', aor = '', role = '' } of participants) {
    bytes += BYTES_PER_ENTRY + (id.length + name.length + aor.length + role.length) * 2;
  }
  for (const { id, groupId = '' } of communicationSessions) bytes += BYTES_PER_ENTRY + (id.length + groupId.length) * 2;
  for (const [name, values] of Object.entries(attributes)) {
    bytes += BYTES_PER_ENTRY + (name.length + values.join().length) * 2;
  }
  return bytes;
}
