import { describe, expect, it } from 'vitest';
import type { CallEventDraft } from '../../src/core/call-event.js';
import { amqpBody, eventJson } from '../../src/listeners/event-json.js';
import { aliceLeg, desk, spoken } from '../helpers/call-events.js';

const { bus } = desk();
const unknownLeg = { leg: 2, label: 'b', speaker: {} };

const ofEveryType: readonly CallEventDraft[] = [
  { type: 'call.started', callId: 'c', sessionId: 's', legs: [aliceLeg, unknownLeg] },
  { type: 'call.updated', callId: 'c', sessionId: 's', legs: [aliceLeg], state: 'paused' },
  {
    type: 'call.ended',
    callId: 'c',
    sessionId: 's',
    legs: [aliceLeg],
    reason: 'bye',
    durationMs: 61_000,
    recording: 'recordings/day/s',
  },
  spoken('c', 1),
  {
    type: 'transcript.failed',
    callId: 'c',
    sessionId: 's',
    utteranceId: 'u',
    leg: aliceLeg,
    startMs: 5,
    endMs: 9,
    vendor: 'whisper',
    code: 'SRS_STT_TIMEOUT',
  },
  {
    type: 'dtmf.pressed',
    callId: 'c',
    sessionId: 's',
    leg: aliceLeg,
    digit: '5',
    startMs: 5,
    durationMs: 90,
    source: 'rtp',
  },
  { type: 'recording.warning', callId: 'c', sessionId: 's', warning: { code: 'no_rtp', detail: 'leg 2' } },
];

describe('the outside shape of events', () => {
  it('of final words holds the keys of other SIPREC servers and our own', () => {
    const event = bus.publish(spoken('call@pbx', 2, 'good morning'));
    expect(eventJson(event)).toEqual({
      type: 'transcript.final',
      seq: event.seq,
      event_id: event.eventId,
      timestamp: new Date(event.at).toISOString(),
      call_id: 'call@pbx',
      session_id: 'session-call@pbx',
      call_uuid: 'call@pbx_1',
      transcription: 'good morning',
      is_final: true,
      utterance_id: 'call@pbx-1-2',
      leg: 1,
      stream_label: '1',
      participant_id: 'p1',
      participant_name: 'Alice',
      participant_aor: 'sip:alice@example.com',
      participant_role: 'caller',
      start_ms: 2000,
      end_ms: 2900,
      words: [{ word: 'words', start_ms: 2000, end_ms: 2400, probability: 0.9 }],
      language: 'en',
      vendor: 'whisper',
      model: 'micro',
      delay_ms: 120,
      metadata: {
        is_final: true,
        leg: 1,
        stream_label: '1',
        participant_id: 'p1',
        participant_name: 'Alice',
        participant_aor: 'sip:alice@example.com',
        participant_role: 'caller',
        start_ms: 2000,
        end_ms: 2900,
        language: 'en',
        vendor: 'whisper',
        model: 'micro',
      },
    });
  });

  it.each(ofEveryType)('of $type has the five keys that old programs read', (draft) => {
    const json = JSON.parse(JSON.stringify(eventJson(bus.publish(draft))));
    expect(json).toMatchObject({
      type: draft.type,
      call_uuid: expect.stringMatching(/^c(_1)?$/),
      transcription: expect.any(String),
      is_final: expect.any(Boolean),
      timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
      metadata: expect.objectContaining({ is_final: json.is_final }),
    });
    expect(amqpBody(bus.publish(draft))).toMatchObject({
      stream_label: expect.any(String),
      participant_name: expect.any(String),
      participant_role: expect.any(String),
    });
  });

  it('of a key press tells the leg and the digit when they are known, and says when the digit is kept back', () => {
    const key = { type: 'dtmf.pressed', callId: 'c', sessionId: 's', startMs: 700 } as const;
    expect(eventJson(bus.publish({ ...key, leg: aliceLeg, digit: '#', durationMs: 120, source: 'rtp' }))).toMatchObject(
      {
        call_uuid: 'c_1',
        leg: 1,
        participant_name: 'Alice',
        digit: '#',
        start_ms: 700,
        duration_ms: 120,
        source: 'rtp',
        is_final: false,
      },
    );
    const masked = eventJson(bus.publish({ ...key, source: 'info' }));
    expect(masked).toMatchObject({ call_uuid: 'c', masked: true, start_ms: 700, source: 'info' });
    expect(['leg', 'digit', 'duration_ms'].filter((name) => name in masked)).toEqual([]);
  });

  it('of a failure tells the code and no words', () => {
    const [, , , , failed] = ofEveryType;
    if (!failed) throw new Error('no draft');
    expect(eventJson(bus.publish(failed))).toMatchObject({
      error: 'SRS_STT_TIMEOUT',
      transcription: '',
      is_final: true,
    });
  });

  it('of a call tells its people, its sessions and what ties it to other calls', () => {
    const [started] = ofEveryType;
    if (started?.type !== 'call.started') throw new Error('no draft');
    const facts = {
      participants: [{ id: 'p', name: 'Alice', aor: 'sip:a@example.org', role: 'caller' }, { id: 'q' }],
      communicationSessions: [{ id: 's', groupId: 'g' }, { id: 't' }],
      attributes: { ucid: ['1', '2'] },
      dialect: 'oracle',
    };
    expect(eventJson(bus.publish({ ...started, ...facts }))).toMatchObject({
      participants: [
        {
          participant_id: 'p',
          participant_name: 'Alice',
          participant_aor: 'sip:a@example.org',
          participant_role: 'caller',
        },
        { participant_id: 'q' },
      ],
      communication_sessions: [{ id: 's', group_id: 'g' }, { id: 't' }],
      attributes: { ucid: ['1', '2'] },
      dialect: 'oracle',
    });
    const bare = eventJson(bus.publish(started));
    expect([bare.participants, bare.communication_sessions, bare.attributes, bare.dialect]).toEqual(
      Array.from({ length: 4 }, () => undefined),
    );
  });

  it('of a call describes every leg, and leaves out what is not known', () => {
    const [started] = ofEveryType;
    if (!started) throw new Error('no draft');
    expect(eventJson(bus.publish(started)).legs).toEqual([
      expect.objectContaining({ call_uuid: 'c_1', participant_name: 'Alice' }),
      { leg: 2, stream_label: 'b', call_uuid: 'c_b' },
    ]);
  });
});
