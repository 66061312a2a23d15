import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LiveCall } from '../../src/session/call-control.js';
import { eventually } from '../helpers/eventually.js';
import type { SipFront } from '../helpers/sip-fronts.js';
import { fixtureBytes, fixtureMessage } from '../helpers/siprec-fixture.js';
import { RtpSender } from '../session/session-fixture.js';
import { DialectStudio } from './dialect-studio.js';
import type { FinalResponse, ScriptedCall } from './scripted-src.js';

const SDP = (directions: readonly string[], formats = '0 8'): string =>
  [
    ...['v=0', 'o=- 1 1 IN IP4 192.0.2.9', 's=-', 'c=IN IP4 192.0.2.9', 't=0 0'],
    ...directions.flatMap((direction, i) => [
      `m=audio ${30_000 + 2 * i} RTP/AVP ${formats}`,
      `a=${direction}`,
      `a=label:${10 * (2 - i)}`,
    ]),
    '',
  ].join('\r\n');

/** A message written out, with a body of any type. */
function message(method: string, type: string, body: string | Buffer): Buffer {
  const content = Buffer.from(body);
  const head = [
    `${method} sip:recorder@198.51.100.20 SIP/2.0`,
    'Via: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bKr',
    'Max-Forwards: 70',
    'From: <sip:src@192.0.2.9>;tag=reg',
    'To: <sip:recorder@198.51.100.20>',
    'Call-ID: r@192.0.2.9',
    `CSeq: 1 ${method}`,
    'Contact: <sip:src@192.0.2.9:5060>;+sip.src',
    'Require: siprec',
    ...(content.length === 0 ? [] : [`Content-Type: ${type}`]),
    `Content-Length: ${content.length}`,
  ];
  return Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), content]);
}

const invite = (directions: readonly string[] = ['sendonly', 'sendonly'], formats?: string): Buffer =>
  message('INVITE', 'application/sdp', SDP(directions, formats));
const directionsOf = (final: FinalResponse): string[] => final.body.match(/^a=(?:recvonly|inactive)/gm) ?? [];
const portsOf = (final: FinalResponse): number[] =>
  [...final.body.matchAll(/^m=\w+ (\d+)/gm)].map(([, port]) => Number(port));

/** R1–R19: what other recording servers have got wrong, named as in the conformance page. */
export function playRegressions(front: SipFront | undefined): void {
  if (!front) throw new Error('there is no such front');
  describe(`what other recording servers got wrong, on the ${front.name} front`, () => {
    let rooms: DialectStudio;
    let call: ScriptedCall;
    beforeAll(async () => {
      rooms = await DialectStudio.open(front);
    });
    afterAll(() => rooms.close());

    /** Opens a call, does something with it and ends it. */
    async function during(first: Buffer, work: (answer: FinalResponse) => Promise<void> | void): Promise<void> {
      call = rooms.src.call();
      const answer = await call.send(first);
      expect(answer.status).toBe(200);
      await work(answer);
      expect((await call.bye()).status).toBe(200);
    }
    const ended = (): Promise<string> =>
      eventually('the end of the call', () => {
        const event = rooms.studio.events.find((one) => one.callId === call.callId && one.type === 'call.ended');
        return event?.sessionId;
      });

    const live = (): LiveCall | undefined => rooms.studio.recorder.list().find(({ callId }) => callId === call.callId);
    const received = async (): Promise<number> =>
      Number(/^siprec_rtp_packets_received_total (\d+)/m.exec(await rooms.studio.metrics.render())?.[1] ?? 0);

    it('R1: the answer has the labels of the offer', () =>
      during(invite(), (answer) => expect(answer.body.match(/^a=label:\d+/gm)).toEqual(['a=label:20', 'a=label:10'])));

    it('R2: the answer is plain SDP', () =>
      during(fixtureBytes('rfc7866-two-legs'), (answer) => {
        expect(answer.header('Content-Type')).toBe('application/sdp');
        expect(answer.body).toMatch(/^v=0\r\n/);
      }));

    it('R3: inactive is answered inactive, and sendonly recvonly from then on', () =>
      during(invite(['inactive', 'inactive']), async (answer) => {
        expect(directionsOf(answer)).toEqual(['a=inactive', 'a=inactive']);
        expect(directionsOf(await call.send(invite()))).toEqual(['a=recvonly', 'a=recvonly']);
      }));

    it('R4: the time of a pause is in the recording', async () => {
      let portOf = 0;
      await during(invite(), async (answer) => {
        portOf = portsOf(answer)[0] ?? 0;
        const sender = new RtpSender(portOf);
        const packets = await received();
        await sender.send(new Uint8Array(160));
        await eventually('the packet', async () => (await received()) > packets);
        const before = Date.now();
        await call.send(invite(['inactive', 'inactive']));
        await eventually('300 ms of pause', () => Date.now() - before >= 300);
        await call.send(invite());
        // The clock of a SRC runs on while it is on hold.
        sender.timestamp += 8 * (Date.now() - before);
        await sender.send(new Uint8Array(160));
        await eventually('the packet after it', async () => (await received()) > packets + 1);
        await sender.close();
      });
      const { durationMs = 0 } = rooms.studio.record(await ended());
      expect(portOf).toBeGreaterThan(0);
      expect(durationMs).toBeGreaterThanOrEqual(250);
    });

    it.each([['opensips-no-streams'], ['cisco-cube-inactive-start'], ['netsapiens-without-streams']])(
      'R5: associations or streams that are empty crash nothing: %s',
      (name) => during(fixtureBytes(name), () => expect(live()).toBeDefined()),
    );

    it.each([['application/sdp;charset=utf-8'], ['Application/SDP ; version="1"']])(
      'R6: a type with parameters is known: %s',
      (type) =>
        during(message('INVITE', type, SDP(['sendonly'])), (answer) => expect(portsOf(answer)[0]).toBeGreaterThan(0)),
    );

    it('R7: an UPDATE of bare metadata is no SDP', () =>
      during(fixtureBytes('avaya-one-m-line'), async () => {
        const reply = await call.send(fixtureMessage('avaya-update-bare-metadata', '02-update'));
        expect([reply.status, reply.body]).toEqual([200, '']);
      }));

    it('R8: another SSRC after a hold is recorded', async () => {
      await during(invite(), async (answer) => {
        const port = portsOf(answer)[0] ?? 0;
        for (const ssrc of [1, 2]) {
          await call.send(invite());
          const before = await received();
          const sender = new RtpSender(port, { ssrc });
          for (let i = 0; i < 5; i++) await sender.send(new Uint8Array(160));
          await sender.close();
          // A re-INVITE on its way through the server must not overtake the packets.
          await eventually('five packets', async () => (await received()) >= before + 5);
          await call.send(invite(['inactive', 'inactive']));
        }
      });
      const [leg] = rooms.studio.record(await ended()).legs;
      expect(leg?.statistics?.packets ?? 0).toBeGreaterThan(5);
    });

    it('R9: a call without RTP has a record', async () => {
      await during(invite(), () => {});
      const record = rooms.studio.record(await ended());
      expect([record.state, record.legs.length]).toEqual(['ended', 2]);
      expect(record.warnings.map(({ code }) => code)).toContain('no_rtp');
    });

    it('R10: of thirty calls in a row thirty are recorded', async () => {
      for (let i = 0; i < 30; i++) {
        await during(invite(['sendonly']), () => {});
        expect(rooms.studio.record(await ended()).state).toBe('ended');
      }
    }, 20_000);

    it('R11: G.729 is refused and never decoded as something else; labels 20 then 10 keep their order', () =>
      during(
        message(
          'INVITE',
          'application/sdp',
          SDP(['sendonly', 'sendonly']).replace('30000 RTP/AVP 0 8', '30000 RTP/AVP 18'),
        ),
        (answer) => {
          expect(portsOf(answer)[0]).toBe(0);
          expect(live()?.legs.map(({ label }) => label)).toEqual(['10']);
        },
      ));

    it('R12: each of several m-lines has a port of its own, and video has none', () =>
      during(fixtureBytes('ng911-video-text-msrp'), (answer) => {
        const ports = portsOf(answer);
        expect(ports.slice(2)).toEqual([0, 0, 0]);
        expect(new Set(ports.slice(0, 2)).size).toBe(2);
      }));

    it('R13: metadata that is no XML costs nothing but names', () =>
      during(fixtureBytes('oracle-malformed-metadata'), async () => {
        expect((await call.send(message('UPDATE', 'application/rs-metadata+xml', '<recording><<<&&'))).status).toBe(
          200,
        );
        expect(live()).toBeDefined();
      }));

    it('R14: a re-INVITE that cannot be taken is answered, and the recording goes on', () =>
      during(invite(), async () => {
        expect((await call.send(invite(['sendonly', 'sendonly'], '96'))).status).toBe(488);
        expect((await call.send(invite())).status).toBe(200);
      }));

    it('R15: bodies with bare LF keep their last line', () =>
      during(fixtureBytes('audiocodes-bare-lf'), () => {
        expect(live()?.legs.map(({ speaker }) => speaker.aor)).toEqual([
          '+31205550101@example.org',
          '+31205550102@example.org',
        ]);
      }));

    it.each([['sip:@192.0.2.101'], ['sip:+15550100@ims.example.com;user=phone;transport=udp'], ['tel:+15550100']])(
      'R16: the address %s is taken',
      (aor) =>
        during(invite(['sendonly']), async () => {
          const xml = `<recording xmlns="urn:ietf:params:xml:ns:recording:1"><participant participant_id="p"><nameID aor="${aor}"/></participant></recording>`;
          expect((await call.send(message('UPDATE', 'application/rs-metadata+xml', xml))).status).toBe(200);
        }),
    );

    it('R17: the answer to four m-lines fits a datagram that is not fragmented', () =>
      during(fixtureBytes('oracle-four-m-lines'), ({ text }) => expect(Buffer.byteLength(text)).toBeLessThan(1300)));

    it.each([['broadworks-metadata-first'], ['broadworks-pause']])('R18: %s is taken with one part or two', (name) =>
      during(fixtureBytes(name), (answer) => expect(portsOf(answer)[0]).toBeGreaterThan(0)),
    );

    it('R19: what breaks one call leaves another as it was', () =>
      during(invite(), async () => {
        const other = rooms.src.call();
        expect((await other.send(message('INVITE', 'application/sdp', 'garbage'))).status).toBeGreaterThanOrEqual(400);
        expect((await call.send(invite())).status).toBe(200);
        expect(live()).toBeDefined();
      }));
  });
}
