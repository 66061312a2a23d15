import { type Clock, systemClock } from '../core/clock.js';
import type { LegProtection } from './leg-protection.js';
import type { LegReports } from './leg-reports.js';
import type { RtpStream } from './rtp-stream.js';
import type { UdpSocket } from './udp-socket.js';

/** One leg on its way: what is sent, from where and to where. `target` is absent when the SRS refused the stream. */
export interface SendingLeg {
  readonly stream: RtpStream;
  readonly socket: UdpSocket;
  readonly reports?: LegReports;
  /** Of SRTP; plain RTP without. */
  readonly protection?: LegProtection | undefined;
  readonly target?: { readonly address: string; readonly port: number };
}

/**
 * Sends the packets of all legs on one schedule. Every packet has its absolute time, so a late timer delays packets but never
 * shifts the rest of the call; packets of one instant leave together.
 */
export class RtpSender {
  readonly #legs: readonly SendingLeg[];
  readonly #packetTimeMs: number;
  readonly #clock: Clock;
  #startedAt: number | undefined;
  #instant = 0;
  #heldMs = 0;
  #lateMs = 0;

  constructor(legs: readonly SendingLeg[], packetTimeMs: number, clock: Clock = systemClock) {
    this.#legs = legs;
    this.#packetTimeMs = packetTimeMs;
    this.#clock = clock;
  }

  /** Audio sent so far, in ms. */
  get positionMs(): number {
    return this.#instant * this.#packetTimeMs;
  }

  /** The same on the clock of the call: with the time in which nothing was sent. */
  get clockMs(): number {
    return this.positionMs + this.#heldMs;
  }

  /** How late the latest packet left. */
  get lateMs(): number {
    return this.#lateMs;
  }

  /** Sends until `untilMs` of the audio, its end, or an abort; resolves when the last packet's own time is over too. */
  async sendUntil(untilMs: number, signal: AbortSignal): Promise<'reached' | 'ended' | 'aborted'> {
    this.#startedAt ??= this.#clock.monotonic();
    while (!signal.aborted) {
      if (this.positionMs >= untilMs) return 'reached';
      if (!this.#sendInstant()) return 'ended';
      await this.#waitUntilDue(signal);
    }
    return 'aborted';
  }

  /** Sends nothing while `work` goes on, as on hold. Timestamps go on by the time that it took, in whole packets. */
  async pauseWhile(work: () => Promise<void>, signal: AbortSignal): Promise<void> {
    const began = this.#clock.monotonic();
    await work();
    const packets = Math.ceil((this.#clock.monotonic() - began) / this.#packetTimeMs);
    const ms = packets * this.#packetTimeMs;
    this.#heldMs += ms;
    for (const { stream } of this.#legs) stream.skip(ms);
    await this.#waitUntilDue(signal);
  }

  #sendInstant(): boolean {
    let sent = false;
    this.#lateMs = Math.max(this.#lateMs, this.#clock.monotonic() - (this.#startedAt ?? 0) - this.clockMs);
    for (const { stream, socket, target, reports, protection } of this.#legs) {
      const packet = stream.next();
      if (packet === undefined) continue;
      sent = true;
      if (target === undefined) continue;
      socket.send(protection ? protection.sealRtp(packet) : packet, target.port, target.address);
      reports?.sent();
    }
    if (sent) this.#instant += 1;
    return sent;
  }

  /** Waits for the time of the next packet, which is reckoned from the start and not from now. */
  #waitUntilDue(signal: AbortSignal): Promise<void> {
    const due = (this.#startedAt ?? 0) + this.clockMs;
    const ms = due - this.#clock.monotonic();
    if (ms <= 0) return new Promise((resolve) => setImmediate(resolve));
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, Math.ceil(ms));
      signal.addEventListener('abort', done, { once: true });
    });
  }
}
