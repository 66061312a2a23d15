import type { Readable } from 'node:stream';

/** The last bytes of a stream; what came before them is forgotten, so that a chatty program costs no memory. */
export class OutputTail {
  /** Resolves when the writer closed the stream or it broke. Never rejects. */
  readonly ended: Promise<void>;
  readonly #stream: Readable;
  readonly #limit: number;
  #chunks: Buffer[] = [];
  #bytes = 0;

  constructor(stream: Readable, limitBytes: number) {
    this.#stream = stream;
    this.#limit = limitBytes;
    this.ended = new Promise((resolve) => {
      stream.once('close', resolve);
      stream.once('end', resolve);
      stream.once('error', () => resolve());
    });
    stream.on('error', () => {});
    stream.on('data', (chunk: Buffer) => this.#take(chunk));
  }

  /** Decoded as UTF-8. A first line that was cut is dropped. */
  text(): string {
    const all = Buffer.concat(this.#chunks);
    if (all.byteLength <= this.#limit) return all.toString('utf8');
    const tail = all.subarray(all.byteLength - this.#limit);
    const newline = tail.indexOf(10);
    return tail.subarray(newline < 0 ? 0 : newline + 1).toString('utf8');
  }

  /** Stops listening, although somebody may still hold the other end. */
  close(): void {
    this.#stream.destroy();
  }

  #take(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#bytes += chunk.byteLength;
    // Twice the limit before anything is cut, so that a flood of small pieces is not copied for each of them.
    if (this.#bytes <= 2 * this.#limit) return;
    const all = Buffer.concat(this.#chunks);
    // One byte over the limit tells `text` that something was cut.
    this.#chunks = [all.subarray(all.byteLength - this.#limit - 1)];
    this.#bytes = this.#limit + 1;
  }
}
