import { afterEach, describe, expect, it } from 'vitest';
import type { CallEvent } from '../../src/core/call-event.js';
import { eventJson } from '../../src/listeners/event-json.js';
import type { RecordingSessionPort } from '../../src/session/recorder.js';
import { eventually } from '../helpers/eventually.js';
import { spoken } from '../helpers/spoken.js';
import { offer, RtpSender, type Studio, say, stream, studio } from './session-fixture.js';

let room: Studio;
afterEach(() => room.stop());

const pair = [stream(0), stream(1)];
const held = [stream(0, { direction: 'inactive' }), stream(1, { direction: 'inactive' })];
const speech = spoken('good morning, what can I do for you');
const by = 'api';

const states = (): unknown[] =>
  room.events.flatMap((event) => (event.type === 'call.updated' ? [[event.state, event.pausedBy]] : []));
const warnings = (): string[] =>
  room.events.flatMap((event) => (event.type === 'recording.warning' ? [event.warning.code] : []));

async function gauge(): Promise<number> {
  return (await room.metrics.pausedCalls.get()).values[0]?.value ?? 0;
}

async function over(session: RecordingSessionPort): Promise<void> {
  await session.end('bye');
  await room.recorder.settled();
}

describe('a pause of ours in a session', () => {
  it('lets no word of its time through; words from before it still come, and the record says from when to when', async () => {
    room = await studio();
    const { session, answer } = await room.recorder.open(offer(pair));
    let words = (): void => {};
    room.words = new Promise((resolve) => {
      words = resolve;
    });
    const sender = new RtpSender(answer.streams[0]?.port ?? 0);
    await say(sender, speech);
    const { effective: from } = await room.recorder.pause(session.id, { by, reason: 'card' });
    await say(sender, speech);
    words();
    await eventually('the words from before', () => room.types().includes('transcript.final'));
    const { effective: to } = await room.recorder.resume(session.id, { by });
    await say(sender, speech);
    await sender.close();
    await over(session);
    const said = room.events.filter(
      (event): event is CallEvent & { type: 'transcript.final' } => event.type === 'transcript.final',
    );
    expect(said.some(({ endMs }) => endMs <= from.atMs + 500)).toBe(true);
    expect(said.some(({ startMs }) => startMs >= to.atMs - 500)).toBe(true);
    // Places are the sender's clock, effects the wall's: on a machine at work some of a second may lie between.
    expect(said.filter(({ startMs, endMs }) => endMs > from.atMs + 500 && startMs < to.atMs - 500)).toEqual([]);
    expect(states()).toEqual([
      ['paused', 'us'],
      ['recording', undefined],
      ['draining', undefined],
    ]);
    expect(room.record(session.id).pauses).toEqual([
      { from: from.at, fromMs: from.atMs, to: to.at, toMs: to.atMs, by, endedBy: by, reason: 'card' },
    ]);
  });

  it('and a hold of the SRC are independent: it is recorded when neither is there', async () => {
    room = await studio();
    const { session } = await room.recorder.open(offer(pair));
    await room.recorder.pause(session.id, { by });
    await session.apply(offer(held));
    await room.recorder.resume(session.id, { by });
    await room.recorder.pause(session.id, { by });
    await session.apply(offer(pair));
    await room.recorder.resume(session.id, { by });
    expect(states()).toEqual([
      ['paused', 'us'],
      ['paused', 'both'],
      ['paused', 'src'],
      ['paused', 'both'],
      ['paused', 'us'],
      ['recording', undefined],
    ]);
    const [, first] = room.events.map(eventJson);
    expect(first).toMatchObject({ type: 'call.updated', state: 'paused', paused_by: 'us', paused_legs: [1, 2] });
  });

  it('holds for legs that come later, and for single legs; each change of what is paused is a line of the record', async () => {
    room = await studio();
    const { session } = await room.recorder.open(offer([stream(0)]));
    await room.recorder.pause(session.id, { by });
    await session.apply(offer(pair));
    expect(room.recorder.find(session.id)).toMatchObject({ state: 'paused', pausedBy: 'us', pausedLegs: [1, 2] });
    await room.recorder.resume(session.id, { by: 'key-2', legs: [2] });
    expect(room.recorder.find(session.id)).toMatchObject({ state: 'recording', pausedLegs: [1] });
    await room.recorder.resume(session.id, { by, legs: [1] });
    await session.apply(offer([...pair, stream(2)]));
    expect(room.recorder.find(session.id)).not.toHaveProperty('pausedLegs');
    await expect(room.recorder.pause(session.id, { by, legs: [1, 9] })).rejects.toMatchObject({
      code: 'SRS_CALL_STATE',
    });
    await room.recorder.pause(session.id, { by, legs: [3] });
    await over(session);
    expect(room.record(session.id).pauses).toMatchObject([
      { by, endedBy: 'key-2' },
      { by: 'key-2', endedBy: by, legs: [1] },
      { by, endedBy: 'end', legs: [3] },
    ]);
    expect(room.record(session.id).pauses?.[0]).not.toHaveProperty('legs');
  });

  it('is answered with the instant of its own legs when it is so already', async () => {
    room = await studio();
    const { session } = await room.recorder.open(offer(pair));
    const command = async (verb: 'pause' | 'resume', ...legs: number[]) => {
      const { effective } = await room.recorder[verb](session.id, { by, ...(legs.length > 0 ? { legs } : {}) });
      // Instants of two commands must differ in the whole milliseconds of the wall clock.
      await eventually('another millisecond', () => Date.now() > effective.at + 1);
      return effective;
    };
    const first = await command('pause', 1);
    const beside = await command('resume', 2);
    expect(beside.at).toBeGreaterThan(first.at);
    const second = await command('pause', 2);
    expect(await command('pause', 1)).toEqual(first);
    expect(await command('pause', 2)).toEqual(second);
    expect(await command('pause', 1, 2)).toEqual(second);
    const resumed = await command('resume', 1);
    expect(await command('resume', 1)).toEqual(resumed);
    expect(await command('pause', 2)).toEqual(second);
    const last = await command('resume');
    expect(await command('resume', 1)).toEqual(resumed);
    expect(await command('resume', 2)).toEqual(last);
    expect(await command('resume')).toEqual(last);
    const whole = await command('pause');
    expect(await command('pause', 2)).toEqual(whole);
    expect(await command('pause')).toEqual(whole);
  });

  it('is counted while it lasts, once per call, and not after the end', async () => {
    room = await studio();
    const { session } = await room.recorder.open(offer(pair));
    await room.recorder.pause(session.id, { by });
    await room.recorder.pause(session.id, { by, legs: [1] });
    expect(await gauge()).toBe(1);
    await room.recorder.resume(session.id, { by, legs: [1] });
    expect(await gauge()).toBe(1);
    await room.recorder.resume(session.id, { by });
    expect(await gauge()).toBe(0);
    await room.recorder.pause(session.id, { by });
    await over(session);
    expect(await gauge()).toBe(0);
    await expect(room.recorder.pause(session.id, { by })).rejects.toMatchObject({ code: 'SRS_CALL_UNKNOWN' });
  });

  it('that is forgotten is told of once', async () => {
    room = await studio({ pause: { alarmMs: 50, limitMs: 0, signal: false } });
    const { session } = await room.recorder.open(offer(pair));
    for (let i = 0; i < 2; i++) {
      await room.recorder.pause(session.id, { by });
      await eventually('the alarm', () => warnings().includes('pause_forgotten'));
      expect(room.recorder.find(session.id).state).toBe('paused');
      await room.recorder.resume(session.id, { by });
    }
    await over(session);
    expect(warnings().filter((code) => code === 'pause_forgotten')).toHaveLength(1);
    expect(await room.metrics.render()).toContain('siprec_peer_quirks_total{quirk="pause_forgotten"} 1');
  });

  it('ends by itself at its limit, and says so', async () => {
    room = await studio({ pause: { alarmMs: 60_000, limitMs: 100, signal: false } });
    const { session } = await room.recorder.open(offer(pair));
    await room.recorder.pause(session.id, { by });
    await eventually('the limit', () => warnings().includes('pause_limit'));
    expect(room.recorder.find(session.id)).toMatchObject({ state: 'recording', pauses: [{ endedBy: 'limit' }] });
    await over(session);
  });

  it('is signalled when that is asked for: inactive in our answers while it lasts, and nothing added', async () => {
    room = await studio({ pause: { alarmMs: 60_000, limitMs: 0, signal: true } });
    const { session, answer } = await room.recorder.open(offer(pair));
    const signals: unknown[] = [];
    session.onPauseSignal = (resumed) =>
      signals.push([resumed, session.currentAnswer.streams.map(({ direction }) => direction)]);
    await room.recorder.pause(session.id, { by, legs: [2] });
    await room.recorder.pause(session.id, { by });
    const refreshed = await session.apply(offer(pair));
    expect(refreshed.answer?.streams.map(({ direction, port }) => [direction, port])).toEqual(
      answer.streams.map(({ port }) => ['inactive', port]),
    );
    await room.recorder.resume(session.id, { by, legs: [1] });
    await room.recorder.resume(session.id, { by });
    expect(signals).toEqual([
      [false, ['recvonly', 'inactive']],
      [false, ['inactive', 'inactive']],
      [false, ['recvonly', 'inactive']],
      [true, ['recvonly', 'recvonly']],
    ]);
  });

  it('outlives nothing: of a call whose media is lost it is refused, and the call ends', async () => {
    room = await studio();
    const { session } = await room.recorder.open(offer(pair));
    await room.recorder.pause(session.id, { by });
    const [worker] = room.plane.workers;
    await worker?.kill();
    await expect(room.recorder.resume(session.id, { by })).rejects.toMatchObject({ code: 'SRS_MEDIA_WORKER' });
    expect(room.recorder.find(session.id).state).toBe('paused');
    await over(session);
    expect(room.record(session.id).pauses).toMatchObject([{ by, endedBy: 'end' }]);
  });
});
