import { afterEach, describe, expect, it } from 'vitest';
import { headerValue } from '../../src/sip/message.js';
import { eventually } from '../helpers/eventually.js';
import { FRONTS } from '../helpers/sip-fronts.js';
import { newBranch, newCallId, write } from '../sip/engine-kit.js';
import { type ContractCase, finalTo, openCase, SDP, TestCall, TRANSPORTS, textOf } from './contract-kit.js';

const OFFER = { type: 'application/sdp', text: SDP.replace('recvonly', 'sendonly') };
const METADATA = {
  type: 'application/rs-metadata+xml',
  text: '<recording xmlns="urn:ietf:params:xml:ns:recording:1"/>',
};
const KEY = { type: 'application/dtmf-relay', text: 'Signal=5\r\nDuration=160\r\n' };

let current: ContractCase | undefined;
afterEach(async () => {
  await current?.stop();
  current = undefined;
});

for (const front of FRONTS) {
  for (const transport of TRANSPORTS) {
    describe(`a call over ${transport} on the ${front.name} front`, () => {
      const start = async () => {
        const open = await openCase(front);
        current = open;
        return { open, peer: await open.peer(transport) };
      };

      it('is answered with our SDP, and Contact names the address that was reached and the role of a recorder', async () => {
        const { open, peer } = await start();
        const call = await TestCall.place(peer, OFFER, ['Require: siprec']);
        expect(textOf(call.answer.body)).toBe(SDP);
        expect(headerValue(call.answer, 'content-type')).toBe('application/sdp');
        const port = transport === 'UDP' ? open.running.udp : open.running.tcp;
        expect(headerValue(call.answer, 'contact')).toMatch(
          new RegExp(`^<sip:srs@127\\.0\\.0\\.1:${port}[^>]*>;\\+sip\\.srs$`),
        );
        expect(textOf(open.call(call.callId).invite.body)).toBe(OFFER.text);
        expect(open.call(call.callId).control.localHost).toBe('127.0.0.1');
        expect(open.call(call.callId).invite.source).toMatchObject({ address: '127.0.0.1', port: peer.port });
      });

      it('takes re-INVITE, UPDATE, INFO and OPTIONS, and ends with the BYE and its body', async () => {
        const { open, peer } = await start();
        const call = await TestCall.place(peer, OFFER);
        const again = await call.send('INVITE', OFFER);
        expect(again.status).toBe(200);
        expect(headerValue(again, 'contact')).toContain('+sip.srs');
        const update = await call.send('UPDATE', METADATA);
        expect(update.status).toBe(200);
        expect(headerValue(update, 'contact')).toContain('+sip.srs');
        open.onRequest = () => ({ status: 200 });
        expect((await call.send('INFO', KEY)).status).toBe(200);
        expect((await call.send('OPTIONS')).status).toBe(200);
        expect((await call.send('BYE', METADATA)).status).toBe(200);
        const seen = open.call(call.callId);
        await eventually('the application hears the end', () => seen.ends.length > 0);
        expect(seen.requests.map(({ method }) => method)).toEqual(['INVITE', 'UPDATE', 'INFO', 'OPTIONS']);
        expect(seen.requests[1]).toEqual({ method: 'UPDATE', type: METADATA.type, body: METADATA.text });
        expect(seen.requests[2]).toEqual({ method: 'INFO', type: KEY.type, body: KEY.text });
        expect(seen.ends).toEqual([{ reason: 'bye', bye: METADATA.text }]);
        expect(open.running.dialogs()).toBe(0);
      });

      it('brings the answer of an offer of ours in the ACK', async () => {
        const { open, peer } = await start();
        const call = await TestCall.place(peer, undefined, [], OFFER);
        const seen = open.call(call.callId);
        expect(seen.invite.body).toHaveLength(0);
        await eventually('the ACK reaches the application', () => seen.acks.length > 0);
        expect(seen.acks).toEqual([{ type: OFFER.type, body: OFFER.text }]);
      });

      it('goes on after a re-INVITE that was refused', async () => {
        const { open, peer } = await start();
        const call = await TestCall.place(peer, OFFER);
        open.onRequest = () => ({ status: 488 });
        expect((await call.send('INVITE', OFFER)).status).toBe(488);
        open.onRequest = () => ({ status: 200 });
        expect((await call.send('INFO')).status).toBe(200);
        expect(open.call(call.callId).ends).toEqual([]);
      });

      it('is one call when its INVITE comes twice', async () => {
        const { open, peer } = await start();
        const message = write(peer, {
          callId: newCallId(),
          branch: newBranch(),
          body: SDP,
          extra: ['Content-Type: application/sdp'],
        });
        let decide: () => void = () => {};
        const decision = new Promise<void>((resolve) => {
          decide = resolve;
        });
        open.onInvite = async () => {
          await decision;
          return { status: 486 };
        };
        peer.send(message);
        await eventually('the application sees the call', () => open.calls.length === 1);
        peer.send(message);
        // An answered OPTIONS behind it shows that the second copy was read.
        await finalTo(peer, write(peer, { method: 'OPTIONS', callId: newCallId() }));
        decide();
        expect((await peer.final('INVITE')).status).toBe(486);
        expect(open.calls).toHaveLength(1);
      });

      it('does not touch its neighbour when a handler throws', async () => {
        const { open, peer } = await start();
        const one = await TestCall.place(peer, OFFER);
        const two = await TestCall.place(peer, OFFER);
        open.onRequest = (request) => {
          if (request.callId === one.callId) throw new TypeError('broken on purpose');
          return { status: 200 };
        };
        expect((await one.send('INFO')).status).toBe(500);
        expect((await two.send('INFO')).status).toBe(200);
        expect((await one.send('BYE')).status).toBe(200);
        expect((await two.send('INFO')).status).toBe(200);
        expect(open.call(two.callId).ends).toEqual([]);
      });

      it('hears 481 for what names a dialog that is over', async () => {
        const { peer } = await start();
        const call = await TestCall.place(peer, OFFER);
        expect((await call.send('BYE')).status).toBe(200);
        for (const method of ['BYE', 'INVITE', 'UPDATE', 'INFO', 'OPTIONS']) {
          expect([method, (await call.send(method)).status]).toEqual([method, 481]);
        }
      });
    });
  }
}
