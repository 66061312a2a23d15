/**
 * Which sender a leg listens to. The SDP's address is often not the one that packets come from (NAT, media relays), so the first valid
 * packet decides. Another address is followed when it goes on with the same SSRC, or when the known one has fallen silent; until then
 * its packets are a stranger's and are dropped, because anybody can send to an open port.
 */
export class SourceLatch {
  #address = '';
  #port = 0;
  #silentTicks = 0;

  /** @param sameStream whether the packet goes on with the SSRC that is being heard */
  accepts(address: string, port: number, sameStream: boolean): boolean {
    if (port === this.#port && address === this.#address) {
      this.#silentTicks = 0;
      return true;
    }
    if (this.#port !== 0 && !sameStream && this.#silentTicks < SILENT_TICKS) return false;
    this.#address = address;
    this.#port = port;
    this.#silentTicks = 0;
    return true;
  }

  /** One tick of the loop is over. */
  tick(): void {
    this.#silentTicks++;
  }

  /** A new offer may have moved the sender: the next packet decides again. */
  reopen(): void {
    this.#silentTicks = SILENT_TICKS;
  }
}

/** About a second. */
const SILENT_TICKS = 10;
