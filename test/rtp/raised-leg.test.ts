import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { decodeG711, encodeG711 } from '../../src/audio/g711.js';
import { G722Decoder } from '../../src/audio/g722.js';
import { doubleRate, HALF_BAND_REACH } from '../../src/audio/half-band.js';
import type { MediaFormat } from '../../src/core/model.js';
import { MediaCounters } from '../../src/rtp/media-counters.js';
import { RecordedCall } from '../../src/rtp/recorded-call.js';
import type { RecordedLeg } from '../../src/rtp/recorded-leg.js';
import { expectSame, signalToDifference } from '../helpers/ffmpeg-rtp.js';
import { channel, PCMU, readWav, temporaryDirectory } from './media-fixture.js';
import { noise, rtpPacket } from './rtp-sender.js';

const G722: MediaFormat = { payloadType: 9, encoding: 'G722', clockRate: 8000, channels: 1 };

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

/** A call whose clock is turned by hand. */
class Room {
  readonly directory = temporaryDirectory();
  readonly call: RecordedCall;
  now = 5000;

  constructor() {
    this.call = new RecordedCall(
      {
        directory: this.directory.path,
        utterance: {},
        counters: new MediaCounters(),
        clock: () => this.now,
        epoch: () => 1_000_000 + this.now,
      },
      { utterance: () => {}, firstPacket: () => {}, writeFailed: (message) => expect(message).toBe('') },
    );
    closers.push(() => {
      this.call.close();
      this.directory.remove();
    });
  }

  pass(): void {
    this.now += 20;
    if (this.now % 100 === 0) this.call.tick(this.now, this.now % 500 === 0);
  }

  wav(name: string) {
    return readWav(join(this.directory.path, name));
  }
}

/** One source that changes its codec: numbers and timestamps go on. */
class Speaker {
  readonly #leg: RecordedLeg;
  #sequence = 65_500;
  #timestamp = 0xffff_f000;

  constructor(leg: RecordedLeg) {
    this.#leg = leg;
  }

  send(payloadType: number, payload: Uint8Array): void {
    const packet = rtpPacket({ payloadType, sequence: this.#sequence, timestamp: this.#timestamp, ssrc: 5 }, payload);
    this.#sequence = (this.#sequence + 1) & 0xffff;
    this.#timestamp = (this.#timestamp + 160) >>> 0;
    this.#leg.receive(packet, '127.0.0.1', 4000);
  }
}

const tone = (seconds: number): Uint8Array =>
  encodeG711(
    'PCMU',
    Int16Array.from({ length: seconds * 8000 }, (_, i) => 9000 * Math.sin(i * 0.7) * Math.sin(i / 900)),
  );

/** Narrow-band samples at 16 kHz, with silence around them. */
function doubled(samples: Int16Array): Int16Array {
  const around = new Int16Array(samples.length + 2 * HALF_BAND_REACH);
  around.set(samples, HALF_BAND_REACH);
  const output = new Int16Array(2 * samples.length);
  doubleRate(around, HALF_BAND_REACH, samples.length, output);
  return output;
}

describe('a leg that turns wide-band in mid-call', () => {
  it('keeps what it was as interpolated audio, and what it is bit for bit; narrow-band audio after that is interpolated', () => {
    const room = new Room();
    const speaker = new Speaker(room.call.addLeg(1, [PCMU, G722], true));
    const other = new Speaker(room.call.addLeg(2, [PCMU], true));
    // Longer than what is brought over at once, so that the rest goes in slices.
    const before = tone(20);
    const wide = noise(4 * 8000, 722);
    const after = tone(3);
    const constant = encodeG711('PCMU', new Int16Array(160).fill(5000));
    const say = (payloadType: number, bytes: Uint8Array): void => {
      for (let at = 0; at < bytes.length; at += 160) {
        speaker.send(payloadType, bytes.subarray(at, at + 160));
        other.send(0, constant);
        room.pass();
      }
    };
    say(0, before);
    say(9, wide);
    say(0, after);
    const { legs } = room.call.finish(room.now);
    expect(legs.map(({ sampleRate, codecs }) => [sampleRate, codecs])).toEqual([
      [16_000, ['PCMU', 'G722']],
      [8000, ['PCMU']],
    ]);
    expect(readdirSync(room.directory.path).sort()).toEqual(['call.wav', 'leg-1.wav', 'leg-2.wav']);
    const { samples, sampleRate } = room.wav('leg-1.wav');
    expect([sampleRate, samples.length]).toEqual([16_000, 27 * 16_000]);
    const begin = doubled(decodeG711('PCMU', before));
    expectSame(samples.subarray(0, begin.length - 40), begin.subarray(0, begin.length - 40));
    const spoken = new G722Decoder().decode(wide, 0, wide.length);
    expectSame(samples.subarray(begin.length, begin.length + spoken.length), spoken);
    const end = doubled(decodeG711('PCMU', after));
    expect(signalToDifference(end, samples.subarray(begin.length + spoken.length))).toBeGreaterThan(40);
    const call = room.wav('call.wav');
    expect([call.sampleRate, call.samples.length]).toEqual([16_000, 2 * samples.length]);
    expectSame(channel(call.samples, 0), samples);
    // The other leg stays what it was, and is heard at the rate of the call.
    const steady = channel(call.samples, 1).subarray(100, -100);
    expect(room.wav('leg-2.wav').sampleRate).toBe(8000);
    expect(steady.every((sample) => sample === steady[0] && sample > 4000)).toBe(true);
  });

  it('that ends while it is brought over leaves both files, and both can be played', () => {
    const room = new Room();
    const speaker = new Speaker(room.call.addLeg(1, [PCMU, G722], true));
    const before = tone(60);
    for (let at = 0; at < before.length; at += 160) {
      speaker.send(0, before.subarray(at, at + 160));
      room.pass();
    }
    for (let i = 0; i < 25; i++) {
      speaker.send(9, noise(160, i + 1));
      room.pass();
    }
    room.call.close();
    expect(readdirSync(room.directory.path).sort()).toContain('leg-1.wide.wav');
    expect(room.wav('leg-1.wav').sampleRate).toBe(8000);
    expect(room.wav('leg-1.wav').samples.length).toBeGreaterThan(59 * 8000);
    expect(room.wav('leg-1.wide.wav').sampleRate).toBe(16_000);
  });
});
