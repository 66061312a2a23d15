import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import type { FfmpegDecoderName } from '../core/audio-codec.js';

/** What may wait for a child that does not read: its pipe is full then, and it hangs. */
const MAX_UNREAD_BYTES = 65_536;

interface Feed {
  readonly format: string;
  /** Before the first frame. */
  readonly magic: string;
  /**
   * After every packet. ffmpeg's parser of AMR hands a frame on when it has seen the next one. This one is none: a type that no decoder
   * makes samples of, so the frame before it comes out without waiting for the speaker's next breath.
   */
  readonly filler: Uint8Array;
}

const FEEDS: Readonly<Record<FfmpegDecoderName, Feed>> = {
  g729: { format: 'g729', magic: '', filler: new Uint8Array(0) },
  // 15 is "no data" of AMR. AMR-WB's decoder makes samples for that, but none for 10, which is not used.
  amrnb: { format: 'amr', magic: '#!AMR\n', filler: Uint8Array.of((15 << 3) | 4) },
  amrwb: { format: 'amr', magic: '#!AMR-WB\n', filler: Uint8Array.of((10 << 3) | 4) },
};

export interface FfmpegStreamEvents {
  /** Decoded samples, in order: of every frame as many as its codec says. */
  samples(samples: Int16Array): void;
  /** The child is gone: it died, or everything is decoded after `end`. Called once, not after `close`. */
  ended(): void;
}

/**
 * An ffmpeg that decodes one stream: frames in on its standard input, samples out on its standard output. It is started without a shell,
 * in a group of its own so that a Ctrl-C meant for the server leaves it its last frames, and ends by itself when the server is gone.
 */
export class FfmpegStream {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #feed: Feed;
  readonly #events: FfmpegStreamEvents;
  /** The first byte of a sample whose second one has not come yet. */
  #half: Buffer | undefined;
  #gone = false;

  constructor(program: string, decoder: FfmpegDecoderName, events: FfmpegStreamEvents) {
    this.#feed = FEEDS[decoder];
    this.#events = events;
    // `nobuffer` would throw away the frames that ffmpeg looks at first, and `direct` those that it reads ahead.
    const quick = ['-probesize', '32', '-analyzeduration', '0', '-flags', 'low_delay'];
    const input = ['-f', this.#feed.format, '-i', 'pipe:0'];
    const output = ['-f', 's16le', '-flush_packets', '1', 'pipe:1'];
    const args = ['-hide_banner', '-nostdin', '-loglevel', 'quiet', '-threads', '1', ...quick, ...input, ...output];
    // Nothing of our environment is its business, keys and passwords least of all.
    const env = { PATH: process.env.PATH ?? '' };
    this.#child = spawn(program, args, { stdio: ['pipe', 'pipe', 'ignore'], detached: true, env });
    this.#child.on('error', () => this.#end());
    this.#child.on('close', () => this.#end());
    // A child that died is told of by its end.
    this.#child.stdin.on('error', () => {});
    this.#child.stdout.on('error', () => {});
    this.#child.stdout.on('data', (bytes: Buffer) => this.#take(bytes));
    this.#child.stdin.write(this.#feed.magic, 'latin1');
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Hands over the frames of a packet. False when the child does not read any more: it is to be closed then. */
  feed(frames: readonly Uint8Array[]): boolean {
    const { stdin } = this.#child;
    if (this.#gone || stdin.destroyed || stdin.writableLength > MAX_UNREAD_BYTES) return false;
    stdin.write(Buffer.concat([...frames, this.#feed.filler]));
    return true;
  }

  /** Nothing more is to come. It ends when it has said what it holds. */
  end(): void {
    if (!this.#child.stdin.destroyed) this.#child.stdin.end();
  }

  /** Ends it at once; nothing is heard of it any more. Idempotent. */
  close(): void {
    this.#gone = true;
    this.#child.stdin.destroy();
    this.#child.stdout.destroy();
    this.#child.kill('SIGKILL');
  }

  #take(bytes: Buffer): void {
    if (this.#gone) return;
    const all = this.#half ? Buffer.concat([this.#half, bytes]) : bytes;
    const whole = all.length & ~1;
    this.#half = whole < all.length ? Buffer.from(all.subarray(whole)) : undefined;
    // Copied, because a buffer of the pool may begin at an odd place.
    const samples = new Int16Array(whole >> 1);
    Buffer.from(samples.buffer).set(all.subarray(0, whole));
    this.#events.samples(samples);
  }

  #end(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#events.ended();
  }
}
