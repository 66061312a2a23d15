import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../helpers/eventually.js';
import { startTestServer, type TestServer } from '../helpers/test-server.js';
import { gapless, heldOnce, oneGap, oneSided, PART_MS, TOLERANCE_MS, twoParts, wellFormed } from './scenario-checks.js';
import { capture, isSilent, placeOf, type Recorded, recorded, sipp, sipscribeCall, voice } from './scenario-kit.js';

/** A machine at work takes its time; a hanging call is found by it all the same. */
const PATIENCE_MS = 120_000;
/** SIPp's pauses are so much longer than the audio in them. */
const PAUSE_MS = PART_MS + 100;
/** What a sender or a machine at work may be late. */
const LATE_MS = 500;

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ WHISPER_ENABLED: 'false' });
});
afterAll(() => server?.stop());

describe.concurrent('a call that SIPp places', () => {
  it.each(['direction', 'address'])(
    'and holds by %s has silence for the hold, and the rest on either side of it',
    async (how) => {
      const parts = [1, 2].map((leg) => [voice(PART_MS, leg), voice(PART_MS, leg + 10)] as const);
      const callId = `sipp-hold-${how}`;
      const played = (part: 0 | 1) => parts.map((pair, leg) => ({ leg, samples: pair[part], ssrc: 100 + leg }));
      await sipp(server, `hold-by-${how}`, {
        callId,
        pauseMs: PAUSE_MS,
        captures: { 'before.pcap': capture(played(0)), 'after.pcap': capture(played(1)) },
      });
      const call = await recorded(server, callId);
      wellFormed(call);
      const { holeMs } = twoParts(call, parts);
      // SIPp held for so long, and then needed a moment.
      expect(holeMs).toBeGreaterThanOrEqual(PAUSE_MS - TOLERANCE_MS);
      heldOnce(call, PAUSE_MS - TOLERANCE_MS);
      expect(call.states).toEqual(['paused by src', 'recording', 'draining']);
      expect([call.problems, call.record.warnings]).toEqual([[], []]);
      for (const { statistics } of call.record.legs) {
        expect(statistics?.expectedMs).toBeLessThan((call.record.durationMs ?? 0) - holeMs + 1000);
        expect(statistics?.packets).toBe((2 * PART_MS) / 20);
      }
    },
    PATIENCE_MS,
  );

  it(
    'and goes on with other sources on both streams is recorded without a seam',
    async () => {
      const parts = [3, 4].map((leg) => [voice(PART_MS, leg), voice(PART_MS, leg + 10)] as const);
      const callId = 'sipp-ssrc-change';
      const sources = parts.flatMap(([before, after], leg) => [
        { leg, samples: before, ssrc: 200 + leg },
        { leg, samples: after, ssrc: 300 + leg, atMs: PART_MS },
      ]);
      await sipp(server, 'siprec-call', {
        callId,
        pauseMs: 2 * PART_MS + 100,
        captures: { 'rtp.pcap': capture(sources) },
      });
      const call = await recorded(server, callId);
      wellFormed(call);
      const { startMs, holeMs } = twoParts(call, parts);
      expect([startMs <= TOLERANCE_MS, holeMs]).toEqual([true, 0]);
      gapless(call);
      expect(Math.abs((call.record.durationMs ?? 0) - 2 * PART_MS)).toBeLessThanOrEqual(TOLERANCE_MS);
      expect(call.record.legs.map(({ statistics }) => statistics?.sources)).toEqual([2, 2]);
      expect([call.states, call.problems, call.record.warnings]).toEqual([['draining'], [], []]);
    },
    PATIENCE_MS,
  );

  it(
    'and goes on with other sources after a second of nothing has a gap of that, told as the change',
    async () => {
      const parts = [13, 14].map((leg) => [voice(PART_MS, leg), voice(PART_MS, leg + 10)] as const);
      const callId = 'sipp-ssrc-change-later';
      const sources = parts.flatMap(([before, after], leg) => [
        { leg, samples: before, ssrc: 800 + leg },
        { leg, samples: after, ssrc: 900 + leg, atMs: PART_MS + 1_000 },
      ]);
      await sipp(server, 'siprec-call', {
        callId,
        pauseMs: 2 * PART_MS + 1_100,
        captures: { 'rtp.pcap': capture(sources) },
      });
      const call = await recorded(server, callId);
      wellFormed(call);
      const { holeMs } = twoParts(call, parts);
      // The place of a source is when it comes: a sender and a machine at work are late.
      expect(Math.abs(holeMs - 1_000)).toBeLessThanOrEqual(LATE_MS);
      oneGap(call, 'source_change');
      expect([call.states, call.problems, call.record.assurance?.complete]).toEqual([['draining'], [], true]);
    },
    PATIENCE_MS,
  );

  it(
    'and whose one side stops a second before the other has a gap there and on that side alone',
    async () => {
      const callId = 'sipp-stops-early';
      const [stays, stops] = [voice(2 * PART_MS, 15), voice(2 * PART_MS - 1_000, 16)];
      await sipp(server, 'siprec-call', {
        callId,
        pauseMs: 2 * PART_MS + 100,
        captures: {
          'rtp.pcap': capture([stays, stops].map((samples, leg) => ({ leg, samples, ssrc: 850 + leg }))),
        },
      });
      const call = await recorded(server, callId);
      wellFormed(call);
      expect(Math.abs((call.record.durationMs ?? 0) - 2 * PART_MS)).toBeLessThanOrEqual(TOLERANCE_MS);
      const [none, [gap, ...more] = []] = call.gaps;
      expect([none, more, gap?.cause, gap?.endMs]).toEqual([[], [], 'no_rtp', call.record.durationMs]);
      expect(Math.abs((gap?.startMs ?? 0) - (2 * PART_MS - 1_000))).toBeLessThanOrEqual(TOLERANCE_MS);
      expect(call.problems).toEqual([]);
    },
    PATIENCE_MS,
  );

  it(
    'and that has only one side is told to be so, and is as long as that side',
    async () => {
      const callId = 'sipp-one-sided';
      const caller = voice(2 * PART_MS, 5);
      await sipp(server, 'siprec-call', {
        callId,
        pauseMs: 2 * PART_MS + 100,
        captures: { 'rtp.pcap': capture([{ leg: 0, samples: caller, ssrc: 400 }]) },
      });
      const call = await recorded(server, callId);
      wellFormed(call);
      expect(placeOf(call.legs[1] ?? caller, caller)).toBeGreaterThanOrEqual(0);
      expect(isSilent(call.legs[2] ?? caller)).toBe(true);
      expect(Math.abs((call.record.durationMs ?? 0) - 2 * PART_MS)).toBeLessThanOrEqual(TOLERANCE_MS);
      expect(call.problems).toEqual(['no_rtp 2', 'one_sided 2']);
      oneSided(call);
      expect(call.record.warnings).toEqual([
        { code: 'no_rtp', detail: 'leg 2' },
        { code: 'one_sided', detail: 'leg 2' },
      ]);
      expect(call.record.assurance?.complete).toBe(false);
      const ended = call.events.find((event) => event.type === 'call.ended');
      expect(ended?.type === 'call.ended' && ended.assurance).toEqual(call.record.assurance);
    },
    PATIENCE_MS,
  );

  it(
    'and transfers keeps its recording, and the words after that are under the new name',
    async () => {
      const callId = 'sipp-transfer';
      const sides = [voice(2 * PAUSE_MS - 100, 6), voice(2 * PAUSE_MS - 100, 7)] as const;
      await sipp(server, 'transfer', {
        callId,
        pauseMs: PAUSE_MS,
        captures: { 'rtp.pcap': capture(sides.map((samples, leg) => ({ leg, samples, ssrc: 500 + leg }))) },
      });
      const call = await recorded(server, callId);
      wellFormed(call);
      for (const [index, side] of sides.entries())
        expect(placeOf(call.legs[index + 1] ?? side, side)).toBeGreaterThanOrEqual(0);
      transferred(call, ['Ada Caller', 'Ben Desk', 'Dora Desk']);
      gapless(call);
    },
    PATIENCE_MS,
  );

  it(
    'and transfers by another recording session has two recordings of one group',
    async () => {
      const rtp = (seed: number) =>
        capture([0, 1].map((leg) => ({ leg, samples: voice(PART_MS, seed + leg), ssrc: 600 + seed + leg })));
      const callIds = ['sipp-before-transfer', 'sipp-after-transfer'];
      await sipp(server, 'transfer-first-session', {
        callId: callIds[0] ?? '',
        pauseMs: PAUSE_MS,
        captures: { 'rtp.pcap': rtp(20) },
      });
      await sipp(server, 'transfer-second-session', {
        callId: callIds[1] ?? '',
        pauseMs: PAUSE_MS,
        captures: { 'rtp.pcap': rtp(30) },
      });
      await twoRecordings(callIds, ['Ada Caller', 'Ben Desk'], ['Ada Caller', 'Dora Desk']);
    },
    PATIENCE_MS,
  );

  it(
    'and that is paused by the API has silence for the pause and for nothing else',
    async () => {
      const callId = 'sipp-api-pause';
      const sides = [voice(9_000, 8), voice(9_000, 9)] as const;
      const playing = sipp(server, 'siprec-call', {
        callId,
        pauseMs: 9_100,
        captures: { 'rtp.pcap': capture(sides.map((samples, leg) => ({ leg, samples, ssrc: 700 + leg }))) },
      });
      const started = await eventually(
        'the call',
        () => server.events.find((event) => event.callId === callId),
        30_000,
      );
      const { sessionId } = started;
      const command = async (verb: 'pause' | 'resume'): Promise<number> => {
        const reply = await fetch(`${server.http}/api/calls/${sessionId}/${verb}`, { method: 'POST' });
        return ((await reply.json()) as { effective: { at_ms: number } }).effective.at_ms;
      };
      await writtenTo(sessionId, 1_000);
      const from = await command('pause');
      // The file of a paused call goes on: it tells that a second has gone by.
      await writtenTo(sessionId, from + 1_000);
      const to = await command('resume');
      await playing;
      const call = await recorded(server, callId);
      wellFormed(call);
      expect(Math.abs((call.record.durationMs ?? 0) - 9_000)).toBeLessThanOrEqual(TOLERANCE_MS);
      for (const [index, side] of sides.entries()) {
        const samples = call.legs[index + 1] ?? side;
        const at = placeOf(samples, side.subarray(0, 4_000));
        const missing = side.map((sample, i) => (samples[at + i] === sample ? 0 : 1));
        const [first, last] = [missing.indexOf(1), missing.lastIndexOf(1)];
        expect(isSilent(samples, at + first, at + last + 1)).toBe(true);
        // Places are the sender's clock and effects the wall's: on a machine at work some of a second may lie between.
        expect(Math.abs((last - first) / 8 - (to - from))).toBeLessThanOrEqual(LATE_MS);
        const [gap, ...more] = call.gaps[index] ?? [];
        expect([gap, more]).toEqual([{ startMs: (at + first) / 8, endMs: (at + last + 1) / 8, cause: 'pause' }, []]);
        expect(Math.abs((gap?.startMs ?? 0) - from)).toBeLessThanOrEqual(LATE_MS);
        expect(Math.abs((gap?.endMs ?? 0) - to)).toBeLessThanOrEqual(LATE_MS);
      }
      expect(call.states).toEqual(['paused by us', 'recording', 'draining']);
      expect(call.record.pauses).toHaveLength(1);
      expect([call.problems, call.record.warnings]).toEqual([[], []]);
    },
    PATIENCE_MS,
  );
});

describe.concurrent('a call that `sipscribe call` places', () => {
  const sides = (seed: number) => [voice(2 * PART_MS, seed), voice(2 * PART_MS, seed + 1)] as const;
  const halves = (pair: readonly Int16Array[]) =>
    pair.map((samples) => [samples.slice(0, PART_MS * 8), samples.slice(PART_MS * 8)] as const);
  const at = `${PART_MS}ms`;
  /** As long as the sender says, by what its timers were late at most. */
  const asLongAsSent = ({ record }: Recorded, report: { audioMs?: number; lateMs?: number }): void => {
    const difference = Math.abs((record.durationMs ?? 0) - (report.audioMs ?? 0));
    expect(difference).toBeLessThanOrEqual(TOLERANCE_MS + (report.lateMs ?? 0));
  };

  it.each([
    ['direction', ['--hold', `${at}:1s`]],
    ['address', ['--hold', `${at}:1s`, '--hold-by', 'address']],
  ])(
    'and holds by %s has silence for the hold, and is as long as the call',
    async (_how, options) => {
      const pair = sides(options.length * 10);
      const report = await sipscribeCall(server, pair, options);
      const call = await recorded(server, report.callId);
      wellFormed(call);
      asLongAsSent(call, report);
      const { holeMs } = twoParts(call, halves(pair));
      expect(holeMs).toBeGreaterThanOrEqual(1_000 - TOLERANCE_MS - (report.lateMs ?? 0));
      heldOnce(call, 1_000 - TOLERANCE_MS - (report.lateMs ?? 0));
      expect(call.states).toEqual(['paused by src', 'recording', 'draining']);
      expect([call.problems, call.record.warnings]).toEqual([[], []]);
    },
    PATIENCE_MS,
  );

  it(
    'and goes on with other sources is recorded without a seam',
    async () => {
      const pair = sides(50);
      const report = await sipscribeCall(server, pair, ['--ssrc-change', at]);
      const call = await recorded(server, report.callId);
      wellFormed(call);
      expect(Math.abs((call.record.durationMs ?? 0) - 2 * PART_MS)).toBeLessThanOrEqual(TOLERANCE_MS);
      expect(twoParts(call, halves(pair)).holeMs).toBe(0);
      gapless(call);
      expect(call.record.legs.map(({ statistics }) => statistics?.sources)).toEqual([2, 2]);
      expect([call.states, call.problems]).toEqual([['draining'], []]);
    },
    PATIENCE_MS,
  );

  it(
    'and pauses without a word has silence of that length, and nobody is told',
    async () => {
      const pair = sides(60);
      const report = await sipscribeCall(server, pair, ['--pause', `${at}:1s`]);
      const call = await recorded(server, report.callId);
      wellFormed(call);
      expect(Math.abs((call.record.durationMs ?? 0) - (report.audioMs ?? 0))).toBeLessThanOrEqual(TOLERANCE_MS);
      const { holeMs } = twoParts(call, halves(pair));
      expect(Math.abs(holeMs - ((report.audioMs ?? 0) - 2 * PART_MS))).toBeLessThanOrEqual(TOLERANCE_MS);
      oneGap(call, 'silence_suppressed');
      expect(call.record.legs.map(({ statistics }) => statistics?.silenceSuppressed)).toEqual([true, true]);
      expect([call.states, call.problems, call.record.warnings]).toEqual([['draining'], [], []]);
    },
    PATIENCE_MS,
  );

  it(
    'and that has only one side is told to be so',
    async () => {
      const pair = sides(70);
      const report = await sipscribeCall(server, pair, ['--one-sided']);
      const call = await recorded(server, report.callId);
      wellFormed(call);
      asLongAsSent(call, report);
      expect(placeOf(call.legs[1] ?? pair[0], pair[0])).toBeGreaterThanOrEqual(0);
      expect(isSilent(call.legs[2] ?? pair[0])).toBe(true);
      expect(call.problems).toEqual(['no_rtp 2', 'one_sided 2']);
      oneSided(call);
    },
    PATIENCE_MS,
  );

  it(
    'and transfers, here and then by another recording session, is told under the new name and in one group',
    async () => {
      const group = 'a call that is passed on';
      const first = await sipscribeCall(server, sides(80), ['--transfer', `${at}:Dora`, '--group', group]);
      const call = await recorded(server, first.callId);
      transferred(call, ['Caller', 'Callee', 'Dora']);
      gapless(call);
      const second = await sipscribeCall(server, sides(90), ['--callee-name', 'Emil', '--group', group]);
      await twoRecordings([first.callId, second.callId], ['Caller', 'Callee', 'Dora'], ['Caller', 'Emil']);
    },
    PATIENCE_MS,
  );
});

/** The second of three people gives the second stream to the third. */
function transferred({ record, states, problems, events }: Recorded, [caller, before, after]: readonly string[]): void {
  expect(record.legs.map(({ speaker }) => speaker.name)).toEqual([caller, after]);
  expect(record.legs[1]?.speakers?.map(({ speaker }) => speaker.name)).toEqual([before, after]);
  const sinceMs = record.legs[1]?.speakers?.[1]?.sinceMs ?? 0;
  expect(sinceMs).toBeGreaterThan(1_000);
  expect(sinceMs).toBeLessThan(record.durationMs ?? 0);
  const who = record.participants.find(({ name }) => name === before);
  expect(who?.spans?.map(({ leftMs }) => leftMs)).toEqual([sinceMs]);
  expect([states, problems]).toEqual([['recording', 'draining'], []]);
  const updated = events.find((event) => event.type === 'call.updated');
  expect(updated?.type === 'call.updated' && updated.participants?.map(({ name }) => name)).toEqual([caller, after]);
}

/** Both recordings are whole, name their own people and have a group in common. */
async function twoRecordings(callIds: readonly string[], ...people: readonly (readonly string[])[]): Promise<void> {
  const calls = await Promise.all(callIds.map((callId) => recorded(server, callId)));
  const groups = calls.map(({ record }) => record.groups?.map(({ id }) => id));
  expect(groups[0]).toHaveLength(1);
  expect(groups[1]).toEqual(groups[0]);
  for (const [index, { record, events, problems }] of calls.entries()) {
    expect(record.participants.map(({ name }) => name)).toEqual(people[index]);
    const ended = events.find((event) => event.type === 'call.ended');
    const sessions = ended?.type === 'call.ended' ? ended.communicationSessions : [];
    expect(sessions?.map(({ groupId }) => groupId)).toEqual(groups[0]);
    expect(problems).toEqual([]);
  }
  for (const call of calls) {
    wellFormed(call);
    gapless(call);
  }
}

/** Resolves when the first leg's file of a running call reaches this time. */
async function writtenTo(sessionId: string, ms: number): Promise<void> {
  const folder =
    readdirSync(server.dataDir, { recursive: true, encoding: 'utf8' }).find((path) => path.endsWith(sessionId)) ?? '';
  const path = join(server.dataDir, folder, 'leg-1.wav');
  await eventually(`${ms} ms of audio`, () => statSync(path).size >= 44 + ms * 16, 30_000);
}
