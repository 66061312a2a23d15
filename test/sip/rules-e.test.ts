import { afterEach, describe, expect, it } from 'vitest';
import { readMetadata } from '../../src/sip/metadata-xml.js';
import { type ContractCase, openCase, reply, SDP, TestCall } from '../contract/contract-kit.js';
import { FRONTS } from '../helpers/sip-fronts.js';

let current: ContractCase | undefined;
afterEach(async () => {
  await current?.stop();
  current = undefined;
});

const name = (xml: string): string | undefined => readMetadata(Buffer.from(xml)).metadata.participants[0]?.name;
const named = (text: string): string =>
  `<recording xmlns="urn:ietf:params:xml:ns:recording:1"><participant participant_id="p"><nameID aor="sip:p@h"><name>${text}</name></nameID></participant></recording>`;

describe('odd but legal XML', () => {
  it.each([
    ['entities of XML', '&quot;A&amp;B&quot; &lt;x&gt; O&apos;Brien', `"A&B" <x> O'Brien`],
    ['characters by number', '&#90;o&#xe9;', 'Zoé'],
    ['CDATA beside text', 'A <![CDATA[& B]]>', 'A & B'],
    ['a comment in a name', 'An<!-- x -->a', 'Ana'],
    ['a name over several lines', '\r\n   Ana\r\n   Maria\r\n', 'Ana Maria'],
  ])('E23: is read: %s', (_what, text, expected) => {
    expect(name(named(text))?.replace(/\s+/g, ' ').trim()).toBe(expected);
    expect(readMetadata(Buffer.from(named(text))).warnings).toEqual([]);
  });

  it('E23: is read with another default namespace on every child', () => {
    const xml = named('Ana').replace('<participant ', '<participant xmlns="urn:ietf:params:xml:ns:recording:1" ');
    expect(name(xml.replace('<nameID ', '<nameID xmlns="" '))).toBe('Ana');
  });
});

for (const front of FRONTS) {
  const statuses = [405, 415, 420, 481, 488, 500];

  describe(`a request that need not be understood, on the ${front.name} front`, () => {
    it.each(statuses)('E15: ends nothing when it is refused with %i', async (status) => {
      current = await openCase(front);
      const offer = { type: 'application/sdp', text: SDP.replace('recvonly', 'sendonly') };
      const call = await TestCall.place(await current.peer('UDP'), offer, ['Require: siprec']);
      // Its answer says that the ACK has come.
      expect((await call.send('INFO')).status).toBe(200);
      const seen = current.call(call.callId);
      const asked = seen.control.request({ method: 'UPDATE', optional: true });
      reply(call.peer, await call.receive('UPDATE'), status);
      expect((await asked).status).toBe(status);
      expect((await call.send('OPTIONS')).status).toBe(200);
      expect([seen.ends, current.running.dialogs()]).toEqual([[], 1]);
    });
  });
}
