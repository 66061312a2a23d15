import { describe, expect, it } from 'vitest';
import { assessRecording, type JudgedLeg, type RecordingFacts } from '../../src/session/assess-recording.js';

const noDrops: JudgedLeg['dropped'] = {
  malformed: 0,
  unknown_payload: 0,
  late: 0,
  early: 0,
  duplicate: 0,
  stranger: 0,
  inactive: 0,
  paused: 0,
  unauthenticated: 0,
  replayed: 0,
};

/** A leg of a call of a minute on which somebody spoke for half of it. */
function leg(number: number, more: Partial<JudgedLeg> = {}): JudgedLeg {
  return {
    leg: number,
    packets: 3000,
    bytes: 516_000,
    lost: 0,
    dropped: noDrops,
    sources: 1,
    firstPacketMs: 20,
    expectedFromMs: 0,
    expectedMs: 60_000,
    receivedMs: 59_900,
    firstAudioMs: 100,
    audibleMs: 30_000,
    silenceRatio: 0.5,
    ...more,
  };
}

const absent: Partial<JudgedLeg> = { packets: 0, bytes: 0, sources: 0, receivedMs: 0, audibleMs: 0, silenceRatio: 1 };
const unheard: Partial<JudgedLeg> = { audibleMs: 0, silenceRatio: 1 };

/** Without a time: `undefined` must not stand where the worker leaves a figure out. */
function without(from: JudgedLeg, ...keys: (keyof JudgedLeg)[]): JudgedLeg {
  return Object.fromEntries(Object.entries(from).filter(([key]) => !keys.includes(key as keyof JudgedLeg))) as never;
}

const nothing = (number: number, more: Partial<JudgedLeg> = {}): JudgedLeg =>
  without(leg(number, { ...absent, ...more }), 'firstPacketMs', 'firstAudioMs');

function judge(legs: readonly JudgedLeg[], more: Partial<RecordingFacts> = {}) {
  const found = assessRecording({ durationMs: 60_000, legs, told: [], unclaimed: [], doubts: [], ...more });
  return { ...found, names: found.problems.map(({ problem, leg }) => `${problem} ${leg}`) };
}

describe('the completeness of a recording', () => {
  it('is given when everything that was sent came, and everybody was heard', () => {
    expect(
      assessRecording({ durationMs: 60_000, legs: [leg(1), leg(2)], told: [], unclaimed: [], doubts: [] }),
    ).toEqual({
      complete: true,
      problems: [],
      lostPackets: 0,
      unusedPackets: 0,
      unwrittenMs: 0,
      gapMs: {},
      doubts: [],
    });
  });

  it.each<[string, readonly JudgedLeg[], readonly string[], boolean]>([
    ['no leg', [], [], true],
    ['no packet on either leg', [nothing(1), nothing(2)], ['no_rtp 1', 'no_rtp 2'], false],
    ['no packet on one leg', [leg(1), nothing(2)], ['no_rtp 2', 'one_sided 2'], false],
    ['no packet on the only leg', [nothing(1)], ['no_rtp 1'], false],
    [
      'no packet on one leg, and no sound on the other',
      [leg(1, unheard), nothing(2)],
      ['all_silence 1', 'no_rtp 2'],
      false,
    ],
    ['packets of silence on one leg', [leg(1), leg(2, unheard)], ['all_silence 2', 'one_sided 2'], true],
    ['packets of silence on both', [leg(1, unheard), leg(2, unheard)], ['all_silence 1', 'all_silence 2'], true],
    ['packets of silence on two legs of three', [leg(1), leg(2, unheard), leg(3, unheard)], [], true],
    ['one leg of three without a packet', [leg(1), leg(2), nothing(3)], ['no_rtp 3', 'one_sided 3'], false],
    [
      'silence for less than anybody waits before a word',
      [leg(1), leg(2, { ...unheard, expectedMs: 9_000 })],
      [],
      true,
    ],
    ['a listener with silence suppression', [leg(1), nothing(2, { silenceSuppressed: true })], [], true],
    [
      'a leg that was on hold all the time',
      [leg(1), without(nothing(2, { expectedMs: 0 }), 'expectedFromMs')],
      [],
      true,
    ],
    ['a leg that was there for a moment', [leg(1), nothing(2, { expectedMs: 400 })], [], true],
    ['a third of the audio', [leg(1, { receivedMs: 20_000 }), leg(2)], ['short_audio 1'], false],
    [
      'a third of the audio and silence suppression',
      [leg(1, { receivedMs: 20_000, silenceSuppressed: true })],
      [],
      true,
    ],
    ['a third of the call on hold', [leg(1, { expectedMs: 40_000, receivedMs: 39_000 }), leg(2)], [], true],
    ['two packets of three', [leg(1, { packets: 2000, lost: 1000 }), leg(2)], ['high_loss 1'], false],
    ['a lost packet in a hundred', [leg(1, { lost: 30 }), leg(2)], [], false],
    ['few packets, many of them lost', [leg(1, { packets: 50, lost: 20 }), leg(2)], [], false],
  ])('of %s', (_, legs, problems, complete) => {
    const found = judge(legs);
    expect([found.names, found.complete]).toEqual([problems, complete]);
  });

  it('of a call of a moment without a packet is not given', () => {
    expect(judge([nothing(1, { expectedMs: 0 })], { durationMs: 0.4 }).names).toEqual(['no_rtp 1']);
    expect(judge([nothing(1, { expectedMs: 300 })], { durationMs: 300 }).names).toEqual(['no_rtp 1']);
  });

  it('counts what never came and what could not be used, and nothing of strangers, holds and pauses', () => {
    const dropped = {
      ...noDrops,
      late: 2,
      early: 3,
      unknown_payload: 4,
      stranger: 50,
      inactive: 60,
      paused: 70,
      duplicate: 80,
    };
    const found = judge([leg(1, { lost: 5, dropped }), leg(2, { lost: 1 })]);
    expect(found).toMatchObject({ complete: false, lostPackets: 6, unusedPackets: 9, problems: [] });
    const others = { ...noDrops, stranger: 50, inactive: 60, paused: 70, duplicate: 80, malformed: 90 };
    expect(judge([leg(1, { dropped: others })]).complete).toBe(true);
  });

  it('keeps what was told while the call ran, with its times, and does not say it twice', () => {
    const told = [
      { problem: 'no_rtp', leg: 2, fromMs: 10_000, toMs: 45_000 },
      { problem: 'no_rtp', leg: 2, fromMs: 50_000 },
    ] as const;
    expect(judge([leg(1), leg(2)], { told })).toMatchObject({ complete: false, problems: told });
    const whole = [{ problem: 'no_rtp', leg: 2, fromMs: 0 }] as const;
    expect(judge([leg(1), nothing(2)], { told: whole }).names).toEqual(['no_rtp 2', 'one_sided 2']);
  });

  it('is not touched by a leg that nobody claims, which is told', () => {
    expect(judge([leg(1), leg(2)], { unclaimed: [2] })).toMatchObject({
      complete: true,
      names: ['stream_unclaimed 2'],
    });
  });

  it('is in doubt when a worker died, and says nothing about legs that nobody counted', () => {
    const uncounted = without(nothing(1), 'expectedMs', 'expectedFromMs', 'receivedMs', 'audibleMs', 'silenceRatio');
    expect(judge([uncounted], { doubts: ['media_lost'] })).toMatchObject({
      complete: false,
      problems: [],
      doubts: [{ doubt: 'media_lost' }, { doubt: 'no_figures', leg: 1 }],
    });
  });

  it('after a worker died says nothing of whole legs, whose figures begin with the one that went on', () => {
    const found = judge([leg(1), leg(2, unheard), nothing(3)], {
      doubts: ['media_lost'],
      told: [{ problem: 'high_loss', leg: 1, fromMs: 5 }],
    });
    expect(found).toMatchObject({ complete: false, names: ['high_loss 1'] });
  });

  it('is not given when frames came that were not decoded', () => {
    expect(judge([leg(1, { undecoded: 2 }), leg(2)])).toMatchObject({ complete: false, problems: [], doubts: [] });
  });

  it('is not given when the disk did not take everything', () => {
    expect(judge([leg(1, { unwrittenMs: 300 }), leg(2)])).toMatchObject({ complete: false, unwrittenMs: 300 });
  });

  it('has the gaps of all legs in it by cause, and is not touched by those that somebody wanted', () => {
    const held = { gaps: [], gapsOmitted: 0, gapMs: { hold: 2_000.5, pause: 300 } };
    expect(
      judge([leg(1, held), leg(2, { ...held, gapMs: { hold: 1_000, absent: 40, loss: 0 } }), leg(3)]),
    ).toMatchObject({
      complete: true,
      gapMs: { hold: 3_000.5, pause: 300, absent: 40 },
    });
    expect(Object.keys(judge([leg(1, { gapMs: { loss: 0 } }), leg(2)]).gapMs)).toEqual([]);
  });

  it('is in doubt when the first packet came long after the leg was ready', () => {
    expect(judge([leg(1, { firstPacketMs: 1_500 })])).toMatchObject({
      complete: false,
      doubts: [{ doubt: 'late_begin', leg: 1 }],
    });
    expect(
      judge([leg(1, { firstPacketMs: 30_500, expectedFromMs: 30_000, expectedMs: 30_000, receivedMs: 29_000 })]),
    ).toMatchObject({
      complete: true,
      doubts: [],
    });
  });
});
