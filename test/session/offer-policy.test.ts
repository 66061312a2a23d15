import { describe, expect, it } from 'vitest';
import { NO_FFMPEG } from '../../src/core/audio-codec.js';
import type { MediaFormat, OfferedStream } from '../../src/core/model.js';
import { answerStream, decideOffer } from '../../src/session/offer-policy.js';
import { ANY_PROTECTION } from '../../src/session/stream-protection.js';

const format = (payloadType: number, encoding: string, clockRate = 8000): MediaFormat => ({
  payloadType,
  encoding,
  clockRate,
  channels: 1,
});
const PCMU = format(0, 'PCMU');
const PCMA = format(8, 'PCMA');
const EVENTS = format(101, 'TELEPHONE-EVENT');
const G729 = format(18, 'G729');

function stream(index: number, change: Partial<OfferedStream> = {}): OfferedStream {
  const formats = change.formats ?? [PCMU, EVENTS];
  return {
    index,
    media: 'audio',
    profile: 'RTP/AVP',
    port: 40000 + 2 * index,
    direction: 'sendonly',
    label: String(index),
    formats,
    rawFormats: formats.map((f) => String(f.payloadType)),
    ...change,
  };
}

const decide = (...streams: OfferedStream[]) => decideOffer({ streams, originVersion: '1', timing: '0 0' });

describe('the offer policy', () => {
  it('answers every format that can be taken, in the order of the offer, telephone-event included', () => {
    const [decision] = decide(stream(0, { formats: [G729, PCMA, EVENTS, PCMU] }));
    expect(decision?.formats).toEqual([PCMA, EVENTS, PCMU]);
  });

  it.each([
    ['without ffmpeg', NO_FFMPEG, [9, 107, 8, 96, 101, 0, 13]],
    ['with an ffmpeg that has some decoders', new Set(['g729', 'amrwb'] as const), [18, 9, 107, 8, 96, 99, 101, 0, 13]],
    [
      'with an ffmpeg that has all',
      new Set(['g729', 'amrnb', 'amrwb'] as const),
      [18, 9, 107, 8, 96, 98, 99, 101, 0, 13],
    ],
  ])('answers every codec that can be decoded %s, in the order of the offer', (_name, ffmpeg, types) => {
    const formats = [
      G729,
      format(9, 'G722'),
      { ...format(107, 'OPUS', 48_000), channels: 2 },
      format(103, 'ILBC'),
      PCMA,
      format(96, 'L16', 16_000),
      format(97, 'L16', 44_100),
      { ...format(98, 'AMR'), parameters: 'octet-align=1; mode-set=0,2,5,7' },
      { ...format(99, 'AMR-WB', 16_000), parameters: 'mode-set=0,1,2' },
      { ...format(102, 'AMR'), parameters: 'octet-align=1; crc=1' },
      { ...format(104, 'AMR-WB', 16_000), parameters: 'octet-align=1;interleaving=5' },
      EVENTS,
      PCMU,
      format(13, 'CN'),
    ];
    const offer = { streams: [stream(0, { formats })], originVersion: '1', timing: '0 0' };
    const [decision] = decideOffer(offer, ANY_PROTECTION, ffmpeg);
    expect(decision?.formats.map(({ payloadType }) => payloadType)).toEqual(types);
  });

  it('echoes the parameters that bind both sides, and says for Opus what it would like to receive', () => {
    const amr = { ...format(98, 'AMR'), parameters: 'octet-align=1; mode-set=0,2,5,7' };
    const g729 = { ...G729, parameters: 'annexb=no' };
    const opus = { ...format(107, 'OPUS', 48_000), channels: 2, parameters: 'useinbandfec=1; stereo=1; usedtx=1' };
    const offer = { streams: [stream(0, { formats: [amr, g729, opus, PCMU] })], originVersion: '1', timing: '0 0' };
    const [decision] = decideOffer(offer, ANY_PROTECTION, new Set(['g729', 'amrnb']));
    const answered = decision && answerStream(decision, 10_000).formats;
    expect(answered).toEqual([
      amr,
      g729,
      { ...opus, parameters: 'maxplaybackrate=16000; stereo=0; useinbandfec=0' },
      PCMU,
    ]);
    // The media plane decodes what was offered, whatever was answered.
    expect(decision?.formats).toEqual([amr, g729, opus, PCMU]);
  });

  it('tells whoever offered nothing of use what would be taken', () => {
    expect(() => decide(stream(0, { formats: [G729] }))).toThrow(/taken are .* PCMU, PCMA, G722, L16, OPUS$/);
  });

  it('refuses video, unknown codecs and profiles with port 0 and keeps the rest', () => {
    const decisions = decide(
      stream(0),
      stream(1, { media: 'video' }),
      stream(2, { formats: [G729] }),
      stream(3, { profile: 'UDP/TLS/RTP/SAVP' }),
      stream(4, { port: 0 }),
    );
    expect(decisions.map((d) => d.formats.length > 0)).toEqual([true, false, false, false, false]);
    expect(decisions.map((d) => answerStream(d, d.formats.length > 0 ? 10000 : 0).port)).toEqual([10000, 0, 0, 0, 0]);
  });

  it('does not take a stream that offers telephone events and no voice', () => {
    expect(() => decide(stream(0, { formats: [EVENTS] }))).toThrow(/no stream can be taken/);
  });

  it.each([
    ['sendonly', 'recvonly'],
    ['sendrecv', 'recvonly'],
    ['inactive', 'inactive'],
    ['recvonly', 'inactive'],
  ] as const)('answers %s with %s', (direction, answered) => {
    const [decision] = decide(stream(0, { direction }));
    expect(decision && answerStream(decision, 10000).direction).toBe(answered);
  });

  it('echoes the label, and gives none where none was offered', () => {
    const { label: _, ...unlabelled } = stream(1);
    const [first, second] = decide(stream(0, { label: 'a_leg' }), unlabelled);
    expect(first && answerStream(first, 10000)).toHaveProperty('label', 'a_leg');
    expect(second && answerStream(second, 10002)).not.toHaveProperty('label');
  });

  it('refuses the whole offer with 488 only when nothing of it can be taken', () => {
    expect(() => decide(stream(0, { formats: [G729] }), stream(1, { media: 'video' }))).toThrow(
      expect.objectContaining({ code: 'SRS_SDP_NOT_ACCEPTABLE', sipStatus: 488 }),
    );
  });

  it('takes an offer whose streams are all removed, and one without streams', () => {
    expect(decide(stream(0, { port: 0 }))).toHaveLength(1);
    expect(decide()).toEqual([]);
  });
});
