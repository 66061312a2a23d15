import { afterEach, describe, expect, it } from 'vitest';
import { SrsError } from '../../src/core/errors.js';
import { silentLogger } from '../../src/core/logger.js';
import { Metrics } from '../../src/core/metrics.js';
import { headerValue } from '../../src/sip/message.js';
import { createSiprecDoor } from '../../src/sip/siprec-door.js';
import { FRONTS, type RunningFront } from '../helpers/sip-fronts.js';
import { PlayedRecorder } from '../sip/door-fixture.js';
import { newCallId, type Peer, UdpPeer, write } from '../sip/engine-kit.js';
import { ANSWER, bodyParts, type ContractCase, finalTo, openCase, SDP, TestCall, TRANSPORTS } from './contract-kit.js';

const OFFER = { type: 'application/sdp', text: SDP.replace('recvonly', 'sendonly') };

let current: ContractCase | undefined;
afterEach(async () => {
  await current?.stop();
  current = undefined;
});

for (const front of FRONTS) {
  for (const transport of TRANSPORTS) {
    describe(`a request over ${transport} on the ${front.name} front`, () => {
      const start = async () => {
        const open = await openCase(front);
        current = open;
        return { open, peer: await open.peer(transport) };
      };

      it('hears 420 with the tags of Require that nobody here knows, and with no others', async () => {
        const { open, peer } = await start();
        const extra = ['Require: siprec, magic', 'Require: timer, more-magic'];
        const refused = await finalTo(peer, write(peer, { callId: newCallId(), ...bodyParts(OFFER, extra) }));
        expect(refused.status).toBe(420);
        expect(headerValue(refused, 'unsupported')).toBe('magic, more-magic');
        expect(open.calls).toHaveLength(0);
        const call = await TestCall.place(peer, OFFER, ['Require: siprec, timer']);
        expect(call.answer.status).toBe(200);
      });

      it('hears 400 when an INVITE has no Contact, and no call is made of it', async () => {
        const { open, peer } = await start();
        const refused = await finalTo(peer, write(peer, { callId: newCallId(), contact: null, ...bodyParts(OFFER) }));
        expect(refused.status).toBe(400);
        expect(open.calls).toHaveLength(0);
        expect(open.running.dialogs()).toBe(0);
      });

      it('hears the status, the reason and the headers that the application gives', async () => {
        const { open, peer } = await start();
        open.onInvite = () => ({ status: 486, reason: 'Not Now', headers: { 'Retry-After': '7' } });
        const refused = await finalTo(peer, write(peer, { callId: newCallId(), ...bodyParts(OFFER) }));
        expect([refused.status, refused.reason, headerValue(refused, 'retry-after')]).toEqual([486, 'Not Now', '7']);
        open.onInvite = () => {
          throw new SrsError('SRS_SIP_BUSY', 'full');
        };
        const full = await finalTo(peer, write(peer, { callId: newCallId(), ...bodyParts(OFFER) }));
        expect([full.status, headerValue(full, 'retry-after')]).toEqual([503, '10']);
        expect(open.running.dialogs()).toBe(0);
      });

      it('hears of OPTIONS what the application says, 503 while it drains', async () => {
        const { open, peer } = await start();
        const probe = () => finalTo(peer, write(peer, { method: 'OPTIONS', callId: newCallId() }));
        const ready = await probe();
        expect(ready.status).toBe(200);
        expect(headerValue(ready, 'accept')).toBe('application/sdp');
        expect(headerValue(ready, 'allow')).toContain('INVITE');
        expect(headerValue(ready, 'supported')).toContain('siprec');
        open.onOptions = () => ({ status: 503 });
        const draining = await probe();
        expect([draining.status, headerValue(draining, 'retry-after')]).toEqual([503, '10']);
      });

      it('hears 422 when its session would be too short, and the interval else', async () => {
        const { peer } = await start();
        const short = ['Supported: timer', 'Session-Expires: 60'];
        const refused = await finalTo(peer, write(peer, { callId: newCallId(), ...bodyParts(OFFER, short) }));
        expect([refused.status, headerValue(refused, 'min-se')]).toEqual([422, '90']);
        const call = await TestCall.place(peer, OFFER, ['Supported: timer', 'Session-Expires: 1800']);
        expect(headerValue(call.answer, 'session-expires')).toBe('1800;refresher=uac');
        expect(headerValue(call.answer, 'require')).toBe('timer');
      });
    });
  }

  describe(`the SIPREC door on the ${front.name} front`, () => {
    let running: RunningFront | undefined;
    let peer: Peer | undefined;
    afterEach(async () => {
      await running?.stop();
      await peer?.close();
    });

    const invite = async (body: { type: string; text: string }, recorder: PlayedRecorder) => {
      const metrics = new Metrics({ vendors: [], models: [] });
      running = await front.start(createSiprecDoor({ recorder, metrics, logger: silentLogger }));
      peer = await UdpPeer.open(running.udp);
      return finalTo(peer, write(peer, { callId: newCallId(), ...bodyParts(body, ['Require: siprec']) }));
    };

    it('refuses a body of a type that it cannot read with 415', async () => {
      const refused = await invite({ type: 'text/html', text: '<p>' }, new PlayedRecorder());
      expect(refused.status).toBe(415);
      expect(headerValue(refused, 'accept')).toContain('application/sdp');
    });

    it('refuses an offer of which it can take nothing with 488', async () => {
      const text = OFFER.text.replace('m=audio 40000 RTP/AVP 0', 'm=video 40000 RTP/AVP 96');
      const recorder = new PlayedRecorder();
      recorder.refusal = new SrsError('SRS_SDP_NOT_ACCEPTABLE', 'no audio');
      expect((await invite({ type: 'application/sdp', text }, recorder)).status).toBe(488);
    });

    it('refuses a call when it is full with 503 and Retry-After', async () => {
      const recorder = new PlayedRecorder();
      recorder.refusal = new SrsError('SRS_SIP_BUSY', 'full');
      const refused = await invite(OFFER, recorder);
      expect([refused.status, headerValue(refused, 'retry-after')]).toEqual([503, '10']);
    });
  });

  it(`lets only listed peers speak on the ${front.name} front`, async () => {
    const open = await openCase(front, { peers: ['192.0.2.0/24'] });
    current = open;
    const peer = await open.peer('UDP');
    const refused = await finalTo(peer, write(peer, { callId: newCallId(), ...bodyParts(OFFER) }));
    expect(refused.status).toBe(403);
    open.onInvite = () => ANSWER;
    expect(open.calls).toHaveLength(0);
  });
}
