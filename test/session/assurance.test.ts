import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RecordingProblem } from '../../src/core/assurance.js';
import { HandClock } from '../../src/core/clock.js';
import { silentLogger } from '../../src/core/logger.js';
import { Metrics } from '../../src/core/metrics.js';
import type { OfferedStream, RsOffer } from '../../src/core/model.js';
import type { Warning } from '../../src/core/warning.js';
import { SessionAssurance } from '../../src/session/session-assurance.js';
import type { CallRecord } from '../../src/store/call-record.js';
import { eventually } from '../helpers/eventually.js';
import { offer, RtpSender, type Studio, stream, studio, twoPeople } from './session-fixture.js';
import { type Manner, plain, Talker, TONE, ZERO } from './talker.js';

/** Bounds of this room: the real ones are minutes. */
const SOON = { rtpTimeoutMs: 1000, silenceMs: 2000, shortMs: 2500, lossWindowMs: 2500 };
const pair = [stream(0), stream(1)];

let hasty: Studio;
let patient: Studio;

beforeAll(async () => {
  [hasty, patient] = await Promise.all([studio({ media: { watch: SOON } }), studio()]);
});
afterAll(() => Promise.all([hasty?.stop(), patient?.stop()]));

interface Room {
  readonly sessionId: string;
  sender(leg: number): RtpSender;
  talk(leg: number, payload?: Uint8Array, manner?: Manner): Talker;
  /** Resolves when the problem of a leg is told. */
  told(problem: RecordingProblem, leg: number): Promise<void>;
  /** Resolves when `call.updated` shows it no more. */
  over(problem: RecordingProblem, leg: number): Promise<void>;
  apply(streams: readonly OfferedStream[], more?: Partial<RsOffer>): Promise<void>;
  end(): Promise<CallRecord>;
  readonly warnings: readonly Warning[];
}

async function open(
  room: Studio,
  streams: readonly OfferedStream[] = pair,
  more: Partial<RsOffer> = {},
): Promise<Room> {
  const { session, answer } = await room.recorder.open(offer(streams, { metadata: twoPeople, ...more }));
  const senders = answer.streams.map(({ port }) => new RtpSender(port));
  const talkers: Talker[] = [];
  const events = () => room.events.filter(({ sessionId }) => sessionId === session.id);
  const warnings = (): Warning[] =>
    events().flatMap((event) => (event.type === 'recording.warning' ? [event.warning] : []));
  const present = () => {
    const last = events().findLast((event) => event.type === 'call.updated');
    return last?.type === 'call.updated' ? (last.problems ?? []) : [];
  };
  const there = (problem: RecordingProblem, leg: number): boolean =>
    present().some((span) => span.problem === problem && span.leg === leg);
  const sender = (leg: number): RtpSender => {
    const found = senders[leg - 1];
    if (!found) throw new Error(`no leg ${leg}`);
    return found;
  };
  return {
    sessionId: session.id,
    sender,
    talk: (leg, payload = TONE, manner = plain) => {
      const talker = new Talker(sender(leg), payload, manner);
      talkers.push(talker);
      return talker;
    },
    told: async (problem, leg) => {
      const named = ({ code, detail = '' }: Warning) => code === problem && detail.startsWith(`leg ${leg} from`);
      await eventually(`${problem} of leg ${leg}`, () => warnings().some(named) && there(problem, leg), 20_000);
    },
    over: async (problem, leg) => {
      await eventually(`the end of ${problem} of leg ${leg}`, () => !there(problem, leg), 20_000);
    },
    apply: async (next, change = {}) => {
      await session.apply(offer(next, change));
    },
    end: async () => {
      await Promise.all(talkers.map((talker) => talker.stop()));
      await session.end('bye');
      await Promise.all(senders.map((one) => one.close()));
      await eventually('its last event', () => events().some(({ type }) => type === 'call.ended'));
      return room.record(session.id);
    },
    get warnings() {
      return warnings();
    },
  };
}

const problemsOf = (record: CallRecord): string[] =>
  (record.assurance?.problems ?? []).map(({ problem, leg }) => `${problem} ${leg}`);

describe.concurrent('a recording that is not what it should be', () => {
  it('a leg without RTP is told while the other is heard, and so is the first packet after all', async ({ expect }) => {
    const call = await open(hasty);
    call.talk(1);
    await call.told('no_rtp', 2);
    await call.told('one_sided', 2);
    call.talk(2);
    await call.over('no_rtp', 2);
    await call.over('one_sided', 2);
    const record = await call.end();
    const spans = record.assurance?.problems.filter(({ leg, problem }) => leg === 2 && problem === 'no_rtp') ?? [];
    expect(spans.length).toBeGreaterThanOrEqual(1);
    expect(spans[0]?.fromMs).toBe(0);
    expect(spans[0]?.toMs).toBeGreaterThanOrEqual(SOON.rtpTimeoutMs);
    expect(record.assurance).toMatchObject({ complete: false, doubts: [{ doubt: 'late_begin', leg: 2 }] });
    expect(record.legs[1]?.statistics).toMatchObject({ expectedFromMs: 0, levelDbfs: expect.any(Number) });
    expect(record.legs[1]?.statistics?.firstAudioMs).toBeGreaterThanOrEqual(SOON.rtpTimeoutMs);
    expect(record.legs[1]?.statistics?.silenceRatio).toBeGreaterThan(0);
  });

  it('RTP that stops is told, and a hold takes it back', async ({ expect }) => {
    const call = await open(hasty);
    call.talk(1);
    const second = call.talk(2);
    await eventually('some audio', () => second.sent > 20);
    await second.stop();
    await call.told('no_rtp', 2);
    await call.apply([stream(0), stream(1, { direction: 'inactive' })]);
    await call.over('no_rtp', 2);
    const record = await call.end();
    expect(problemsOf(record)).toContain('no_rtp 2');
    const span = record.assurance?.problems.find(({ problem, leg }) => problem === 'no_rtp' && leg === 2);
    expect(span?.toMs).toBeGreaterThan(span?.fromMs ?? Number.POSITIVE_INFINITY);
  });

  it('a leg that sends only silence is told, and is no missing audio', async ({ expect }) => {
    const call = await open(hasty);
    call.talk(1);
    call.talk(2, ZERO);
    await call.told('all_silence', 2);
    await call.told('one_sided', 2);
    const { legs } = await call.end();
    expect(legs[1]?.statistics).toMatchObject({ audibleMs: 0, silenceRatio: 1 });
    expect(legs[1]?.statistics).not.toHaveProperty('firstAudioMs');
    expect(legs[0]?.statistics?.silenceRatio).toBeLessThan(0.9);
  });

  it('losses are told with the time that they lasted', async ({ expect }) => {
    const call = await open(hasty);
    call.talk(1);
    const holes: Manner = async (index, sender, payload) => {
      if (index % 5 === 4) sender.next(payload);
      else await sender.send(payload);
    };
    const lossy = call.talk(2, TONE, holes);
    await call.told('high_loss', 2);
    await lossy.stop();
    call.talk(2);
    await call.over('high_loss', 2);
    const { assurance, legs } = await call.end();
    expect(assurance?.complete).toBe(false);
    expect(assurance?.lostPackets).toBe((legs[0]?.statistics?.lost ?? 0) + (legs[1]?.statistics?.lost ?? 0));
    expect(legs[1]?.statistics?.lost).toBeGreaterThan(20);
  });

  it('a leg that gets a fifth of its audio is told to be short', async ({ expect }) => {
    const call = await open(hasty);
    call.talk(1);
    // Numbers that begin anew each time tell neither losses nor silence suppression.
    const fifth: Manner = async (index, sender, payload) => {
      const packet = sender.next(payload);
      if (index % 5 !== 0) return;
      sender.sequence = (sender.sequence + 5000) & 0xffff;
      await sender.sendRaw(packet);
    };
    call.talk(2, TONE, fifth);
    await call.told('short_audio', 2);
    const record = await call.end();
    const { receivedMs = 0, expectedMs = 0 } = record.legs[1]?.statistics ?? {};
    expect(receivedMs).toBeLessThan(expectedMs / 2);
    expect(problemsOf(record)).toContain('short_audio 2');
  });

  it('a leg that nobody in the metadata sends on is told when RTP comes to it', async ({ expect }) => {
    const call = await open(patient, [...pair, stream(2)]);
    const talkers = [1, 2, 3].map((leg) => call.talk(leg));
    await eventually('some packets', () => talkers.every(({ sent }) => sent > 5));
    const record = await call.end();
    expect(problemsOf(record)).toEqual(['stream_unclaimed 3']);
    expect(record.warnings).toContainEqual({ code: 'stream_unclaimed', detail: 'leg 3' });
  });
});

describe.concurrent('a recording that is as it should be', () => {
  it('has nothing told of it, and is complete', async ({ expect }) => {
    const call = await open(patient);
    call.talk(1);
    const second = call.talk(2);
    await eventually('two seconds', () => second.sent > 100);
    const { assurance, warnings, legs } = await call.end();
    expect(assurance).toEqual({
      complete: true,
      problems: [],
      lostPackets: 0,
      unusedPackets: 0,
      unwrittenMs: 0,
      gapMs: {},
      doubts: [],
    });
    expect(warnings).toEqual([]);
    for (const { statistics } of legs) {
      // The tone has the level of its amplitude, whatever silence surrounds it.
      expect(statistics?.levelDbfs).toBeCloseTo(20 * Math.log10(6000 / 32768 / Math.SQRT2), 0);
      expect(statistics?.peakDbfs).toBeCloseTo(20 * Math.log10(6000 / 32768), 0);
      expect(statistics?.receivedMs).toBe((statistics?.packets ?? 0) * 20);
      expect(statistics?.firstAudioMs).toBeGreaterThanOrEqual(statistics?.firstPacketMs ?? Number.POSITIVE_INFINITY);
    }
  });

  it('may hold a hold, a pause and a leg that was never active', async ({ expect }) => {
    const never = stream(2, { direction: 'inactive', label: '3' });
    const call = await open(patient, [...pair, never]);
    call.talk(1);
    const second = call.talk(2);
    await eventually('some audio', () => second.sent > 20);
    await patient.recorder.pause(call.sessionId, { by: 'api' });
    await second.stop();
    await patient.recorder.resume(call.sessionId, { by: 'api' });
    await call.apply([stream(0), stream(1, { direction: 'inactive' }), never]);
    const { assurance, warnings, legs } = await call.end();
    expect(assurance).toMatchObject({ complete: true, problems: [] });
    expect(warnings.map(({ code }) => code)).toEqual(['label_unknown']);
    expect(legs[2]?.statistics).toMatchObject({ expectedMs: 0, silenceRatio: 1 });
    expect(legs[2]?.statistics).not.toHaveProperty('expectedFromMs');
  });

  it('may hold a listener who sends comfort noise and nothing else', async ({ expect }) => {
    const call = await open(hasty);
    const first = call.talk(1);
    const noise: Manner = async (index, sender, payload) => {
      sender.payloadType = 13;
      if (index % 100 === 0) await sender.send(payload.subarray(0, 1));
    };
    call.talk(2, ZERO, noise);
    await eventually('more than the timeout', () => first.sent > (2 * SOON.rtpTimeoutMs) / 20);
    const { warnings, legs } = await call.end();
    expect(warnings.filter(({ detail = '' }) => detail.startsWith('leg 2'))).toEqual([]);
    expect(legs[1]?.statistics).toMatchObject({ silenceSuppressed: true, silenceRatio: 1 });
  });
});

describe('the problems of one session', () => {
  const made = () => {
    const metrics = new Metrics({ vendors: [], models: [] });
    const clock = new HandClock();
    const warned: Warning[] = [];
    const assurance = new SessionAssurance({
      clock,
      metrics,
      logger: silentLogger,
      warn: (warning) => warned.push(warning),
      changed: () => {},
      nameWaitMs: 20,
    });
    const series = async (name: string, problem: string): Promise<string | undefined> =>
      (await metrics.render())
        .split('\n')
        .find((line) => line.startsWith(`${name}{problem="${problem}"}`))
        ?.split(' ')[1];
    return { assurance, clock, warned, series };
  };
  const legs = [1, 2].map((leg) => ({ leg, index: leg - 1, open: true }));

  it('are counted each time, shown while they last, and kept', async () => {
    const { assurance, warned, series } = made();
    assurance.note({ problem: 'no_rtp', leg: 1, fromMs: 1000 });
    assurance.note({ problem: 'no_rtp', leg: 1, fromMs: 1000 });
    expect(assurance.status).toEqual({ problems: [{ problem: 'no_rtp', leg: 1, fromMs: 1000 }] });
    expect(await series('siprec_recording_problems', 'no_rtp')).toBe('1');
    assurance.note({ problem: 'no_rtp', leg: 1, fromMs: 1000, toMs: 2000 });
    expect(assurance.status).toEqual({});
    expect(await series('siprec_recording_problems', 'no_rtp')).toBe('0');
    assurance.note({ problem: 'no_rtp', leg: 1, fromMs: 3000 });
    expect(warned.map(({ detail }) => detail)).toEqual(['leg 1 from 1000 ms', 'leg 1 from 3000 ms']);
    const { problems } = assurance.finish({ startedAt: 0, durationMs: 4000, legs: [], bytes: 0 }, () => true);
    expect(problems).toEqual([
      { problem: 'no_rtp', leg: 1, fromMs: 1000, toMs: 2000 },
      { problem: 'no_rtp', leg: 1, fromMs: 3000 },
    ]);
    expect(await series('siprec_recording_problems', 'no_rtp')).toBe('0');
    expect(await series('siprec_recording_problems_total', 'no_rtp')).toBe('2');
    expect(await series('siprec_recording_problems_total', 'one_sided')).toBe('0');
    // A worker may still say something when the session has its result.
    assurance.note({ problem: 'no_rtp', leg: 2, fromMs: 4000 });
    expect(await series('siprec_recording_problems', 'no_rtp')).toBe('0');
  });

  it('end with the worker that told of them, because the next one tells them anew', async () => {
    const { assurance, series } = made();
    assurance.note({ problem: 'no_rtp', leg: 1, fromMs: 1000 });
    assurance.note({ problem: 'high_loss', leg: 2, fromMs: 2000 });
    assurance.moved(5000);
    expect(assurance.status).toEqual({});
    assurance.note({ problem: 'no_rtp', leg: 1, fromMs: 6000 });
    expect(await series('siprec_recording_problems', 'no_rtp')).toBe('1');
    const { complete, problems, doubts } = assurance.finish(
      { startedAt: 0, durationMs: 40_000, legs: [], bytes: 0 },
      () => true,
    );
    expect([complete, doubts]).toEqual([false, [{ doubt: 'media_lost' }]]);
    expect(problems).toEqual([
      { problem: 'no_rtp', leg: 1, fromMs: 1000, toMs: 5000 },
      { problem: 'high_loss', leg: 2, fromMs: 2000, toMs: 5000 },
      { problem: 'no_rtp', leg: 1, fromMs: 6000 },
    ]);
  });

  it('end for a stream without a sender when somebody is named for it, and are kept away when that is in time', async () => {
    const { assurance, clock, warned } = made();
    assurance.claims(legs, new Set([0, 1]));
    assurance.firstPacket(1, 40);
    await eventually('the telling', () => warned.length === 1);
    expect(warned).toEqual([{ code: 'stream_unclaimed', detail: 'leg 1 from 40 ms' }]);
    clock.advance(5000);
    assurance.claims(legs, new Set());
    expect(assurance.status).toEqual({});
    assurance.firstPacket(2, 6000);
    // Whoever was named once may leave.
    assurance.claims(legs, new Set([0, 1]));
    const { problems } = assurance.finish({ startedAt: 0, durationMs: 9000, legs: [], bytes: 0 }, () => true);
    expect(problems).toEqual([{ problem: 'stream_unclaimed', leg: 1, fromMs: 40, toMs: 5040 }]);
  });
});
