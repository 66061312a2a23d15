import { describe, expect, it } from 'vitest';
import type { OfferedStream, RecordingMetadata } from '../../src/core/model.js';
import { MetadataState } from '../../src/session/metadata-state.js';
import { mapSpeakers, type SpeakerMapping } from '../../src/session/speaker-mapping.js';

function line(index: number, label?: string, more: Partial<OfferedStream> = {}): OfferedStream {
  return {
    index,
    media: 'audio',
    profile: 'RTP/AVP',
    port: 5004,
    direction: 'sendonly',
    formats: [],
    rawFormats: ['0'],
    ...(label === undefined ? {} : { label }),
    ...more,
  };
}

const base: RecordingMetadata = {
  mode: 'complete',
  sessions: [],
  participants: [
    { id: 'pa', name: 'Ana', aor: 'sip:a@example.org', role: 'caller' },
    { id: 'pb', name: 'Ben' },
  ],
  streams: [
    { id: 'ma', label: '1' },
    { id: 'mb', label: '2' },
  ],
  associations: [
    { participantId: 'pa', send: ['ma'], receive: ['mb'] },
    { participantId: 'pb', send: ['mb'], receive: ['ma'] },
  ],
  raw: '',
};

function map(lines: readonly OfferedStream[], change: Partial<RecordingMetadata> = {}): SpeakerMapping {
  const state = new MetadataState();
  state.apply({ ...base, ...change });
  return mapSpeakers(lines, state);
}

const names = (mapping: SpeakerMapping): unknown[] =>
  [...mapping.speakers].map(([index, s]) => [index, s.name ?? '-', s.inferred === true]);
const codes = (mapping: SpeakerMapping): string[] => mapping.warnings.map((warning) => warning.code);

describe('the speaker of an m-line', () => {
  it('is the participant that sends on the stream of its label', () => {
    const mapping = map([line(0, '1'), line(1, '2')]);
    expect([...mapping.speakers]).toEqual([
      [0, { participantId: 'pa', name: 'Ana', aor: 'sip:a@example.org', role: 'caller' }],
      [1, { participantId: 'pb', name: 'Ben' }],
    ]);
    expect(mapping.warnings).toEqual([]);
  });

  it('follows the label and not the order of anything', () => {
    const swapped = [...base.streams].reverse();
    expect(names(map([line(0, '2'), line(1, '1')], { streams: swapped }))).toEqual([
      [0, 'Ben', false],
      [1, 'Ana', false],
    ]);
  });

  it('is inferred from the order of the streams when labels are missing', () => {
    const mapping = map([line(0), line(1)]);
    expect(names(mapping)).toEqual([
      [0, 'Ana', true],
      [1, 'Ben', true],
    ]);
    expect(mapping.warnings).toEqual([
      { code: 'label_missing', detail: 'm-line 1, 2' },
      { code: 'mapping_inferred', detail: 'm-line 1, 2' },
    ]);
  });

  it('is inferred for the one m-line that has no label, from the one stream that is left', () => {
    const mapping = map([line(0), line(1, '1')]);
    expect(names(mapping)).toEqual([
      [0, 'Ben', true],
      [1, 'Ana', false],
    ]);
  });

  it('is inferred when the label is unknown (BroadWorks: 5 in SDP, 1 in XML)', () => {
    const mapping = map([line(0, '5')], { streams: [{ id: 'ma', label: '1' }] });
    expect(names(mapping)).toEqual([[0, 'Ana', true]]);
    expect(codes(mapping)).toEqual(['label_unknown', 'mapping_inferred']);
  });

  it('is inferred when a label is given twice in the SDP or in the metadata', () => {
    const twice = map([line(0, '1'), line(1, '1')]);
    expect(names(twice)).toEqual([
      [0, 'Ana', true],
      [1, 'Ben', true],
    ]);
    expect(codes(twice)).toEqual(['label_duplicate', 'mapping_inferred']);
    const streams = [
      { id: 'x', label: '9' },
      { id: 'ma', label: '1' },
      { id: 'mb', label: '1' },
    ];
    expect(names(map([line(0, '1')], { streams }))).toEqual([[0, 'Ana', true]]);
  });

  it('is nobody on a mixed stream, because one name would be wrong for half of the words', () => {
    const mapping = map([line(0, '1')], {
      streams: [{ id: 'ma', label: '1' }],
      associations: base.associations.map((one) => ({ ...one, send: ['ma'] })),
    });
    expect(mapping).toEqual({
      speakers: new Map([[0, {}]]),
      unclaimed: new Set(),
      warnings: [],
    });
  });

  it('is inferred from the order of participants when no association tells anything (OpenSIPS)', () => {
    const associations = base.associations.map((one) => ({ ...one, send: [], receive: [] }));
    for (const streams of [[], base.streams]) {
      const mapping = map([line(0, '1'), line(1, '2')], { streams, associations });
      expect(names(mapping)).toEqual([
        [0, 'Ana', true],
        [1, 'Ben', true],
      ]);
      expect(codes(mapping)).toEqual(['mapping_inferred']);
    }
  });

  it('is nobody rather than a guess when participants and m-lines differ in number', () => {
    expect(names(map([line(0, '1')], { streams: [], associations: [] }))).toEqual([[0, '-', false]]);
  });

  it('is nobody while the participant of a stream is on hold and others send', () => {
    const associations = [
      { participantId: 'pa', send: ['ma'], receive: [] },
      { participantId: 'pb', send: [], receive: [] },
    ];
    expect(names(map([line(0, '1'), line(1, '2')], { associations }))).toEqual([
      [0, 'Ana', false],
      [1, '-', false],
    ]);
  });

  it('is known by its id alone when the metadata does not describe it', () => {
    const mapping = map([line(0, '1')], { participants: [] });
    expect([...mapping.speakers]).toEqual([[0, { participantId: 'pa' }]]);
    expect(codes(mapping)).toEqual(['participant_unknown']);
  });

  it('is not tied by an id that two streams share or none (Avaya)', () => {
    const streams = [
      { id: '', label: '1' },
      { id: '', label: '2' },
    ];
    const associations = base.associations.map((one) => ({ ...one, send: [''] }));
    expect(names(map([line(0, '1'), line(1, '2')], { streams, associations }))).toEqual([
      [0, 'Ana', true],
      [1, 'Ben', true],
    ]);
  });

  it('is inferred from the streams when the metadata tells of people and streams that are not offered yet (Avaya)', () => {
    const change = {
      participants: [{ id: 'sbc', aor: 'sip:ASBCE@asbce.com' }, ...base.participants],
      streams: [
        { id: '', label: '10' },
        { id: '', label: '20' },
      ],
      associations: base.associations.map((one) => ({ ...one, send: [], receive: [] })),
    };
    const mapping = map([line(0, '20')], change);
    expect(names(mapping)).toEqual([[0, 'Ben', true]]);
    expect(codes(mapping)).toEqual(['mapping_inferred']);
    const alone = { ...change, participants: change.participants.slice(0, 1), associations: [] };
    expect(names(map([line(0, '10')], alone))).toEqual([[0, '-', false]]);
  });

  it('is inferred without a warning while nothing can be heard (Cisco before the answer and on hold)', () => {
    const associations = base.associations.map((one) => ({ ...one, send: [], receive: [] }));
    const mapping = map([line(0, '1', { direction: 'inactive' }), line(1, '2', { direction: 'inactive' })], {
      associations,
    });
    expect(names(mapping)).toEqual([
      [0, 'Ana', true],
      [1, 'Ben', true],
    ]);
    expect(mapping.warnings).toEqual([]);
  });

  it('is looked for on live audio only', () => {
    const lines = [line(0, '9', { media: 'video' }), line(1, '1', { port: 0 }), line(2, '2')];
    expect(names(map(lines))).toEqual([[2, 'Ben', false]]);
  });

  it('is not moved to another person when the m-line before it is removed', () => {
    const gone = { port: 0 };
    expect(names(map([line(0, undefined, gone), line(1)]))).toEqual([[1, 'Ben', true]]);
    expect(names(map([line(0, '1', gone), line(1, '7')]))).toEqual([[1, 'Ben', true]]);
    const bare = { streams: [], associations: [] };
    expect(names(map([line(0, undefined, gone), line(1)], bare))).toEqual([[1, 'Ben', true]]);
    // The snapshot of the removal names what is left only.
    const left = { streams: base.streams.slice(1) };
    expect(names(map([line(0, undefined, gone), line(1)], left))).toEqual([[1, 'Ben', true]]);
  });

  it('is nobody, without a word, when there is no metadata', () => {
    expect(mapSpeakers([line(0, '1')], new MetadataState())).toEqual({
      speakers: new Map([[0, {}]]),
      unclaimed: new Set(),
      warnings: [],
    });
  });

  it('is missed where the metadata says who sends on the other m-lines, and nowhere else', () => {
    const missed = (...given: Parameters<typeof map>): number[] => [...map(...given).unclaimed];
    const lines = [line(0, '1'), line(1, '2')];
    expect(missed(lines)).toEqual([]);
    const oneSends = { associations: base.associations.slice(0, 1) };
    expect(missed(lines, oneSends)).toEqual([1]);
    expect(missed([line(0, '1'), line(1, '2'), line(2, '3')])).toEqual([2]);
    expect(missed([line(0, '1'), line(1, '2', { port: 0 })], oneSends)).toEqual([]);
    // Where nobody is said to send at all, nothing was left out: OpenSIPS and mixed streams without associations.
    expect(missed(lines, { associations: [] })).toEqual([]);
    expect(missed([line(0, '1')], { associations: [] })).toEqual([]);
  });

  it('says nothing about people in its warnings', () => {
    const text = JSON.stringify(map([line(0), line(1, 'x')], { participants: [] }).warnings);
    expect(text).not.toMatch(/Ana|Ben|example/);
  });

  it('changes on a transfer, on the stream that is transferred and on no other', () => {
    const state = new MetadataState();
    state.apply(base);
    state.apply({
      ...base,
      mode: 'partial',
      participants: [{ id: 'pc', name: 'Carol' }],
      streams: [],
      associations: [
        { participantId: 'pb', send: [], receive: [] },
        { participantId: 'pc', send: ['mb'], receive: ['ma'] },
      ],
    });
    expect(names(mapSpeakers([line(0, '1'), line(1, '2')], state))).toEqual([
      [0, 'Ana', false],
      [1, 'Carol', false],
    ]);
  });

  it('changes when a complete snapshot gives everything a new id (BroadWorks)', () => {
    const state = new MetadataState();
    state.apply(base);
    state.apply({
      ...base,
      participants: [
        { id: 'x1', name: 'Dora' },
        { id: 'x2', name: 'Eli' },
      ],
      streams: [
        { id: 'y1', label: '2' },
        { id: 'y2', label: '1' },
      ],
      associations: [
        { participantId: 'x1', send: ['y1'], receive: [] },
        { participantId: 'x2', send: ['y2'], receive: [] },
      ],
    });
    expect(names(mapSpeakers([line(0, '1'), line(1, '2')], state))).toEqual([
      [0, 'Eli', false],
      [1, 'Dora', false],
    ]);
  });

  it('is nobody on the one leg that two send on, and whoever sends alone on the other', () => {
    const mapping = map([line(0, '1'), line(1, '2')], {
      associations: [
        { participantId: 'pa', send: ['ma'], receive: [] },
        { participantId: 'pb', send: ['ma', 'mb'], receive: [] },
      ],
    });
    expect(names(mapping)).toEqual([
      [0, '-', false],
      [1, 'Ben', false],
    ]);
  });

  it('is the same on two legs when one participant sends on both', () => {
    const mapping = map([line(0, '1'), line(1, '2')], {
      participants: base.participants.slice(0, 1),
      associations: [{ participantId: 'pa', send: ['ma', 'mb'], receive: [] }],
    });
    expect(names(mapping)).toEqual([
      [0, 'Ana', false],
      [1, 'Ana', false],
    ]);
    expect(mapping.warnings).toEqual([]);
  });

  it.each([
    ['numbers that are far apart', '1', '5'],
    ['a zero', '0', '1'],
    ['numbers of ten digits (Oracle)', '16777227', '1006644281'],
    ['words (FreeSWITCH)', 'inbound', 'outbound'],
    ['case alone', 'A', 'a'],
    ['leading zeros alone', '01', '1'],
  ])('is told apart by labels that are %s', (_what, one, other) => {
    const streams = [
      { id: 'ma', label: one },
      { id: 'mb', label: other },
    ];
    expect(names(map([line(0, other), line(1, one)], { streams }))).toEqual([
      [0, 'Ben', false],
      [1, 'Ana', false],
    ]);
  });

  it.each(['Ζωή Παπαδοπούλου', '田中 花子', 'عمر', 'O’Brien “Bo” & Söhne', '🙂'])(
    'keeps the name %s as it is',
    (name) => {
      const mapping = map([line(0, '1')], { participants: [{ id: 'pa', name }, { id: 'pb' }] });
      expect(mapping.speakers.get(0)?.name).toBe(name);
    },
  );
});
