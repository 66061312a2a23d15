import { Buffer } from 'node:buffer';
import type { RtpDropReason } from '../core/metrics.js';
import type { LegKeys, SrtpMasterKey, SrtpSuiteName } from '../core/srtp-suite.js';
import type { Warning } from '../core/warning.js';
import { SrtcpReceiver, SrtcpSender } from './srtcp.js';
import { MALFORMED, REPLAYED, UNAUTHENTICATED } from './srtp-packet.js';
import { SrtpReceiver } from './srtp-receiver.js';

/** Of this many packets in a row that claimed to be protected, nearly all must be authentic. One second of a G.711 stream. */
const SAMPLE_PACKETS = 50;
const MAX_FAILED = 45;
/** How long packets of former keys may be on their way after a re-INVITE, in ticks of 100 ms. */
const FORMER_TICKS = 50;
/** How soon a numbering may have turned over, by packets of 10 ms; and twice more, as nobody knows where it began. */
const ROLLOVER_MS = 65_536 * 10;
const MORE_ROLLOVERS = 2;

/** One agreement about keys. */
interface Agreement {
  readonly rtp: SrtpReceiver;
  readonly rtcp: SrtcpReceiver;
  readonly own: OwnRtcp;
}

/** Goes on when only the SRC's keys change: an index must not come twice under one key (RFC 3711 §9.1). */
interface OwnRtcp {
  readonly key: SrtpMasterKey;
  readonly sender: SrtcpSender;
}

/**
 * The SRTP of one leg in its worker: the keys in force and, for a few seconds, those before them, because packets are on their way while
 * a re-INVITE brings new ones (RFC 4568 §7.1.4). Without keys in force packets are plain, and those before may still be protected.
 */
export class LegSecurity {
  #suite: SrtpSuiteName | undefined;
  #now: Agreement | undefined;
  #former: Agreement | undefined;
  #formerTicks = 0;
  #missedMs = 0;
  #checked = 0;
  #failed = 0;
  /** Since the keys changed. */
  #told = false;
  readonly #leg: number;
  readonly #warn: ((warning: Warning) => void) | undefined;

  /** @param warn hears, once for the same keys, that nearly nothing was authentic: keys are wrong, or somebody floods the port */
  constructor(leg: number, warn?: (warning: Warning) => void) {
    this.#leg = leg;
    this.#warn = warn;
  }

  /** Whether packets are to be opened here before they are read; false for plain RTP. */
  get inForce(): boolean {
    return this.#now !== undefined || this.#former !== undefined;
  }

  /** Whether only packets of whoever has the keys get through: then their address has nothing more to prove. */
  get proves(): boolean {
    return this.#now !== undefined;
  }

  /**
   * The next keys have been in use for so long, in ms, in a worker that died, and its rollover counters with it. One that is not found again
   * would be the loss of the rest of the call.
   */
  takeOver(missedMs: number): void {
    this.#missedMs = missedMs;
  }

  /** @param keys null when the stream is plain from now on */
  change(keys: LegKeys | null): void {
    const missed = this.#missedMs > 0 ? Math.ceil(this.#missedMs / ROLLOVER_MS) + MORE_ROLLOVERS : 0;
    this.#missedMs = 0;
    this.#former = this.#now;
    this.#formerTicks = FORMER_TICKS;
    this.#now = keys === null ? undefined : agreement(keys, this.#former, missed);
    this.#suite = keys?.suite ?? this.#suite;
    this.#told = false;
  }

  tick(): void {
    if (this.#former && --this.#formerTicks <= 0) this.#former = undefined;
  }

  /** Opens an RTP packet in place, or tells why it is not taken. */
  openRtp(bytes: Uint8Array): Uint8Array | RtpDropReason {
    let length = this.#now ? this.#now.rtp.open(bytes) : UNAUTHENTICATED;
    if (length < 0 && this.#former) length = better(length, this.#former.rtp.open(bytes));
    if (!this.#now) return length < 0 ? bytes : bytes.subarray(0, length);
    this.#count(length >= 0);
    if (length >= 0) return bytes.subarray(0, length);
    if (length === MALFORMED) return 'malformed';
    return length === REPLAYED ? 'replayed' : 'unauthenticated';
  }

  /** The same for a compound RTCP packet; undefined when it is not authentic. Plain ones of a plain stream are left as they are. */
  openRtcp(bytes: Uint8Array): Uint8Array | undefined {
    let length = this.#now ? this.#now.rtcp.open(bytes) : UNAUTHENTICATED;
    if (length < 0 && this.#former) length = better(length, this.#former.rtcp.open(bytes));
    if (length >= 0) return bytes.subarray(0, length);
    return this.#now ? undefined : bytes;
  }

  /** Protects a compound RTCP packet of ours; the same bytes when the stream is plain. */
  sealRtcp(packet: Uint8Array): Uint8Array {
    return this.#now ? this.#now.own.sender.seal(packet) : packet;
  }

  statistics(): { readonly srtp?: SrtpSuiteName } {
    return this.#suite === undefined ? {} : { srtp: this.#suite };
  }

  #count(authentic: boolean): void {
    if (!authentic) this.#failed++;
    if (++this.#checked < SAMPLE_PACKETS) return;
    if (this.#failed >= MAX_FAILED && !this.#told) {
      this.#told = true;
      this.#warn?.({ code: 'srtp_unauthenticated', detail: `leg ${this.#leg}` });
    }
    this.#checked = 0;
    this.#failed = 0;
  }
}

function agreement({ suite, theirs, ours }: LegKeys, former: Agreement | undefined, missed: number): Agreement {
  const same = former !== undefined && Buffer.compare(former.own.key.key, ours.key) === 0;
  return {
    rtp: new SrtpReceiver(suite, theirs, former?.rtp, missed),
    rtcp: new SrtcpReceiver(suite, theirs),
    own: same ? former.own : { key: ours, sender: new SrtcpSender(suite, ours) },
  };
}

/** The packet under the former keys, or what was wrong with it under the present ones. */
function better(now: number, before: number): number {
  return before >= 0 ? before : now;
}
