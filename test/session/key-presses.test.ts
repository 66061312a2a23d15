import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { DtmfPressed } from '../../src/core/call-event.js';
import type { RecordingSessionPort } from '../../src/session/recorder.js';
import { eventually } from '../helpers/eventually.js';
import { keyPackets } from '../rtp/key-press.js';
import { DTMF, PCMU } from '../rtp/media-fixture.js';
import { noise, paced, rtpPacket } from '../rtp/rtp-sender.js';
import { offer, RtpSender, type Studio, stream, studio } from './session-fixture.js';

let room: Studio;
const senders: RtpSender[] = [];
afterEach(async () => {
  await Promise.all(senders.splice(0).map((sender) => sender.close()));
  await room.stop();
});

const formats = { formats: [PCMU, DTMF], rawFormats: ['0', '101'] };
const pair = [stream(0, formats), stream(1, formats)];
const KEYS = '0123456789*#ABCD';

const pressed = (): DtmfPressed[] => room.events.filter((event) => event.type === 'dtmf.pressed');
const counted = async (source: string): Promise<number | undefined> =>
  (await room.metrics.dtmfDigits.get()).values.find(({ labels }) => labels.source === source)?.value;

/** A telephone on a leg: audio, and keys on the same RTP clock. */
class Phone {
  readonly #sender: RtpSender;

  constructor(port: number | undefined) {
    this.#sender = new RtpSender(port ?? 0, { timestamp: 0xffff_fe00 });
    senders.push(this.#sender);
  }

  talk(ms: number): Promise<void> {
    return paced(ms / 20, 20, () => this.#sender.send(noise(160, this.#sender.sequence + 1)));
  }

  /** A key of 100 ms. */
  async press(key: string): Promise<void> {
    const sender = this.#sender;
    const packets = keyPackets({ code: KEYS.indexOf(key), timestamp: sender.timestamp, duration: 800, every: 160 });
    await paced(packets.length, 15, async (i) => {
      const { timestamp, marker, payload } = packets[i] ?? { timestamp: 0, marker: false, payload: new Uint8Array() };
      const { sequence, ssrc } = sender;
      sender.sequence = (sequence + 1) & 0xffff;
      await sender.sendRaw(rtpPacket({ sequence, ssrc, timestamp, marker, payloadType: 101 }, payload));
    });
    sender.timestamp = (sender.timestamp + 800) >>> 0;
  }
}

async function over(session: RecordingSessionPort): Promise<void> {
  await session.end('bye');
  await room.recorder.settled();
}

/** Everything in the folder of the call that is text. */
const written = (id: string): string =>
  readdirSync(room.folder(id))
    .filter((name) => !name.endsWith('.wav'))
    .map((name) => readFileSync(join(room.folder(id), name), 'latin1'))
    .join('\n');

describe('keys that are pressed in a call', () => {
  it('are events and lines of the record, once each, with leg, place and length, before the call ends', async () => {
    room = await studio({ dtmf: 'store' });
    const { session, answer } = await room.recorder.open(offer(pair));
    const phone = new Phone(answer.streams[1]?.port);
    await phone.talk(400);
    for (const key of '1#1') {
      await phone.press(key);
      await phone.talk(100);
    }
    await eventually('three keys', () => pressed().length === 3);
    await over(session);
    expect(pressed().map(({ digit, leg, source, durationMs }) => [digit, leg?.leg, source, durationMs])).toEqual([
      ['1', 2, 'rtp', 100],
      ['#', 2, 'rtp', 100],
      ['1', 2, 'rtp', 100],
    ]);
    const starts = pressed().map(({ startMs }) => startMs);
    expect(starts.map((start) => start - (starts[0] ?? 0))).toEqual([0, 200, 400]);
    expect(Math.abs((starts[0] ?? 0) - 400)).toBeLessThanOrEqual(120);
    expect(room.record(session.id).dtmf).toEqual(
      pressed().map(({ digit, startMs }) => ({ leg: 2, digit, startMs, durationMs: 100, source: 'rtp' })),
    );
    expect(room.types().at(-1)).toBe('call.ended');
    expect([await counted('rtp'), await counted('info')]).toEqual([3, 0]);
  });

  it('are masked unless it is said otherwise: when, not which, and no digit is in any file, event or metric', async () => {
    room = await studio();
    const { session, answer } = await room.recorder.open(offer(pair));
    const phone = new Phone(answer.streams[0]?.port);
    await phone.talk(300);
    for (const key of '*B') await phone.press(key);
    await phone.talk(200);
    await eventually('two keys', () => pressed().length === 2);
    // Long after the first two, so that it is no echo of them.
    await phone.talk(2000);
    session.pressed({ digit: '#', durationMs: 100 });
    await over(session);
    expect(pressed().map(({ source }) => source)).toEqual(['rtp', 'rtp', 'info']);
    expect(pressed().some((event) => 'digit' in event)).toBe(false);
    expect(room.record(session.id).dtmf).toEqual([
      expect.objectContaining({ leg: 1, masked: true, durationMs: 100, source: 'rtp' }),
      expect.objectContaining({ leg: 1, masked: true, durationMs: 100, source: 'rtp' }),
      { masked: true, startMs: expect.any(Number), durationMs: 100, source: 'info' },
    ]);
    expect(written(session.id)).not.toMatch(/"digit"/);
    expect(await room.metrics.render()).not.toMatch(/digit="/);
  });

  it('leave nothing at all with the policy drop', async () => {
    room = await studio({ dtmf: 'drop' });
    const { session, answer } = await room.recorder.open(offer(pair));
    const phone = new Phone(answer.streams[0]?.port);
    await phone.talk(300);
    await phone.press('7');
    session.pressed({ digit: '8' });
    await phone.talk(300);
    await over(session);
    expect(pressed()).toEqual([]);
    expect(room.record(session.id).dtmf).toBeUndefined();
    expect([await counted('rtp'), await counted('info')]).toEqual([0, 0]);
  });

  it('leave nothing of a pause, by RTP or by INFO, in the folder of the call or in events', async () => {
    room = await studio({ dtmf: 'store' });
    const { session, answer } = await room.recorder.open(offer(pair));
    const phone = new Phone(answer.streams[0]?.port);
    await phone.talk(300);
    await phone.press('1');
    await phone.talk(100);
    await room.recorder.pause(session.id, { by: 'api' });
    for (const key of '9494') await phone.press(key);
    for (const digit of '9494') session.pressed({ digit });
    await phone.talk(100);
    await room.recorder.resume(session.id, { by: 'api' });
    // It may have been pressed in the pause: an INFO does not say.
    session.pressed({ digit: '9' });
    await phone.talk(700);
    await phone.press('2');
    await phone.talk(2000);
    session.pressed({ digit: '3' });
    await over(session);
    expect(pressed().map(({ digit, source }) => [digit, source])).toEqual([
      ['1', 'rtp'],
      ['2', 'rtp'],
      ['3', 'info'],
    ]);
    expect(written(session.id)).not.toMatch(/"digit": "[^123]/);
  });

  it('are not told by INFO while any leg is on hold or paused, because it may be that one', async () => {
    room = await studio({ dtmf: 'store' });
    const { session } = await room.recorder.open(offer(pair));
    await room.recorder.pause(session.id, { by: 'api', legs: [2] });
    session.pressed({ digit: '1' });
    await room.recorder.resume(session.id, { by: 'api', legs: [2] });
    const [first, second] = pair;
    if (!first || !second) throw new Error('no streams');
    await session.apply(offer([first, { ...second, direction: 'inactive' }]));
    session.pressed({ digit: '2', durationMs: 10 });
    await session.apply(offer([first, { ...second, port: 0 }]));
    // The one leg that is left is the one that it is about.
    await eventually('half a second after the pause', () => {
      session.pressed({ digit: '3' });
      return pressed().length > 0;
    });
    await over(session);
    session.pressed({ digit: '4' });
    expect(pressed().every(({ digit, leg }) => digit === '3' && leg?.leg === 1)).toBe(true);
  });

  it('are one event when RTP and INFO tell of the same press, of whichever came first, and two when they do not', async () => {
    room = await studio({ dtmf: 'store' });
    const { session, answer } = await room.recorder.open(offer(pair));
    const phone = new Phone(answer.streams[0]?.port);
    await phone.talk(300);
    await phone.press('5');
    await phone.talk(200);
    await eventually('the key by RTP', () => pressed().length === 1);
    session.pressed({ digit: '5', durationMs: 100 });
    session.pressed({ digit: '6', durationMs: 100 });
    await phone.press('6');
    await phone.press('6');
    await phone.talk(200);
    await over(session);
    expect(pressed().map(({ digit, source }) => [digit, source])).toEqual([
      ['5', 'rtp'],
      ['6', 'info'],
      ['6', 'rtp'],
    ]);
  });

  it('by INFO have their place at the time of their arrival, and are bounded in a flood', async () => {
    room = await studio({ dtmf: 'store' });
    const { session, answer } = await room.recorder.open(offer([stream(0, formats)]));
    const phone = new Phone(answer.streams[0]?.port);
    await phone.talk(1000);
    await eventually('the clock', () => room.recorder.list().length === 1);
    session.pressed({ digit: '1' });
    for (let i = 0; i < 200; i++) session.pressed({ digit: '2' });
    await over(session);
    const [first] = pressed();
    expect(first).toMatchObject({ digit: '1', source: 'info', leg: { leg: 1 } });
    expect(Math.abs((first?.startMs ?? 0) - 1000)).toBeLessThan(300);
    expect(pressed().length).toBeLessThanOrEqual(60);
    expect(room.record(session.id).omitted).toBe(201 - pressed().length);
  });
});
