import { encodeG711 } from '../../src/audio/g711.js';
import type { RtpSender } from './session-fixture.js';

/** How one packet after the other is sent: `index` counts them, `send` sends the payload as the next packet of the stream. */
export type Manner = (index: number, sender: RtpSender, payload: Uint8Array) => Promise<void>;

/** 20 ms of a tone that anybody can hear. */
export const TONE = encodeG711(
  'PCMU',
  Int16Array.from({ length: 160 }, (_, i) => Math.round(6000 * Math.sin((2 * Math.PI * i) / 16))),
);
/** 20 ms of digital zero. */
export const ZERO = new Uint8Array(160).fill(0xff);

export const plain: Manner = (_, sender, payload) => sender.send(payload);

/** Sends in real time until it is stopped, and goes on catching up after a delay, as a sender does. */
export class Talker {
  readonly #sender: RtpSender;
  #stopped = false;
  readonly #done: Promise<void>;
  sent = 0;

  constructor(sender: RtpSender, payload = TONE, manner: Manner = plain) {
    this.#sender = sender;
    this.#done = this.#talk(payload, manner);
  }

  async #talk(payload: Uint8Array, manner: Manner): Promise<void> {
    const start = performance.now();
    while (!this.#stopped) {
      const wait = start + this.sent * 20 - performance.now();
      if (wait > 1) await new Promise((resolve) => setTimeout(resolve, wait));
      await manner(this.sent, this.#sender, payload);
      this.sent++;
    }
  }

  /** Resolves when the last packet is out. */
  stop(): Promise<void> {
    this.#stopped = true;
    return this.#done;
  }
}
