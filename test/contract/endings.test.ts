import { afterEach, describe, expect, it } from 'vitest';
import { headerValue } from '../../src/sip/message.js';
import type { SipReply } from '../../src/sip/sip-server.js';
import { eventually } from '../helpers/eventually.js';
import { FRONTS } from '../helpers/sip-fronts.js';
import { answerTo, newBranch, newCallId, write } from '../sip/engine-kit.js';
import {
  ANSWER,
  type ContractCase,
  finalTo,
  openCase,
  QUICK,
  reply,
  SDP,
  TestCall,
  TRANSPORTS,
} from './contract-kit.js';

const OFFER = { type: 'application/sdp', text: SDP.replace('recvonly', 'sendonly') };

let current: ContractCase | undefined;
afterEach(async () => {
  await current?.stop();
  current = undefined;
});

for (const front of FRONTS) {
  for (const transport of TRANSPORTS) {
    describe(`the end of a call over ${transport} on the ${front.name} front`, () => {
      const start = async (options = {}) => {
        const open = await openCase(front, options);
        current = open;
        return { open, peer: await open.peer(transport) };
      };

      it('comes by CANCEL before the final response, and the session that was made is told', async () => {
        const { open, peer } = await start();
        let decide: (reply: SipReply) => void = () => {};
        open.onInvite = () =>
          new Promise<SipReply>((resolve) => {
            decide = resolve;
          });
        const parts = { callId: newCallId(), branch: newBranch() };
        peer.send(write(peer, { ...parts, body: SDP, extra: ['Content-Type: application/sdp'] }));
        const seen = await eventually('the application sees the call', () => open.calls[0]);
        expect(seen.control.cancelled.aborted).toBe(false);
        peer.send(write(peer, { ...parts, method: 'CANCEL', contact: null }));
        expect((await peer.final('CANCEL')).status).toBe(200);
        expect((await peer.final('INVITE')).status).toBe(487);
        await eventually('the application hears the CANCEL', () => seen.control.cancelled.aborted);
        decide(ANSWER);
        await eventually('the session hears its end', () => seen.ends.length > 0);
        expect(seen.ends).toEqual([{ reason: 'cancelled', bye: undefined }]);
        expect(open.running.dialogs()).toBe(0);
      });

      it('comes by a BYE of ours, which the application may ask for while the ACK is on its way', async () => {
        const { open, peer } = await start();
        const call = await TestCall.place(peer, OFFER);
        const seen = open.call(call.callId);
        const bye = seen.control.bye('stopped by "hand"');
        const request = await call.receive('BYE');
        expect(headerValue(request, 'reason')).toBe(`SIP;cause=200;text="stopped by 'hand'"`);
        expect(headerValue(request, 'from')).toContain(`tag=${call.toTag}`);
        reply(peer, request, 200);
        await bye;
        expect(seen.ends).toEqual([{ reason: 'local', bye: undefined }]);
        expect(open.running.dialogs()).toBe(0);
        await seen.control.bye();
        await expect(seen.control.request({ method: 'UPDATE' })).rejects.toMatchObject({
          code: 'SRS_SIP_DIALOG_STATE',
        });
      });

      it('comes when nobody acknowledges the answer', async () => {
        const { open, peer } = await start({ timers: QUICK });
        const callId = newCallId();
        peer.send(write(peer, { callId, body: SDP, extra: ['Content-Type: application/sdp'] }));
        await answerTo(peer, callId);
        const seen = open.call(callId);
        await eventually('the application hears the end', () => seen.ends.length > 0, 45_000);
        expect(seen.ends).toEqual([{ reason: 'ack_timeout', bye: undefined }]);
        reply(peer, await peer.request('BYE'), 200);
      }, 60_000);

      it('reaches every peer when the server stops', async () => {
        const { open, peer } = await start();
        const calls = [await TestCall.place(peer, OFFER), await TestCall.place(peer, OFFER)];
        const farewells = calls.map(({ callId }) => open.call(callId).control.bye('shutdown'));
        const stopped = open.running.stop();
        for (const call of calls) reply(peer, await call.receive('BYE'), 200);
        await Promise.all(farewells);
        await stopped;
        expect(open.calls.map(({ ends }) => ends.map(({ reason }) => reason))).toEqual([['local'], ['local']]);
      });
    });
  }

  it(`loses no BYE that comes right behind the ACK on the ${front.name} front`, async () => {
    const open = await openCase(front);
    current = open;
    const peer = await open.peer('UDP');
    for (let round = 0; round < 20; round++) {
      const callId = newCallId();
      peer.send(write(peer, { callId, body: SDP, extra: ['Content-Type: application/sdp'] }));
      const call = new TestCall(peer, callId, await answerTo(peer, callId));
      // ACK and BYE in one breath: what came with the confirmation of the answer must not be lost.
      call.acknowledge(1);
      expect((await call.send('BYE')).status).toBe(200);
      await eventually('the application hears the BYE', () => open.call(callId).ends.length === 1);
    }
    expect(open.running.dialogs()).toBe(0);
    expect((await finalTo(peer, write(peer, { method: 'OPTIONS', callId: newCallId() }))).status).toBe(200);
  });
}
