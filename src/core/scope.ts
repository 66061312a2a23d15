/** Anything that can be closed; closing twice is the same as once. */
export type Closer = () => void | Promise<void>;

/**
 * A disposal tree: the single owner of sockets, timers, children and files of a call or of the process.
 * Closing runs the closers in reverse order of their arrival, every one of them, even when one throws.
 */
export class Scope {
  readonly name: string;
  #closers = new Set<Closer>();
  #closing: Promise<void> | undefined;

  constructor(name: string) {
    this.name = name;
  }

  get closed(): boolean {
    return this.#closing !== undefined;
  }

  /** How many resources are held. Tests count it. */
  get size(): number {
    return this.#closers.size;
  }

  /** Adds a closer. On a closed scope it runs at once, so that a late resource cannot leak. Returns a release function. */
  own(closer: Closer): () => void {
    if (this.#closing) {
      void Promise.resolve(closer()).catch(() => {});
      return () => {};
    }
    this.#closers.add(closer);
    return () => {
      this.#closers.delete(closer);
    };
  }

  /** A child scope that closes with this one, and leaves it when it closes first. */
  child(name: string): Scope {
    const scope = new Scope(`${this.name}/${name}`);
    const release = this.own(() => scope.close());
    scope.own(release);
    return scope;
  }

  /** A timer that cannot outlive the scope. Returns a function that cancels it. */
  timeout(callback: () => void, ms: number): () => void {
    const timer = setTimeout(() => {
      release();
      callback();
    }, ms);
    const release = this.own(() => clearTimeout(timer));
    return () => {
      clearTimeout(timer);
      release();
    };
  }

  /** A repeating timer that cannot outlive the scope. Returns a function that cancels it. */
  interval(callback: () => void, ms: number): () => void {
    const timer = setInterval(callback, ms);
    const release = this.own(() => clearInterval(timer));
    return () => {
      clearInterval(timer);
      release();
    };
  }

  /** Idempotent; concurrent callers wait for the same end. Throws an AggregateError when closers threw. */
  close(): Promise<void> {
    this.#closing ??= this.#closeAll();
    return this.#closing;
  }

  async #closeAll(): Promise<void> {
    const failures: unknown[] = [];
    const closers = [...this.#closers].reverse();
    this.#closers.clear();
    for (const closer of closers) {
      try {
        await closer();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, `scope ${this.name} closed with failures`);
  }
}
