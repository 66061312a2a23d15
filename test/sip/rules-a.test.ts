import { afterEach, describe, expect, it } from 'vitest';
import { headerValue, headerValues } from '../../src/sip/message.js';
import { readFirstOffer } from '../../src/sip/rs-offer.js';
import { bodyParts, type ContractCase, finalTo, openCase, SDP, TestCall } from '../contract/contract-kit.js';
import { FRONTS } from '../helpers/sip-fronts.js';
import { requestView } from '../helpers/siprec-fixture.js';
import { newCallId, write } from './engine-kit.js';

const OFFER = { type: 'application/sdp', text: SDP.replace('recvonly', 'sendonly') };

let current: ContractCase | undefined;
afterEach(async () => {
  await current?.stop();
  current = undefined;
});

describe('a recording session', () => {
  it.each([
    ['application/rs-metadata', '<recording/>'],
    ['application/rs-metadata+xml', '<recording/>'],
    ['text/xml', '<recording_metadata/>'],
  ])('A2: is known by a body of %s alone', (type, body) => {
    const headers = { 'content-type': [type], contact: ['<sip:a@h>'] };
    const { recognised, conforming } = readFirstOffer(requestView({ headers, body }));
    expect([recognised, conforming]).toEqual([true, false]);
  });
});

for (const front of FRONTS) {
  describe(`a request on the ${front.name} front`, () => {
    it.each(['SUBSCRIBE', 'PUBLISH', 'REFER', 'MESSAGE', 'REGISTER', 'NOTIFY'])(
      'A11: that is a %s hears 405 with Allow and begins nothing',
      async (method) => {
        current = await openCase(front);
        const peer = await current.peer('UDP');
        const refused = await finalTo(peer, write(peer, { method }));
        expect(refused.status).toBe(405);
        const allowed = headerValues(refused, 'allow').flatMap((value) => value.split(/,\s*/));
        expect(allowed).toEqual(expect.arrayContaining(['INVITE', 'ACK', 'BYE', 'CANCEL', 'OPTIONS', 'UPDATE']));
        expect([current.calls.length, current.running.dialogs()]).toEqual([0, 0]);
      },
    );

    it('A13: is taken for any user part, and none', async () => {
      current = await openCase(front);
      const peer = await current.peer('UDP');
      for (const user of ['recorder@', '9999@', '+31205550100@', 'a;record=on@', '']) {
        const uri = `sip:${user}127.0.0.1`;
        const callId = newCallId();
        const answer = await finalTo(peer, write(peer, { uri, callId, ...bodyParts(OFFER) }));
        expect([uri, answer.status]).toEqual([uri, 200]);
        new TestCall(peer, callId, answer).acknowledge(1);
      }
      expect(current.calls).toHaveLength(5);
    });

    it('A4: hears +sip.srs in the Contact of every answer that makes or refreshes the dialog', async () => {
      current = await openCase(front);
      const call = await TestCall.place(await current.peer('UDP'), OFFER, ['Require: siprec']);
      const answers = [call.answer, await call.send('INVITE', OFFER), await call.send('UPDATE', OFFER)];
      for (const answer of answers) expect(headerValue(answer, 'contact')).toMatch(/>;\+sip\.srs/);
    });

    it('A15: hears Allow and Supported in the answer', async () => {
      current = await openCase(front);
      const { answer } = await TestCall.place(await current.peer('UDP'), OFFER);
      expect(headerValues(answer, 'allow').join()).toContain('UPDATE');
      expect(headerValues(answer, 'supported').join()).toContain('siprec');
    });
  });
}
