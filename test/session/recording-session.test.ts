import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { RecordingMetadata } from '../../src/core/model.js';
import { eventually } from '../helpers/eventually.js';
import { portRange } from '../helpers/port-range.js';
import { demoVoice, ffprobe, tone } from '../helpers/voices.js';
import { DTMF, PCMA, readWav } from '../rtp/media-fixture.js';
import { offer, RtpSender, type Studio, say, stream, studio, twoPeople } from './session-fixture.js';

let room: Studio;
afterEach(() => room.stop());

const pair = [stream(0), stream(1)];
const speech = demoVoice('caller', 0, 4_000);

/** Snapshot of a transfer that only tells what is new: Carol sends on the stream of label 1. */
const carolTakesOver: RecordingMetadata = {
  mode: 'partial',
  sessions: [],
  participants: [{ id: 'pc', name: 'Carol' }],
  streams: [],
  associations: [{ participantId: 'pc', send: ['ma'], receive: ['mb'] }],
  raw: '<recording><datamode>partial</datamode></recording>',
};

/** Room for so many legs. */
function narrow(legs: number): { portMin: number; portMax: number } {
  const portMin = portRange(2 * legs);
  return { portMin, portMax: portMin + 2 * legs - 1 };
}

async function quirk(code: string): Promise<number> {
  const line = (await room.metrics.render()).split('\n').find((text) => text.includes(`quirk="${code}"`));
  return Number(line?.split(' ')[1] ?? 0);
}

describe('a recording session', () => {
  it('tells its life in order and leaves a record with its files', async () => {
    room = await studio();
    const first = offer(pair, { metadata: twoPeople, from: '<sip:src@example.com>', userAgent: 'an SBC' });
    const { session, answer } = await room.recorder.open(first);
    expect(answer.streams.map(({ direction, label }) => [direction, label])).toEqual([
      ['recvonly', '1'],
      ['recvonly', '2'],
    ]);
    const sender = new RtpSender(answer.streams[0]?.port ?? 0);
    await say(sender, speech);
    await session.apply(offer([stream(0, { direction: 'inactive' }), stream(1, { direction: 'inactive' })]));
    await session.apply(offer(pair));
    await session.end('bye');
    await room.recorder.settled();
    await sender.close();

    const states = room.events.flatMap((event) => (event.type === 'call.updated' ? [event.state] : []));
    expect(states).toEqual(['paused', 'recording', 'draining']);
    expect(room.types()[0]).toBe('call.started');
    expect(room.types().at(-1)).toBe('call.ended');
    expect(room.types()).toContain('transcript.final');
    const record = room.record(session.id);
    expect(record).toMatchObject({
      version: 1,
      state: 'ended',
      reason: 'bye',
      callId: first.callId,
      from: '<sip:src@example.com>',
      userAgent: 'an SBC',
      participants: twoPeople.participants,
      warnings: [{ code: 'no_rtp', detail: 'leg 2' }],
      failures: [],
      metadataFiles: ['metadata-1.xml'],
    });
    expect(record.legs.map((leg) => [leg.leg, leg.label, leg.speaker.name, leg.file])).toEqual([
      [1, '1', 'Ana', 'leg-1.wav'],
      [2, '2', 'Ben', 'leg-2.wav'],
    ]);
    expect(record.legs[0]?.statistics).toMatchObject({ packets: speech.length / 160, lost: 0, sources: 1 });
    expect(record.transcripts.map(({ text }) => text)).toContain(`${session.id}-1-1`);
    expect(record.transcripts.every(({ leg }) => leg.speaker.name === 'Ana')).toBe(true);
    for (const file of ['leg-1.wav', 'leg-2.wav', 'call.wav']) {
      const { seconds } = ffprobe(join(room.folder(session.id), file));
      expect(seconds).toBeCloseTo((record.durationMs ?? 0) / 1000, 2);
    }
    expect(room.plane.load).toEqual({ calls: 0, ports: 0 });
    expect(room.recorder.activeSessions).toBe(0);
  });

  it('says call.started before any warning, and each oddity once', async () => {
    room = await studio();
    const unlabelled = [0, 1].map((index) => {
      const { label: _label, ...rest } = stream(index);
      return rest;
    });
    const { session } = await room.recorder.open(offer(unlabelled, { metadata: twoPeople }));
    expect(room.types()).toEqual(['call.started', 'recording.warning', 'recording.warning']);
    await session.apply(offer([...unlabelled, { ...stream(2), label: '9' }], { metadata: twoPeople }));
    await session.end('bye', { warnings: [{ code: 'label_missing', detail: 'm-line 1' }] });
    expect(await quirk('label_missing')).toBe(1);
    expect(await quirk('mapping_inferred')).toBe(1);
    expect(await quirk('no_rtp')).toBe(1);
  });

  it('is not disturbed by a refresh that changes nothing', async () => {
    room = await studio();
    const { session, answer } = await room.recorder.open(offer(pair, { metadata: twoPeople }));
    const again = await session.apply(offer(pair, { metadata: twoPeople }));
    expect(again.answer?.streams).toEqual(answer.streams);
    expect(await session.apply(offer(undefined, { metadata: twoPeople }))).toEqual({});
    expect(room.types()).toEqual(['call.started']);
  });
});

describe('a refused offer', () => {
  it('opens nothing when every session is taken', async () => {
    room = await studio({ maxSessions: 1 });
    await room.recorder.open(offer(pair));
    await expect(room.recorder.open(offer(pair))).rejects.toMatchObject({ code: 'SRS_SIP_BUSY' });
    expect(room.recorder.accepting).toBe(false);
    expect(room.recordings()).toHaveLength(1);
    expect(room.plane.load).toEqual({ calls: 1, ports: 2 });
  });

  it.each([
    ['no port is free', 'SRS_PORTS_EXHAUSTED', [stream(0), stream(1), stream(2)]],
    ['no stream can be taken', 'SRS_SDP_NOT_ACCEPTABLE', [stream(0, { profile: 'RTP/SAVP' })]],
  ])('leaves nothing when %s', async (_why, code, streams) => {
    room = await studio({ media: narrow(2) });
    await expect(room.recorder.open(offer(streams))).rejects.toMatchObject({ code });
    expect(room.recordings()).toEqual([]);
    expect(room.events).toEqual([]);
    expect(room.recorder.activeSessions).toBe(0);
    expect(room.plane.load).toEqual({ calls: 0, ports: 0 });
  });

  it('leaves a running session as it was: formats, holds and removals of the same offer too', async () => {
    room = await studio({ media: narrow(3) });
    const { session, answer } = await room.recorder.open(offer(pair, { metadata: twoPeople }));
    const before = session.currentAnswer;
    const bad = [
      stream(0, { direction: 'inactive', label: 'changed', formats: [PCMA, DTMF], rawFormats: ['8', '101'] }),
      stream(1, { port: 0 }),
      stream(2),
      stream(3),
    ];
    await expect(session.apply(offer(bad, { metadata: carolTakesOver }))).rejects.toMatchObject({
      code: 'SRS_PORTS_EXHAUSTED',
    });
    expect(session.currentAnswer).toBe(before);
    expect(room.plane.load.ports).toBe(2);
    const senders = [0, 1].map((at) => new RtpSender(answer.streams[at]?.port ?? 0));
    await Promise.all(senders.map((sender) => say(sender, tone(440, 1_000))));
    await session.end('bye');
    await room.recorder.settled();
    await Promise.all(senders.map((sender) => sender.close()));
    const record = room.record(session.id);
    expect(record.legs.map(({ leg, label, speaker }) => [leg, label, speaker.name])).toEqual([
      [1, '1', 'Ana'],
      [2, '2', 'Ben'],
    ]);
    expect(record.legs.map((leg) => leg.statistics?.packets)).toEqual([50, 50]);
    for (const leg of [1, 2]) {
      const { samples } = readWav(join(room.folder(session.id), `leg-${leg}.wav`));
      expect(samples.some((sample) => Math.abs(sample) > 1000)).toBe(true);
    }
    expect(record.warnings).toEqual([]);
  });

  it('does not hold the number of a leg: the next offer that fits is taken', async () => {
    room = await studio({ media: narrow(3) });
    const { session } = await room.recorder.open(offer(pair));
    await expect(session.apply(offer([...pair, stream(2), stream(3)]))).rejects.toMatchObject({
      code: 'SRS_PORTS_EXHAUSTED',
    });
    const { answer } = await session.apply(offer([...pair, stream(2)]));
    expect(answer?.streams).toHaveLength(3);
    expect(answer?.streams[2]?.port).toBeGreaterThan(0);
    await session.end('bye');
    await room.recorder.settled();
    // No file without a line in the record: nobody may wonder whose silence it is.
    const record = room.record(session.id);
    const audio = readdirSync(room.folder(session.id)).filter((name) => name.startsWith('leg-'));
    expect(audio.sort()).toEqual(record.legs.map(({ file }) => file).sort());
    expect(record.bytes).toBe(
      [...audio, 'call.wav'].reduce((sum, name) => sum + statSync(join(room.folder(session.id), name)).size, 0),
    );
  });
});

describe('who speaks', () => {
  it('changes with metadata alone for what is said later, also while earlier words are still to come', async () => {
    room = await studio();
    let release = (): void => {};
    room.words = new Promise((resolve) => {
      release = resolve;
    });
    const { session, answer } = await room.recorder.open(offer(pair, { metadata: twoPeople }));
    const sender = new RtpSender(answer.streams[0]?.port ?? 0);
    // The snapshot comes after the speech and before the end of the silence that cuts it.
    await say(sender, speech);
    await session.apply(offer(undefined, { metadata: carolTakesOver, receivedAt: Date.now() }));
    const cutsOfAna = room.events.length;
    await say(sender, new Int16Array(8_000));
    await say(sender, speech);
    await say(sender, new Int16Array(8_000));
    release();
    await session.end('bye');
    await room.recorder.settled();
    await sender.close();
    expect(cutsOfAna).toBe(2);
    const names = room.record(session.id).transcripts.map(({ leg }) => leg.speaker.name);
    expect(names.length).toBeGreaterThanOrEqual(2);
    expect([names[0], names.at(-1)]).toEqual(['Ana', 'Carol']);
    expect([...names].sort()).toEqual(names);
  });

  it('is told late for what was said before any metadata came', async () => {
    room = await studio();
    let release = (): void => {};
    room.words = new Promise((resolve) => {
      release = resolve;
    });
    const { session, answer } = await room.recorder.open(offer(pair));
    const sender = new RtpSender(answer.streams[0]?.port ?? 0);
    await say(sender, speech);
    await session.apply(offer(undefined, { metadata: twoPeople }));
    release();
    await session.end('bye');
    await room.recorder.settled();
    await sender.close();
    expect(room.record(session.id).transcripts[0]?.leg.speaker.name).toBe('Ana');
  });

  it('is forgotten when a snapshot says that nobody or several send, and kept when it does not speak of streams', async () => {
    room = await studio();
    const { session } = await room.recorder.open(offer(pair, { metadata: twoPeople }));
    const people = { ...twoPeople, participants: [...twoPeople.participants].reverse(), streams: [], associations: [] };
    await session.apply(offer(undefined, { metadata: people }));
    const held = { ...twoPeople, associations: [{ participantId: 'pb', send: ['mb'], receive: [] }] };
    await session.apply(offer(undefined, { metadata: held }));
    const mixed = twoPeople.associations.map((one) => ({ ...one, send: ['ma', 'mb'] }));
    await session.apply(offer(undefined, { metadata: { ...twoPeople, associations: mixed } }));
    const told = room.events.flatMap((event) =>
      event.type === 'call.updated' ? [event.legs.map((leg) => leg.speaker.name ?? '-')] : [],
    );
    expect(told).toEqual([
      ['-', 'Ben'],
      ['-', '-'],
    ]);
  });

  it('is not unsaid by the metadata of the BYE, which may name who was unknown', async () => {
    room = await studio();
    const onlyAna = { ...twoPeople, associations: twoPeople.associations.slice(0, 1) };
    const { session } = await room.recorder.open(offer(pair, { metadata: onlyAna }));
    const gone = twoPeople.associations.map((one) => ({ ...one, send: [], receive: [] }));
    await session.end('bye', { metadata: { ...twoPeople, associations: gone }, warnings: [] });
    await room.recorder.settled();
    expect(room.record(session.id).legs[0]?.speaker.name).toBe('Ana');
    expect(room.record(session.id).metadataFiles).toHaveLength(2);
    const late = await room.recorder.open(offer(pair));
    await late.session.end('bye', { metadata: twoPeople, warnings: [] });
    await room.recorder.settled();
    const record = room.record(late.session.id);
    expect(record.legs.map((leg) => leg.speaker.name)).toEqual(['Ana', 'Ben']);
    expect(record.participants).toMatchObject(twoPeople.participants);
  });
});

describe('the shutdown', () => {
  it('ends every session, asks for their BYEs, and takes none that was still being opened', async () => {
    room = await studio();
    const { session } = await room.recorder.open(offer(pair));
    const asked: string[] = [];
    session.onEndRequested = (reason) => asked.push(reason);
    const opening = room.recorder.open(offer(pair)).then(
      () => 'opened',
      (error: unknown) => (error instanceof Error && 'code' in error ? error.code : error),
    );
    await room.recorder.endAll('shutdown');
    expect(await opening).toBe('SRS_SIP_BUSY');
    expect(asked).toEqual(['shutdown']);
    await room.recorder.settled();
    expect(room.record(session.id)).toMatchObject({ state: 'ended', reason: 'shutdown' });
    expect(room.recordings()).toHaveLength(1);
    expect(room.recorder.activeSessions).toBe(0);
    expect(room.plane.load).toEqual({ calls: 0, ports: 0 });
  });

  it('answers a late offer with the answer in force and ends once', async () => {
    room = await studio();
    const { session } = await room.recorder.open(offer(pair));
    const ends = Promise.all([session.end('bye'), session.end('session_expired')]);
    const late = await session.apply(offer([stream(0, { port: 0 }), stream(1)]));
    await ends;
    await room.recorder.settled();
    expect(late.answer).toBe(session.currentAnswer);
    expect(room.types().filter((type) => type === 'call.ended')).toHaveLength(1);
    expect(room.record(session.id).reason).toBe('bye');
    await eventually('files are there', () => existsSync(join(room.folder(session.id), 'call.wav')));
    expect(readdirSync(room.folder(session.id)).sort()).toEqual(['call.json', 'call.wav', 'leg-1.wav', 'leg-2.wav']);
  });
});
