import type { LegRemote } from './media-plane.js';
import { canonicalAddress } from './network-address.js';

/** Where the SDP says that a stream comes from, as far as it can be compared: addresses as `canonicalAddress` writes them. */
export interface AnnouncedSource {
  readonly address: string;
  readonly port: number;
}

/** Undefined when the SDP names nobody, or with a name. */
export function announcedSource(remote: LegRemote | undefined): AnnouncedSource | undefined {
  const address = canonicalAddress(remote?.address);
  return remote && address !== undefined ? { address, port: remote.port } : undefined;
}

/** About a second: a sender that is silent for as long may be followed by anybody. */
const SILENT_TICKS = 10;
/** Two ticks without a packet: long enough to know that an announced sender has stopped, and not only that its packet is late. */
const STOPPED_TICKS = 2;
/** Packets of the sender that was left, after which leaving it was a mistake. Fewer may have been on their way. */
const RETURN_AFTER = 3;

/**
 * Which sender a leg listens to. The SDP's address is often not the one that packets come from (NAT, media relays), so the first valid
 * packet decides. Anybody can send to an open port, so another address is followed only
 *
 * - when it is nearer to what the SDP announces than the present one: address and port, or at least the address;
 * - when the present one has been silent for a second;
 * - when it goes on with the stream that is heard, number by number, as behind a NAT that changes its mapping: nobody who does not hear
 *   the stream can guess that. An announced sender must have stopped first;
 * - after a new offer, when it is no further from what that announces.
 *
 * The last two are on probation for a second: when the sender that was left goes on all the same, nothing had moved. Then it is heard
 * again, and the other one is not before it is silent. All else is a stranger's. Pure, and compares nothing but the address while
 * one sender sends.
 */
export class SourceLatch {
  #address = '';
  #port = 0;
  #rank = 0;
  #silentTicks = 0;
  /** A new offer has come, and nothing from the present sender since. */
  #reopened = false;
  #announced: AnnouncedSource | undefined;
  /** The sender that was left, while the present one is on probation. */
  #left: AnnouncedSource | undefined;
  #probation = 0;
  #returns = 0;
  /** Whoever took a stream that went on without it. */
  #barred: AnnouncedSource | undefined;

  constructor(announced?: AnnouncedSource) {
    this.#announced = announced;
  }

  /** Who is heard; undefined before the first packet. */
  get source(): AnnouncedSource | undefined {
    return this.#port === 0 ? undefined : { address: this.#address, port: this.#port };
  }

  /** Whether this is who is heard; the question of every packet. */
  hears(address: string, port: number): boolean {
    if (port !== this.#port || address !== this.#address) return false;
    this.#silentTicks = 0;
    this.#reopened = false;
    return true;
  }

  /** @param goesOn whether the packet is the next one, or nearly so, of the stream that is heard, or is authentic (RFC 3711) */
  accepts(address: string, port: number, goesOn: boolean): boolean {
    if (this.hears(address, port)) return true;
    return this.#port === 0 ? this.#take(address, port) : this.#mayTake(address, port, goesOn);
  }

  /** One tick of the loop is over. */
  tick(): void {
    this.#silentTicks++;
    if (this.#probation > 0 && --this.#probation === 0) this.#left = undefined;
  }

  /** A new offer may have moved the sender: the next packet decides again. */
  reopen(announced = this.#announced): void {
    this.#announced = announced;
    this.#rank = this.#rankOf(this.#address, this.#port);
    this.#barred = undefined;
    this.#reopened = true;
  }

  /** The sender has said that it stops (RFC 3550 §6.6): the next packet decides. */
  release(): void {
    this.#silentTicks = Math.max(this.#silentTicks, SILENT_TICKS);
  }

  #mayTake(address: string, port: number, goesOn: boolean): boolean {
    const rank = this.#rankOf(address, port);
    if (this.#left && is(this.#left, address, port)) return this.#returnTo(this.#left);
    if (rank > this.#rank) return this.#take(address, port);
    if (this.#silentTicks >= SILENT_TICKS) return this.#take(address, port);
    if (this.#barred && is(this.#barred, address, port)) return false;
    const equal = rank === this.#rank && (this.#reopened || goesOn);
    if (!equal && !(goesOn && this.#silentTicks >= STOPPED_TICKS)) return false;
    this.#left = { address: this.#address, port: this.#port };
    this.#probation = SILENT_TICKS;
    this.#returns = 0;
    return this.#listenTo(address, port);
  }

  #returnTo(left: AnnouncedSource): boolean {
    this.#returns += 1;
    if (this.#returns < RETURN_AFTER) return false;
    const usurper = this.source;
    this.#take(left.address, left.port);
    this.#barred = usurper;
    return true;
  }

  /** Nothing is owed to whoever was heard before. */
  #take(address: string, port: number): true {
    this.#left = undefined;
    this.#probation = 0;
    this.#barred = undefined;
    return this.#listenTo(address, port);
  }

  #listenTo(address: string, port: number): true {
    this.#address = address;
    this.#port = port;
    this.#rank = this.#rankOf(address, port);
    this.#silentTicks = 0;
    this.#reopened = false;
    return true;
  }

  /** 2: announced; 1: another port of the announced address; 0: anybody. */
  #rankOf(address: string, port: number): number {
    const announced = this.#announced;
    if (!announced || announced.address !== plain(address)) return 0;
    return announced.port === port ? 2 : 1;
  }
}

function is(source: AnnouncedSource, address: string, port: number): boolean {
  return source.port === port && source.address === address;
}

/** A socket for both families writes IPv4 addresses as mapped ones (RFC 4291 §2.5.5.2). */
function plain(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address;
}
