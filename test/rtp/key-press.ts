/** A key pressed as RFC 4733 §2.5.1 has it sent: reports every `every` units, the last one three times, long ones in segments. */
export interface PressedKey {
  /** 0 to 16. */
  readonly code: number;
  readonly timestamp: number;
  /** In units of the timestamp. */
  readonly duration: number;
  /** Between reports, in units of the timestamp: 50 ms at 8 kHz when not given. */
  readonly every?: number;
  readonly volume?: number;
  readonly reserved?: boolean;
}

export interface KeyPacket {
  readonly timestamp: number;
  readonly marker: boolean;
  readonly payload: Uint8Array;
  /** When it is sent, in units of the timestamp since the beginning of the press. */
  readonly at: number;
}

export function report(code: number, duration: number, more: { end?: boolean; flags?: number } = {}): Uint8Array {
  return Uint8Array.of(code, (more.end ? 0x80 : 0) | (more.flags ?? 10), duration >> 8, duration & 0xff);
}

export function keyPackets(key: PressedKey): KeyPacket[] {
  const { code, duration, every = 400 } = key;
  const flags = (key.volume ?? 10) | (key.reserved ? 0x40 : 0);
  const packets: KeyPacket[] = [];
  let from = 0;
  const push = (at: number, length: number, end: boolean): void => {
    const timestamp = (key.timestamp + from) >>> 0;
    packets.push({ timestamp, marker: packets.length === 0, payload: report(code, length, { end, flags }), at });
  };
  for (let at = Math.min(every, duration); at < duration; at += every) {
    if (at - from > 0xffff) {
      push(at, 0xffff, false);
      from += 0xffff;
    }
    push(at, at - from, false);
  }
  if (duration - from > 0xffff) {
    push(duration, 0xffff, false);
    from += 0xffff;
  }
  for (let again = 0; again < 3; again++) push(duration, duration - from, true);
  return packets;
}
