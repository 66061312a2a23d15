import { afterEach, describe, expect, it } from 'vitest';
import type { DtmfPolicy } from '../../src/core/dtmf.js';
import type { MediaFormat } from '../../src/core/model.js';
import type { DigitPress } from '../../src/rtp/leg-digits.js';
import { MediaCounters } from '../../src/rtp/media-counters.js';
import { PauseGate } from '../../src/rtp/pause-gate.js';
import { RecordedCall } from '../../src/rtp/recorded-call.js';
import type { RecordedLeg } from '../../src/rtp/recorded-leg.js';
import { keyPackets, report } from './key-press.js';
import { DTMF, PCMU, temporaryDirectory } from './media-fixture.js';
import { noise, rtpPacket } from './rtp-sender.js';

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

/** A call whose clock is turned by hand, 20 ms at a time, with a tick every 100 ms. */
class Room {
  readonly directory = temporaryDirectory();
  readonly counters = new MediaCounters();
  readonly gate = new PauseGate();
  readonly pressed: DigitPress[] = [];
  readonly call: RecordedCall;
  now = 5_000;

  constructor(policy: DtmfPolicy = 'store') {
    this.call = new RecordedCall(
      {
        directory: this.directory.path,
        utterance: {},
        counters: this.counters,
        gate: this.gate,
        dtmf: policy,
        clock: () => this.now,
        epoch: () => 1_000_000 + this.now,
      },
      {
        utterance: () => {},
        firstPacket: () => {},
        digit: (_leg, press) => this.pressed.push(press),
        writeFailed: () => {},
      },
    );
    closers.push(() => {
      this.call.close();
      this.directory.remove();
    });
  }

  leg(formats: readonly MediaFormat[] = [PCMU, DTMF]): Phone {
    return new Phone(this, this.call.addLeg(1, formats, true));
  }

  /** Time goes on, and `each` is done every 20 ms. */
  pass(ms: number, each: () => void = () => {}): void {
    for (let left = ms; left > 0; left -= 20) {
      this.now += 20;
      each();
      if (this.now % 100 === 0) this.call.tick(this.now, this.now % 500 === 0);
    }
  }

  get digits(): string {
    return this.pressed.map(({ digit }) => digit ?? '?').join('');
  }
}

/** A sender with the audio and the keys on one RTP clock, as a telephone has them: while a key is down there is no audio. */
class Phone {
  readonly room: Room;
  readonly leg: RecordedLeg;
  sequence = 65_530;
  timestamp = 0xffff_f000;
  ssrc = 7;

  constructor(room: Room, leg: RecordedLeg) {
    this.room = room;
    this.leg = leg;
  }

  send(payloadType: number, timestamp: number, payload: Uint8Array, marker = false, ssrc = this.ssrc): Buffer {
    const packet = rtpPacket({ sequence: this.sequence, timestamp, ssrc, payloadType, marker }, payload);
    if (ssrc === this.ssrc) this.sequence = (this.sequence + 1) & 0xffff;
    this.leg.receive(packet, '127.0.0.1', 4000);
    return packet;
  }

  talk(ms: number): void {
    this.room.pass(ms, () => {
      this.send(0, this.timestamp, noise(160, this.sequence + 1));
      this.timestamp = (this.timestamp + 160) >>> 0;
    });
  }

  /** @param lost numbers of packets that never arrive */
  press(code: number, ms = 100, lost: readonly number[] = []): void {
    const start = this.timestamp;
    const packets = keyPackets({ code, timestamp: start, duration: ms * 8, every: 160 });
    let next = 0;
    this.room.pass(ms, () => {
      this.timestamp = (this.timestamp + 160) >>> 0;
      for (; next < packets.length && (packets[next]?.at ?? 0) <= ((this.timestamp - start) | 0); next++) {
        const packet = packets[next];
        if (!packet) continue;
        if (lost.includes(next)) this.sequence = (this.sequence + 1) & 0xffff;
        else this.send(101, packet.timestamp, packet.payload, packet.marker);
      }
    });
  }
}

describe('keys pressed on a leg', () => {
  it('are told with their place on the call clock and their length, beside audio that is not moved by them', () => {
    const room = new Room();
    const phone = room.leg();
    phone.talk(1000);
    phone.press(1, 100);
    phone.talk(300);
    phone.press(11, 240);
    phone.talk(500);
    expect(room.pressed).toEqual([
      { startMs: 1000, durationMs: 100, digit: '1' },
      { startMs: 1400, durationMs: 240, digit: '#' },
    ]);
    expect(room.call.finish(room.now).durationMs).toBe(2140);
  });

  it.each([
    ['the beginning', [0, 1, 2]],
    ['the end', [4, 5, 6]],
    ['all but one packet', [0, 1, 3, 4, 5, 6]],
  ])('are told once when %s is lost, within a second after it', (_, lost) => {
    const room = new Room();
    const phone = room.leg();
    phone.talk(600);
    phone.press(5, 100, lost);
    phone.talk(1200);
    expect(room.digits).toBe('5');
    expect(room.pressed[0]?.startMs).toBe(600);
  });

  it('are told at the end of the call when they are still held then', () => {
    const room = new Room();
    const phone = room.leg();
    phone.talk(600);
    phone.press(5, 100, [4, 5, 6]);
    expect(room.digits).toBe('');
    room.call.finish(room.now);
    expect(room.pressed).toEqual([{ startMs: 600, durationMs: 80, digit: '5' }]);
  });

  it('are placed by their arrival when no audio tells the clock: first of all, and from an SSRC of their own', () => {
    const room = new Room();
    const phone = room.leg();
    room.pass(1000);
    phone.send(101, 123_456, report(9, 800, { end: true }), false, 99);
    expect(room.pressed).toEqual([{ startMs: 900, durationMs: 100, digit: '9' }]);
    phone.talk(1000);
    phone.send(101, 999_999, report(8, 400, { end: true }), true, 98);
    phone.talk(200);
    expect(room.pressed[1]).toEqual({ startMs: 1950, durationMs: 50, digit: '8' });
    expect(room.call.finish(room.now).legs[0]).toMatchObject({ sources: 1, lost: 0 });
  });

  it('have a length by the clock rate of their payload type', () => {
    const room = new Room();
    const wide = { ...DTMF, payloadType: 110, clockRate: 48_000 };
    const phone = room.leg([PCMU, DTMF, wide]);
    phone.talk(400);
    phone.send(110, phone.timestamp, report(3, 4800, { end: true }), true);
    phone.send(101, phone.timestamp + 800, report(4, 4800, { end: true }), true);
    expect(room.pressed.map(({ durationMs }) => durationMs)).toEqual([100, 600]);
  });

  it('are masked before they leave the thread, and their payload does not stay in memory', () => {
    const room = new Room('mask');
    const phone = room.leg();
    phone.talk(400);
    const packet = phone.send(101, phone.timestamp, report(7, 800, { end: true }), true);
    expect(room.pressed).toEqual([{ startMs: 400, durationMs: 100 }]);
    expect(packet.subarray(12).every((byte) => byte === 0)).toBe(true);
  });

  it('are not read at all with the policy drop', () => {
    const room = new Room('drop');
    const phone = room.leg();
    phone.talk(400);
    const packet = phone.send(101, phone.timestamp, report(7, 800, { end: true }), true);
    room.pass(2000);
    expect(room.pressed).toEqual([]);
    expect(packet.subarray(12).every((byte) => byte === 0)).toBe(true);
    expect(Object.values(room.counters.dropped).every((count) => count === 0)).toBe(true);
  });

  it('that break the format are malformed, and one without payload only keeps a pinhole open', () => {
    const room = new Room();
    const phone = room.leg();
    phone.talk(200);
    for (const length of [0, 1, 2, 3]) phone.send(101, phone.timestamp, new Uint8Array(length));
    expect(room.counters.dropped.malformed).toBe(3);
    expect(room.call.finish(room.now).legs[0]?.digitsOmitted).toBeUndefined();
  });

  it('are bounded in a flood, and the leg says how many were left out', () => {
    const room = new Room();
    const phone = room.leg();
    phone.talk(400);
    for (let i = 0; i < 1000; i++) phone.send(101, phone.timestamp + i * 10, report(i % 10, 5, { end: true }), true);
    expect(room.pressed.length).toBeGreaterThanOrEqual(50);
    expect(room.pressed.length).toBeLessThan(60);
    const [leg] = room.call.finish(room.now).legs;
    expect(leg?.digitsOmitted).toBe(1000 - room.pressed.length);
  });
});

describe('keys pressed around a pause of ours', () => {
  it('are told when they were pressed before it or after it, and nothing of those in it', () => {
    const room = new Room();
    const phone = room.leg();
    phone.talk(500);
    phone.press(1);
    phone.talk(200);
    room.call.setPaused(true);
    for (const code of [4, 9, 4, 9]) {
      phone.press(code);
      phone.talk(100);
    }
    room.call.setPaused(false);
    phone.talk(300);
    phone.press(2);
    phone.talk(300);
    expect(room.digits).toBe('12');
    expect(room.pressed[1]?.startMs).toBe(1900);
  });

  it('end with its beginning when they are held into it, and are not told again after it', () => {
    const room = new Room();
    const phone = room.leg();
    phone.talk(500);
    phone.press(6, 60, [2, 3, 4, 5]);
    room.call.setPaused(true);
    expect(room.pressed).toEqual([{ startMs: 500, durationMs: 40, digit: '6' }]);
    const began = phone.timestamp - 480;
    phone.talk(400);
    room.call.setPaused(false);
    phone.send(101, began, report(6, 3600, { end: true }));
    phone.talk(1500);
    expect(room.digits).toBe('6');
  });

  it('are not told when they began in it and last beyond it, also in segments and when nothing of the pause arrived', () => {
    const room = new Room();
    const phone = room.leg();
    phone.talk(500);
    room.call.setPaused(true);
    phone.talk(100);
    const began = phone.timestamp;
    room.pass(400);
    room.call.setPaused(false);
    phone.timestamp += 3200;
    const barred = room.counters.dropped.paused;
    for (let duration = 3360; duration < 8000; duration += 400) {
      room.pass(40);
      phone.send(101, began, report(3, duration));
    }
    phone.send(101, began + 0xffff, report(3, 160));
    phone.send(101, began + 0xffff, report(3, 320, { end: true }));
    room.pass(2000);
    expect(room.digits).toBe('');
    expect(room.counters.dropped.paused).toBeGreaterThan(barred);
  });

  it('are in doubt not told: placed by arrival, or without their first packet, just after its end', () => {
    const room = new Room();
    const phone = room.leg();
    phone.talk(500);
    room.call.setPaused(true);
    phone.talk(500);
    room.call.setPaused(false);
    phone.talk(100);
    // A retransmission that the network held back, from a source whose clock is not known.
    phone.send(101, 4711, report(3, 160, { end: true }), false, 55);
    phone.send(101, phone.timestamp, report(4, 160, { end: true }), false);
    phone.talk(200);
    expect(room.digits).toBe('');
    phone.press(5);
    phone.talk(500);
    phone.send(101, 9000, report(6, 160, { end: true }), true, 55);
    expect(room.digits).toBe('56');
  });

  it('are kept back by the gate alone, when the thread has not read the command yet', () => {
    const room = new Room();
    const phone = room.leg();
    phone.talk(500);
    room.gate.close();
    phone.press(3);
    phone.talk(100);
    room.pass(1500);
    expect(room.digits).toBe('');
  });
});

describe('keys pressed on a leg on hold', () => {
  it('are not told, nor is one that is held beyond it', () => {
    const room = new Room();
    const phone = room.leg();
    phone.talk(500);
    phone.leg.update({ active: false });
    phone.press(3, 100, [4, 5, 6]);
    const held = phone.timestamp - 800;
    phone.leg.update({ active: true });
    phone.send(101, held, report(3, 960, { end: true }));
    phone.talk(500);
    phone.press(4);
    expect(room.digits).toBe('4');
  });
});
