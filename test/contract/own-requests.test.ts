import { afterEach, describe, expect, it } from 'vitest';
import { headerValue } from '../../src/sip/message.js';
import { FRONTS } from '../helpers/sip-fronts.js';
import { type ContractCase, openCase, reply, SDP, TestCall, TRANSPORTS, textOf } from './contract-kit.js';

const OFFER = { type: 'application/sdp', text: SDP.replace('recvonly', 'sendonly') };

let current: ContractCase | undefined;
afterEach(async () => {
  await current?.stop();
  current = undefined;
});

for (const front of FRONTS) {
  for (const transport of TRANSPORTS) {
    describe(`a request of ours over ${transport} on the ${front.name} front`, () => {
      const start = async () => {
        const open = await openCase(front);
        current = open;
        const peer = await open.peer(transport);
        const call = await TestCall.place(peer, OFFER);
        return { peer, call, seen: open.call(call.callId) };
      };
      const paused = { type: 'application/sdp', content: SDP.replace('recvonly', 'inactive') };

      it('changes the media by re-INVITE, whose answer is acknowledged', async () => {
        const { peer, call, seen } = await start();
        const asked = seen.control.request({ method: 'INVITE', body: paused });
        const request = await call.receive('INVITE');
        expect(textOf(request.body)).toBe(paused.content);
        expect(headerValue(request, 'content-type')).toBe('application/sdp');
        expect(headerValue(request, 'contact')).toContain('+sip.srs');
        reply(peer, request, 200, OFFER);
        const ack = await call.receive('ACK');
        expect(headerValue(ack, 'cseq')?.split(' ')[0]).toBe(headerValue(request, 'cseq')?.split(' ')[0]);
        const response = await asked;
        expect([response.status, textOf(response.body), response.header('content-type')]).toEqual([
          200,
          OFFER.text,
          OFFER.type,
        ]);
        expect((await call.send('INFO')).status).toBe(200);
      });

      it('asks for a snapshot by UPDATE and carries its headers', async () => {
        const { peer, call, seen } = await start();
        const asked = seen.control.request({ method: 'UPDATE', headers: { 'X-Test': 'one' } });
        const request = await call.receive('UPDATE');
        expect(headerValue(request, 'x-test')).toBe('one');
        reply(peer, request, 200);
        expect((await asked).status).toBe(200);
      });

      it('tells the status of a refusal, and the call goes on', async () => {
        const { peer, call, seen } = await start();
        const asked = seen.control.request({ method: 'INVITE', body: paused });
        reply(peer, await call.receive('INVITE'), 488);
        expect((await asked).status).toBe(488);
        expect((await call.send('INFO')).status).toBe(200);
        expect(seen.ends).toEqual([]);
      });

      it('is sent again when it crossed one of the peer', async () => {
        const { peer, call, seen } = await start();
        const asked = seen.control.request({ method: 'INVITE', body: paused });
        const first = await call.receive('INVITE');
        reply(peer, first, 491);
        const second = await call.receive('INVITE');
        expect(headerValue(second, 'cseq')).not.toBe(headerValue(first, 'cseq'));
        reply(peer, second, 200, OFFER);
        expect((await asked).status).toBe(200);
      });

      it('refuses an offer of the peer that crosses it with 491', async () => {
        const { peer, call, seen } = await start();
        const asked = seen.control.request({ method: 'INVITE', body: paused });
        const request = await call.receive('INVITE');
        expect((await call.send('INVITE', OFFER)).status).toBe(491);
        reply(peer, request, 200, OFFER);
        expect((await asked).status).toBe(200);
      });
    });
  }
}
