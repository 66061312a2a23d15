import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { decodeG711, encodeG711 } from '../../src/audio/g711.js';
import { VoiceActivityEngine } from '../../src/audio/voice-activity.js';
import { MediaCounters } from '../../src/rtp/media-counters.js';
import { PauseGate } from '../../src/rtp/pause-gate.js';
import { RecordedCall, type UtteranceCut } from '../../src/rtp/recorded-call.js';
import type { RecordedLeg } from '../../src/rtp/recorded-leg.js';
import { channel, DTMF, PCMU, readWav, temporaryDirectory } from './media-fixture.js';
import { noise, rtpPacket } from './rtp-sender.js';

const PACKET = 160;
const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

/** A call whose clock is turned by hand: packets every 20 ms, ticks every 100 ms, nothing depends on the machine. */
class Room {
  readonly directory = temporaryDirectory();
  readonly counters = new MediaCounters();
  readonly gate = new PauseGate();
  readonly cuts: UtteranceCut[] = [];
  readonly call: RecordedCall;
  now = 5_000;
  #flush = 0;

  constructor(voice?: VoiceActivityEngine) {
    this.call = new RecordedCall(
      {
        directory: this.directory.path,
        utterance: { endSilenceMs: 300, minSpeechMs: 100 },
        counters: this.counters,
        gate: this.gate,
        clock: () => this.now,
        epoch: () => 1_000_000 + this.now,
        ...(voice ? { voice } : {}),
      },
      { utterance: (cut) => this.cuts.push(cut), firstPacket: () => {}, writeFailed: () => {} },
    );
    closers.push(() => {
      this.call.close();
      this.directory.remove();
    });
  }

  leg(number: number): Voice {
    return new Voice(this.call.addLeg(number, [PCMU, DTMF], true), number);
  }

  /** Time goes on by `packets` of every voice. */
  talk(packets: number, ...voices: Voice[]): void {
    for (let i = 0; i < packets; i++) {
      this.now += 20;
      for (const voice of voices) voice.send();
      if (this.now % 100 === 0) this.call.tick(this.now, ++this.#flush % 5 === 0);
    }
  }

  wav(name: string): Int16Array {
    return readWav(join(this.directory.path, name)).samples;
  }
}

/** A sender that says noise, of which every place is like no other; it keeps what it said. */
class Voice {
  readonly said: Uint8Array[] = [];
  sequence = 65_500;
  timestamp = 0xffff_ff00;
  ssrc = 7;
  readonly #leg: RecordedLeg;
  readonly #speech: Uint8Array;

  constructor(leg: RecordedLeg, seed: number) {
    this.#leg = leg;
    this.#speech = noise(600 * PACKET, seed);
  }

  /** The next packet, not sent. */
  next(payload = this.#speech.subarray(this.said.length * PACKET, (this.said.length + 1) * PACKET)): Buffer {
    this.said.push(payload);
    const packet = rtpPacket({ sequence: this.sequence, timestamp: this.timestamp, ssrc: this.ssrc }, payload);
    this.sequence = (this.sequence + 1) & 0xffff;
    this.timestamp = (this.timestamp + PACKET) >>> 0;
    return packet;
  }

  send(packet: Uint8Array = this.next()): void {
    this.#leg.receive(packet, '127.0.0.1', 4000);
  }

  /** What should stand in a file whose clock began with the first packet, when only these packets were kept. */
  kept(kept: (index: number) => boolean, samples: number): Int16Array {
    const wanted = new Int16Array(samples);
    for (const [i, payload] of this.said.entries()) {
      if (kept(i) && i * PACKET < samples)
        wanted.set(decodeG711('PCMU', payload).subarray(0, samples - i * PACKET), i * PACKET);
    }
    return wanted;
  }
}

describe('a pause of ours', () => {
  it('is silence on the clock of every leg and of the stereo file, and not a sample of it is kept', () => {
    const room = new Room();
    const voices = [room.leg(1), room.leg(2)] as const;
    room.talk(100, ...voices);
    expect(room.call.setPaused(true)).toEqual({ atMs: 2000, at: 1_000_000 + room.now });
    room.talk(150, ...voices);
    expect(room.call.setPaused(false)).toEqual({ atMs: 5000, at: 1_000_000 + room.now });
    room.talk(100, ...voices);
    const result = room.call.finish(room.now);
    expect(result.durationMs).toBe(7000);
    const stereo = room.wav('call.wav');
    for (const [i, voice] of voices.entries()) {
      const wanted = voice.kept((at) => at < 100 || at >= 250, 56_000);
      expect(wanted.subarray(16_000, 40_000).every((sample) => sample === 0)).toBe(true);
      expect(room.wav(`leg-${i + 1}.wav`)).toEqual(wanted);
      expect(channel(stereo, i)).toEqual(wanted);
      expect(result.legs[i]).toMatchObject({ packets: 350, lost: 0, dropped: { paused: 150, inactive: 0 } });
    }
    expect(room.counters.dropped.paused).toBe(300);
  });

  it('of one leg leaves the other whole, and a leg that comes in a pause of all begins paused', () => {
    const room = new Room();
    const [one, two] = [room.leg(1), room.leg(2)];
    room.talk(50, one, two);
    room.call.setPaused(true, [2]);
    room.talk(50, one, two);
    room.call.setPaused(false, [2]);
    room.talk(50, one, two);
    room.call.setPaused(true);
    const three = room.leg(3);
    room.talk(50, one, two, three);
    room.call.setPaused(false);
    room.talk(50, one, two, three);
    room.call.finish(room.now);
    const paused = (at: number): boolean => at >= 150 && at < 200;
    expect(room.wav('leg-1.wav')).toEqual(one.kept((at) => !paused(at), 40_000));
    expect(room.wav('leg-2.wav')).toEqual(two.kept((at) => !paused(at) && (at < 50 || at >= 100), 40_000));
    const third = room.wav('leg-3.wav');
    expect(third.subarray(0, 200 * PACKET).every((sample) => sample === 0)).toBe(true);
    expect(third.subarray(210 * PACKET).some((sample) => sample !== 0)).toBe(true);
  });

  it('keeps out what was spoken in it and comes after it, reordered or late, with a known clock and with a new one', () => {
    for (const restarted of [false, true]) {
      const room = new Room();
      const voice = room.leg(1);
      room.talk(50, voice);
      const late = [voice.next()];
      room.now += 20;
      room.call.setPaused(true);
      if (restarted) {
        voice.ssrc = 8;
        voice.timestamp = 0x1234_5678;
      }
      room.talk(20, voice);
      late.push(voice.next());
      room.now += 20;
      room.talk(28, voice);
      late.push(voice.next(), voice.next());
      room.now += 40;
      room.call.setPaused(false);
      const before = room.counters.dropped.paused;
      for (const packet of late.reverse()) voice.send(packet);
      room.talk(100, voice);
      room.call.finish(room.now);
      const wav = room.wav('leg-1.wav');
      const heard = voice.said.map((payload, i) => ({ i, at: position(wav, payload) })).filter(({ at }) => at >= 0);
      expect(heard.slice(0, 50)).toEqual(Array.from({ length: 50 }, (_, i) => ({ i, at: i * PACKET })));
      // 50 before, 1 + 20 + 1 + 28 + 2 in the pause; of a clock that is not known yet, what may be older than the end is left out too.
      expect(heard[50]?.i).toBeGreaterThanOrEqual(102);
      expect(heard[50]?.i).toBeLessThanOrEqual(restarted ? 108 : 102);
      expect(heard.length).toBe(50 + voice.said.length - (heard[50]?.i ?? 0));
      expect(wav.subarray(50 * PACKET, 102 * PACKET).every((sample) => sample === 0)).toBe(true);
      expect(room.counters.dropped.paused - before).toBeGreaterThanOrEqual(4 - (restarted ? 1 : 0));
    }
  });

  it('does not end the hold of the SRC, nor the hold the pause', () => {
    const room = new Room();
    const voice = room.leg(1);
    const leg = room.call.leg(1);
    room.talk(50, voice);
    room.call.setPaused(true);
    leg?.update({ active: false });
    room.talk(10, voice);
    leg?.update({ active: true });
    room.talk(40, voice);
    leg?.update({ active: false });
    room.call.setPaused(false);
    room.talk(50, voice);
    leg?.update({ active: true });
    room.talk(50, voice);
    room.call.finish(room.now);
    const wav = room.wav('leg-1.wav');
    expect(wav.subarray(0, 8000)).toEqual(voice.kept(() => true, 8000));
    expect(wav.subarray(8000, 24_000).every((sample) => sample === 0)).toBe(true);
    expect(voice.said.slice(150).every((payload) => position(wav, payload) >= 0)).toBe(true);
  });

  it('cuts the utterance in progress before it, and the next one has no padding out of it', async () => {
    const room = new Room(await VoiceActivityEngine.load());
    const voice = room.leg(1);
    const speech = encodeG711('PCMU', tone(PACKET));
    const talk = (packets: number): void => {
      for (let i = 0; i < packets; i++) {
        room.now += 20;
        voice.send(voice.next(speech));
        if (room.now % 100 === 0) room.call.tick(room.now, false);
      }
    };
    talk(100);
    room.call.setPaused(true);
    expect(room.cuts).toHaveLength(1);
    expect(room.cuts[0]).toMatchObject({ reason: 'hold' });
    expect(room.cuts[0]?.endMs).toBeLessThanOrEqual(2000);
    talk(200);
    room.call.setPaused(false);
    talk(100);
    room.call.finish(room.now);
    expect(room.cuts).toHaveLength(2);
    expect(room.cuts[1]?.startMs).toBeGreaterThanOrEqual(6000);
    expect(room.cuts[1]?.samples.subarray(0, 8).some((sample) => sample !== 0)).toBe(true);
  });

  it('holds for DTMF too, and leaves no payload in the memory that the packet came in', () => {
    const room = new Room();
    const voice = room.leg(1);
    room.talk(50, voice);
    room.call.setPaused(true);
    const digit = rtpPacket(
      { sequence: voice.sequence++, timestamp: 1, ssrc: 7, payloadType: 101 },
      Uint8Array.of(5, 10, 3, 32),
    );
    const spoken = voice.next();
    voice.send(digit);
    voice.send(spoken);
    expect(room.counters.dropped.paused).toBe(2);
    expect([...digit, ...spoken].every((byte) => byte === 0)).toBe(true);
  });

  it('begins with the call when it is asked for before the first packet', () => {
    const room = new Room();
    const voice = room.leg(1);
    expect(room.call.setPaused(true).atMs).toBe(0);
    room.talk(100, voice);
    expect(room.call.setPaused(false).atMs).toBe(2000);
    room.talk(50, voice);
    expect(room.call.finish(room.now).durationMs).toBe(3000);
    const wav = room.wav('leg-1.wav');
    expect(wav.subarray(0, 16_000).every((sample) => sample === 0)).toBe(true);
    expect(voice.said.slice(0, 100).every((payload) => position(wav, payload) < 0)).toBe(true);
    expect(voice.said.slice(106).every((payload) => position(wav, payload) >= 0)).toBe(true);
  });

  it('is kept by the closed gate alone, of one leg or of all, until a resume opens it', () => {
    const room = new Room();
    const [one, two] = [room.leg(1), room.leg(2)];
    room.talk(50, one, two);
    room.gate.close([2]);
    room.talk(50, one, two);
    room.gate.close();
    room.talk(50, one, two);
    room.gate.open();
    room.talk(50, one, two);
    room.call.finish(room.now);
    expect(room.wav('leg-1.wav')).toEqual(one.kept((at) => at < 100 || at >= 150, 32_000));
    expect(room.wav('leg-2.wav')).toEqual(two.kept((at) => at < 50 || at >= 150, 32_000));
    expect(readFileSync(join(room.directory.path, 'call.wav')).length).toBe(44 + 32_000 * 4);
  });
});

function tone(samples: number): Int16Array {
  return Int16Array.from({ length: samples }, (_, i) => {
    const t = (i % 160) / 8000;
    return Math.round(
      6000 * Math.sin(2 * Math.PI * 150 * t) +
        5000 * Math.sin(2 * Math.PI * 700 * t) +
        3000 * Math.sin(2 * Math.PI * 1200 * t),
    );
  });
}

/** Where the samples of a packet stand in a file; -1 when nowhere. */
function position(wav: Int16Array, payload: Uint8Array): number {
  const wanted = decodeG711('PCMU', payload);
  const bytes = Buffer.from(wav.buffer, wav.byteOffset, wav.byteLength);
  const at = bytes.indexOf(Buffer.from(wanted.buffer, wanted.byteOffset, wanted.byteLength));
  return at < 0 ? -1 : at / 2;
}
