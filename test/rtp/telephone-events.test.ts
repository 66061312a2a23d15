import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dtmfKey } from '../../src/core/dtmf.js';
import { type TelephoneEvent, TelephoneEvents } from '../../src/rtp/telephone-events.js';
import { mutate, seeded } from '../helpers/mutation.js';
import '../helpers/property-seed.js';
import { type KeyPacket, keyPackets, report } from './key-press.js';

const SSRC = 0xcafe;

/** A reader and what it told. */
class Ear {
  readonly told: TelephoneEvent[] = [];
  refuse: (event: TelephoneEvent) => boolean = () => false;
  readonly events = new TelephoneEvents({
    began: (event) => !this.refuse(event),
    ended: (event) => this.told.push({ ...event }),
  });

  hear(packets: readonly KeyPacket[], ssrc = SSRC): void {
    for (const { timestamp, marker, payload } of packets) {
      this.events.packet(ssrc, timestamp, marker, payload, 0, payload.length);
    }
  }

  get digits(): string {
    this.events.flush();
    return this.told.map(({ code }) => dtmfKey(code)).join('');
  }
}

const press = (code: number, timestamp: number, duration = 1200, every = 400): KeyPacket[] =>
  keyPackets({ code, timestamp, duration, every });

describe('telephone events', () => {
  it('make one press of a growing duration and three ends', () => {
    const ear = new Ear();
    ear.hear(press(5, 1000));
    expect(ear.told).toEqual([expect.objectContaining({ code: 5, timestamp: 1000, duration: 1200, marked: true })]);
    ear.events.flush();
    expect(ear.told).toHaveLength(1);
  });

  it('are the keys 0 to 9, star, hash, A to D and the flash; other codes are none', () => {
    const ear = new Ear();
    for (let code = 0; code <= 255; code++) ear.hear(press(code, code * 10_000));
    expect(ear.digits).toBe('0123456789*#ABCDflash');
  });

  it('take no notice of the R bit and of the volume', () => {
    const ear = new Ear();
    ear.hear(keyPackets({ code: 1, timestamp: 0, duration: 800, reserved: true, volume: 63 }));
    ear.hear(keyPackets({ code: 2, timestamp: 4000, duration: 800, volume: 0 }));
    expect(ear.digits).toBe('12');
    expect(ear.told.map(({ duration }) => duration)).toEqual([800, 800]);
  });

  it('are told at once when their end comes, and not before', () => {
    const ear = new Ear();
    const packets = press(7, 0);
    ear.hear(packets.slice(0, -3));
    expect(ear.told).toEqual([]);
    expect(ear.events.open).toBe(true);
    ear.hear(packets.slice(-3, -2));
    expect(ear.told).toHaveLength(1);
    expect(ear.events.open).toBe(false);
  });

  it.each([
    ['all but the first packet', (packets: KeyPacket[]) => packets.slice(0, 1), 400],
    ['the first packet', (packets: KeyPacket[]) => packets.slice(1), 1200],
    ['all three ends', (packets: KeyPacket[]) => packets.slice(0, -3), 800],
    ['all but the very last packet', (packets: KeyPacket[]) => packets.slice(-1), 1200],
  ])('are one press each when the network loses %s', (_, keep, duration) => {
    const ear = new Ear();
    ear.hear([...keep(press(1, 0)), ...keep(press(1, 4000)), ...keep(press(2, 8000))]);
    expect(ear.digits).toBe('112');
    expect(ear.told.map((event) => event.duration)).toEqual([duration, duration, duration]);
  });

  it('end with the next press, whether that is another key or the same one again', () => {
    const ear = new Ear();
    ear.hear(press(3, 0).slice(0, 2));
    ear.hear(press(3, 4000).slice(0, 2));
    expect(ear.told.map(({ timestamp }) => timestamp)).toEqual([0]);
    ear.hear(press(4, 8000).slice(0, 2));
    expect(ear.told.map(({ timestamp }) => timestamp)).toEqual([0, 4000]);
  });

  it('end with an event that is no key', () => {
    const ear = new Ear();
    ear.hear(press(3, 0).slice(0, 2));
    ear.hear(press(36, 4000));
    expect(ear.told).toHaveLength(1);
  });

  it('are one press over all segments of a key that is held for long', () => {
    const ear = new Ear();
    const duration = 3 * 0xffff + 5000;
    const packets = press(9, 0xffff_0000, duration);
    expect(new Set(packets.map(({ timestamp }) => timestamp)).size).toBe(4);
    ear.hear(packets);
    expect(ear.told).toEqual([expect.objectContaining({ code: 9, timestamp: 0xffff_0000, duration })]);
  });

  it('are one press when the end of a segment is lost, or a segment as a whole but for its last report', () => {
    const duration = 2 * 0xffff + 1000;
    const packets = press(9, 0, duration);
    const starts = [...new Set(packets.map(({ timestamp }) => timestamp))];
    const ofSegment = (n: number): KeyPacket[] => packets.filter(({ timestamp }) => timestamp === starts[n]);
    const lossy = new Ear();
    lossy.hear([...ofSegment(0).slice(0, -3), ...ofSegment(1).slice(-2), ...ofSegment(2)]);
    lossy.hear(ofSegment(0));
    expect(lossy.digits).toBe('9');
    expect(lossy.told[0]?.duration).toBe(duration);
  });

  it('are two presses when the same key is pressed again, however soon', () => {
    const ear = new Ear();
    ear.hear([...press(1, 0, 320), ...press(1, 640, 320), ...press(1, 960, 320)]);
    expect(ear.digits).toBe('111');
  });

  it('may stand several in one packet, one after the other without a gap', () => {
    const ear = new Ear();
    const payload = Buffer.concat([
      report(1, 400, { end: true }),
      report(2, 600, { end: true }),
      report(3, 200),
      Buffer.of(7),
    ]);
    for (let again = 0; again < 3; again++) ear.events.packet(SSRC, 500, again === 0, payload, 0, payload.length);
    expect(ear.digits).toBe('123');
    expect(ear.told.map(({ timestamp, duration }) => [timestamp, duration])).toEqual([
      [500, 400],
      [900, 600],
      [1500, 200],
    ]);
  });

  it('are told of two sources apart', () => {
    const ear = new Ear();
    ear.hear(press(1, 0));
    ear.hear(press(1, 0), 7);
    expect(ear.digits).toBe('11');
  });

  it('are not told when nobody may know, nor is what follows of them, through all segments', () => {
    const ear = new Ear();
    ear.refuse = ({ code }) => code === 4;
    ear.hear(press(4, 0, 0xffff + 3000));
    ear.hear(press(5, 200_000));
    expect(ear.digits).toBe('5');
  });

  it('need one whole report', () => {
    const ear = new Ear();
    for (let length = 0; length < 4; length++) {
      expect(ear.events.packet(SSRC, 0, true, report(1, 100), 0, length)).toBe(false);
    }
    expect(ear.events.open).toBe(false);
  });

  it('are each told once, whatever is lost, doubled or overtaken on the way', () => {
    const step = fc.record({
      code: fc.integer({ min: 0, max: 15 }),
      duration: fc.integer({ min: 320, max: 6000 }),
      gap: fc.integer({ min: 320, max: 9000 }),
    });
    fc.assert(
      fc.property(
        fc.array(step, { minLength: 1, maxLength: 40 }),
        fc.integer(),
        fc.integer({ min: 0, max: 0xffff_ffff }),
        (steps, seed, start) => {
          const random = seeded(seed);
          let timestamp = start;
          const sent = steps.flatMap(({ code, duration, gap }, index) => {
            const packets = keyPackets({ code, timestamp: timestamp >>> 0, duration, every: 160 });
            timestamp += duration + gap;
            const kept = packets.filter(() => random() < 0.4);
            const survivors = kept.length > 0 ? kept : packets.slice(0, 1);
            // Up to 60 ms of jitter, and now and then a packet twice.
            return survivors
              .flatMap((packet) => (random() < 0.2 ? [packet, packet] : [packet]))
              .map((packet) => ({ packet, index, due: (packet.timestamp - start) | 0, jitter: random() * 480 }));
          });
          const arrived = sent.map((one) => ({ ...one, due: one.due + one.packet.at + one.jitter }));
          const ear = new Ear();
          ear.hear(arrived.sort((a, b) => a.due - b.due).map(({ packet }) => packet));
          ear.events.flush();
          const byTime = [...ear.told].sort((a, b) => ((a.timestamp - start) | 0) - ((b.timestamp - start) | 0));
          expect(byTime.map(({ code }) => code)).toEqual(steps.map(({ code }) => code));
        },
      ),
      { numRuns: 300 },
    );
  });

  it('of any bytes make no more presses than there are reports, and harm nothing', () => {
    const random = seeded(4733);
    const ear = new Ear();
    let reports = 0;
    for (let i = 0; i < 20_000; i++) {
      const payload = mutate(report(i % 20, i & 0xffff, { end: i % 3 === 0 }), random);
      reports += Math.floor(payload.length / 4);
      ear.events.packet(
        Math.floor(random() * 3),
        Math.floor(random() * 2 ** 32),
        random() < 0.5,
        payload,
        0,
        payload.length,
      );
    }
    ear.events.flush();
    expect(ear.told.length).toBeLessThanOrEqual(reports);
    expect(ear.told.every(({ code, duration }) => code <= 16 && duration >= 0)).toBe(true);
    const before = ear.told.length;
    ear.hear(press(8, 5));
    expect(ear.told.slice(before).map(({ code }) => code)).toEqual([8]);
  });
});
