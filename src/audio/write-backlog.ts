/** What is given up goes in slices of this length, the same for all files of a call, so that they lack the same stretch. */
const SLICE_MS = 512;

/** Memory that the backlogs of one thread may take together. Whoever holds most of it gives way first, so no call takes it all. */
export class BacklogBudget {
  readonly limitBytes: number;
  readonly #owners = new Set<CallBacklog>();
  #usedBytes = 0;

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** False when there is no room even after everything that could give way has given way. */
  take(owner: CallBacklog, bytes: number): boolean {
    while (this.#usedBytes + bytes > this.limitBytes) {
      let largest: CallBacklog | undefined;
      for (const other of this.#owners) if (!largest || other.bytes > largest.bytes) largest = other;
      if (!largest?.giveUpOldest()) return false;
    }
    this.#usedBytes += bytes;
    owner.bytes += bytes;
    this.#owners.add(owner);
    return true;
  }

  giveBack(owner: CallBacklog, bytes: number): void {
    this.#usedBytes -= bytes;
    owner.bytes -= bytes;
    if (owner.bytes === 0) this.#owners.delete(owner);
  }
}

/** What the files of one call have not been able to write. */
export class CallBacklog {
  /** Held now; kept by the budget. */
  bytes = 0;
  readonly #budget: BacklogBudget;
  readonly #files = new Set<FileBacklog>();

  constructor(budget: BacklogBudget) {
    this.#budget = budget;
  }

  /**
   * A backlog for one file more.
   *
   * @param givenUp told of frames that will never be written
   */
  file(
    format: { readonly sampleRate: number; readonly channels: number },
    givenUp: (from: number, to: number) => void,
  ): FileBacklog {
    const frameBytes = format.channels * 2;
    const sliceBytes = Math.round((format.sampleRate * SLICE_MS) / 1000) * frameBytes;
    const memory = {
      take: () => this.#budget.take(this, sliceBytes),
      giveBack: () => this.#budget.giveBack(this, sliceBytes),
    };
    const file = new FileBacklog(frameBytes, sliceBytes, memory, givenUp);
    this.#files.add(file);
    return file;
  }

  remove(file: FileBacklog): void {
    file.clear();
    this.#files.delete(file);
  }

  /** Gives up the oldest slice of all files: what is kept is what was said last. False when nothing is held. */
  giveUpOldest(): boolean {
    let oldest = Number.POSITIVE_INFINITY;
    for (const file of this.#files) oldest = Math.min(oldest, file.oldest);
    if (!Number.isFinite(oldest)) return false;
    for (const file of this.#files) file.giveUp(oldest);
    return true;
  }
}

/** `spans` are the bytes of it that are known: `from, to, from, to …`, rising, never touching. */
interface Slice {
  readonly bytes: Uint8Array;
  spans: number[];
}

/** Never written to. */
const NONE = new Map<number, Slice>();

/** The bytes of one file that wait for its disk, in slices by their place. Pure: whoever writes them is passed in. */
export class FileBacklog {
  readonly #frameBytes: number;
  readonly #sliceBytes: number;
  readonly #memory: { take(): boolean; giveBack(): void };
  readonly #givenUp: (from: number, to: number) => void;
  /** Made when something waits, which of most files nothing ever does. */
  #slices: Map<number, Slice> = NONE;

  constructor(
    frameBytes: number,
    sliceBytes: number,
    memory: { take(): boolean; giveBack(): void },
    givenUp: (from: number, to: number) => void,
  ) {
    this.#frameBytes = frameBytes;
    this.#sliceBytes = sliceBytes;
    this.#memory = memory;
    this.#givenUp = givenUp;
  }

  get empty(): boolean {
    return this.#slices.size === 0;
  }

  /** Number of the oldest slice; infinite when there is none. */
  get oldest(): number {
    let oldest = Number.POSITIVE_INFINITY;
    for (const index of this.#slices.keys()) oldest = Math.min(oldest, index);
    return oldest;
  }

  /** Keeps `length` bytes of `block` for a frame, over what waits there already. */
  put(frame: number, block: Uint8Array, offset: number, length: number): void {
    this.#eachPart(frame * this.#frameBytes, length, (index, from, to, done) => {
      const slice = this.#slices.get(index) ?? this.#newSlice(index);
      if (!slice) {
        this.#tell(index, from, to);
        return;
      }
      slice.bytes.set(block.subarray(offset + done, offset + done + to - from), from);
      slice.spans = withSpan(slice.spans, from, to);
    });
  }

  /** Lays what waits over `length` bytes that were read from the file at a frame. */
  overlay(frame: number, block: Uint8Array, offset: number, length: number): void {
    this.#eachPart(frame * this.#frameBytes, length, (index, from, to, done) => {
      const slice = this.#slices.get(index);
      if (!slice) return;
      eachSpan(slice.spans, (start, end) => {
        const [low, high] = [Math.max(start, from), Math.min(end, to)];
        if (low < high) block.set(slice.bytes.subarray(low, high), offset + done + low - from);
      });
    });
  }

  /** Hands everything to `write`, oldest first, and forgets what it took. What it throws ends this; the rest waits on. */
  drain(write: (frame: number, block: Uint8Array, offset: number, length: number) => void): void {
    for (const index of [...this.#slices.keys()].sort((a, b) => a - b)) {
      const slice = this.#slices.get(index);
      if (!slice) continue;
      eachSpan(slice.spans, (from, to) => {
        write((index * this.#sliceBytes + from) / this.#frameBytes, slice.bytes, from, to - from);
      });
      this.#forget(index);
    }
  }

  /** Drops what waits at or beyond a frame: the file ends there. */
  cut(frames: number): void {
    const end = frames * this.#frameBytes;
    for (const [index, slice] of [...this.#slices]) {
      const keep = end - index * this.#sliceBytes;
      if (keep >= this.#sliceBytes) continue;
      const spans: number[] = [];
      eachSpan(slice.spans, (from, to) => {
        if (from < keep) spans.push(from, Math.min(to, keep));
      });
      slice.spans = spans;
      if (spans.length === 0) this.#forget(index);
    }
  }

  /** Gives up one slice, when it is held. */
  giveUp(index: number): void {
    const slice = this.#slices.get(index);
    if (!slice) return;
    this.#forget(index);
    eachSpan(slice.spans, (from, to) => this.#tell(index, from, to));
  }

  giveUpAll(): void {
    for (const index of [...this.#slices.keys()].sort((a, b) => a - b)) this.giveUp(index);
  }

  /** Forgets everything; the file is not wanted any more. */
  clear(): void {
    for (const index of [...this.#slices.keys()]) this.#forget(index);
  }

  #newSlice(index: number): Slice | undefined {
    if (!this.#memory.take()) return undefined;
    const slice: Slice = { bytes: new Uint8Array(this.#sliceBytes), spans: [] };
    if (this.#slices === NONE) this.#slices = new Map();
    this.#slices.set(index, slice);
    return slice;
  }

  #forget(index: number): void {
    if (this.#slices.delete(index)) this.#memory.giveBack();
  }

  #tell(index: number, from: number, to: number): void {
    const base = index * this.#sliceBytes;
    this.#givenUp((base + from) / this.#frameBytes, (base + to) / this.#frameBytes);
  }

  #eachPart(start: number, length: number, visit: (index: number, from: number, to: number, done: number) => void) {
    for (let done = 0; done < length; ) {
      const index = Math.floor((start + done) / this.#sliceBytes);
      const from = start + done - index * this.#sliceBytes;
      const to = Math.min(this.#sliceBytes, from + length - done);
      visit(index, from, to, done);
      done += to - from;
    }
  }
}

function eachSpan(spans: readonly number[], visit: (from: number, to: number) => void): void {
  for (let at = 0; at < spans.length; at += 2) visit(spans[at] as number, spans[at + 1] as number);
}

/** The spans with one more, those that overlap or touch it joined with it. */
function withSpan(spans: readonly number[], from: number, to: number): number[] {
  const before: number[] = [];
  const after: number[] = [];
  let [low, high] = [from, to];
  eachSpan(spans, (start, end) => {
    if (end < from) before.push(start, end);
    else if (start > to) after.push(start, end);
    else {
      low = Math.min(low, start);
      high = Math.max(high, end);
    }
  });
  return [...before, low, high, ...after];
}
