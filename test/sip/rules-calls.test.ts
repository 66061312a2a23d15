import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../../src/core/logger.js';
import { headerValue, type SipResponse } from '../../src/sip/message.js';
import { readOffer } from '../../src/sip/sdp.js';
import { createSiprecDoor } from '../../src/sip/siprec-door.js';
import type { CallRecord } from '../../src/store/call-record.js';
import { reply, TestCall } from '../contract/contract-kit.js';
import { eventually } from '../helpers/eventually.js';
import { FRONTS, type RunningFront, type SipFront } from '../helpers/sip-fronts.js';
import { RtpSender, type Studio, studio } from '../session/session-fixture.js';
import { answerTo, newCallId, type UdpPeer as Peer, UdpPeer, write } from './engine-kit.js';

/** One stream of PCMU under a dynamic payload type or its own. */
const offerOf = (payloadType: number): { type: string; text: string } => ({
  type: 'application/sdp',
  text: [
    ...['v=0', 'o=- 1 1 IN IP4 127.0.0.1', 's=-', 'c=IN IP4 127.0.0.1', 't=0 0'],
    `m=audio 40000 RTP/AVP ${payloadType}`,
    `a=rtpmap:${payloadType} PCMU/8000`,
    ...['a=sendonly', 'a=label:1', ''],
  ].join('\r\n'),
});

/** 64*T1 is two and a half seconds: packets must come in before it on a busy machine. */
const QUICK = { t1Ms: 40, t2Ms: 320, t4Ms: 100 };

interface Stage {
  readonly room: Studio;
  readonly running: RunningFront;
  readonly src: Peer;
  received(): Promise<number>;
  /** Of the only call, when it has ended. */
  record(): Promise<CallRecord>;
}

let stage: Stage | undefined;
const senders: RtpSender[] = [];

/** Sessions, files and media as they are, behind a front, with an SRC on a real socket. */
async function setUp(front: SipFront, quick = false): Promise<Stage> {
  const room = await studio();
  const handlers = createSiprecDoor({ recorder: room.recorder, metrics: room.metrics, logger: silentLogger });
  const running = await front.start(handlers, quick ? { timers: QUICK } : {});
  const src = await UdpPeer.open(running.udp);
  stage = {
    room,
    running,
    src,
    received: async () =>
      Number(/^siprec_rtp_packets_received_total (\d+)/m.exec(await room.metrics.render())?.[1] ?? 0),
    record: async () =>
      room.record(
        await eventually('the end of the call', () => room.events.find(({ type }) => type === 'call.ended')?.sessionId),
      ),
  };
  return stage;
}

afterEach(async () => {
  await Promise.all(senders.splice(0).map((sender) => sender.close()));
  await stage?.room.stop();
  await stage?.running.stop();
  await stage?.src.close();
  stage = undefined;
});

const portOf = (answer: SipResponse): number => readOffer(answer.body).media.streams[0]?.port ?? 0;

function sender(port: number, payloadType = 0): RtpSender {
  const made = new RtpSender(port, { payloadType });
  senders.push(made);
  return made;
}

async function speak(to: RtpSender, packets: number, { received }: Stage): Promise<void> {
  const before = await received();
  for (let i = 0; i < packets; i += 1) await to.send(new Uint8Array(160).fill(0x55));
  await eventually('the packets', async () => (await received()) >= before + packets);
}

for (const front of FRONTS) {
  describe(`a whole call on the ${front.name} front`, () => {
    it('H1: is recorded from the moment of its answer, before the ACK', async () => {
      const made = await setUp(front);
      const { src } = made;
      const callId = newCallId();
      const { type, text } = offerOf(0);
      src.send(write(src, { callId, body: text, extra: [`Content-Type: ${type}`, 'Require: siprec'] }));
      const answer = await answerTo(src, callId);
      await speak(sender(portOf(answer)), 5, made);
      const call = new TestCall(src, callId, answer);
      call.acknowledge(1);
      expect((await call.send('BYE')).status).toBe(200);
      expect((await made.record()).legs[0]?.statistics).toMatchObject({ packets: 5, lost: 0 });
    });

    it('B1: that is never acknowledged ends by BYE and keeps its audio', async () => {
      const made = await setUp(front, true);
      const { src, room } = made;
      const callId = newCallId();
      const { type, text } = offerOf(0);
      src.send(write(src, { callId, body: text, extra: [`Content-Type: ${type}`, 'Require: siprec'] }));
      const answer = await answerTo(src, callId);
      await speak(sender(portOf(answer)), 5, made);
      const bye = await src.request('BYE');
      expect(headerValue(bye, 'call-id')).toBe(callId);
      reply(src, bye, 200);
      const record = await made.record();
      expect([record.reason, record.legs[0]?.statistics?.packets]).toEqual(['ack_timeout', 5]);
      expect(existsSync(join(room.folder(record.sessionId), 'leg-1.wav'))).toBe(true);
    });

    it('B16: G12: keeps what its requests tell of the call, the Privacy of people and the Reason of the BYE', async () => {
      const { src, record } = await setUp(front);
      const told = {
        'History-Info': '<sip:1000@example.com>;index=1',
        Diversion: '<sip:1001@example.com>;reason=unconditional',
        'P-Asserted-Identity': '"Ana" <sip:ana@example.com>',
        'User-to-User': '3132;encoding=hex',
        'Cisco-Guid': '1-2-3-4',
        Privacy: 'id;header',
        'X-Campaign': 'spring',
      };
      const lines = Object.entries(told).map(([name, value]) => `${name}: ${value}`);
      const call = await TestCall.place(src, offerOf(0), ['Require: siprec', ...lines]);
      const bye = await call.send('BYE', undefined, ['Reason: Q.850;cause=16;text="Terminated"']);
      expect(bye.status).toBe(200);
      const expected = Object.entries(told).map(([name, value]) => [name.toLowerCase(), [value]]);
      expect((await record()).attributes).toEqual({
        ...Object.fromEntries(expected),
        reason: ['Q.850;cause=16;text="Terminated"'],
      });
    });

    it('D12: follows a payload type that changes its number in a re-INVITE', async () => {
      const made = await setUp(front);
      const call = await TestCall.place(made.src, offerOf(96), ['Require: siprec']);
      const to = sender(portOf(call.answer), 96);
      await speak(to, 5, made);
      const again = await call.send('INVITE', offerOf(105));
      expect(readOffer(again.body).media.streams[0]?.rawFormats).toEqual(['105']);
      to.payloadType = 105;
      await speak(to, 5, made);
      await call.send('BYE');
      const [leg] = (await made.record()).legs;
      expect(leg?.statistics?.packets).toBe(10);
      expect(leg?.statistics?.dropped).toMatchObject({ unknown_payload: 0, malformed: 0 });
    });

    it('H7: H5: without any RTP has a record that says so, and is ended by its SRC alone', async () => {
      const { src, room, record } = await setUp(front);
      const call = await TestCall.place(src, offerOf(0), ['Require: siprec']);
      expect(room.recorder.activeSessions).toBe(1);
      expect((await call.send('BYE')).status).toBe(200);
      const { reason, warnings, legs } = await record();
      expect([reason, warnings.map(({ code }) => code), legs.length]).toEqual([
        'bye',
        ['metadata_missing', 'no_rtp'],
        1,
      ]);
      expect(await room.metrics.render()).toContain('siprec_peer_quirks_total{quirk="no_rtp"} 1');
    });
  });
}
