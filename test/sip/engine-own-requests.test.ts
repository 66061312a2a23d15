import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { headerValue, headerValues, type SipRequest, type SipResponse } from '../../src/sip/message.js';
import type { SipDialogRequest, SipDialogResponse } from '../../src/sip/sip-server.js';
import { eventually } from '../helpers/eventually.js';
import {
  ANSWER,
  atRest,
  cseqMethod,
  establish,
  type Fixture,
  newBranch,
  type Peer,
  startServer,
  TcpPeer,
  UdpPeer,
  write,
  writeResponse,
} from './engine-kit.js';

const SDP = { type: 'application/sdp', content: 'v=0\r\ns=ours\r\n' };
const OFFER: SipDialogRequest = { method: 'INVITE', body: SDP };

describe.each(['UDP', 'TCP'] as const)('a request of ours over %s', (transport) => {
  let fixture: Fixture;
  let peer: Peer;

  beforeEach(async () => {
    fixture = await startServer({ glareWaitMs: () => 20, minimumSessionSeconds: 1 });
    peer = transport === 'UDP' ? await UdpPeer.open(fixture.udp) : await TcpPeer.open(fixture.tcp);
  });
  afterEach(async () => {
    await peer.close();
    await fixture.server.stop();
  });

  /** Sends it in the only call; its failure is kept as a value, so that no rejection goes unheard. */
  function begin(request: SipDialogRequest): Promise<SipDialogResponse | string> {
    const control = fixture.calls[0]?.control;
    if (control === undefined) throw new Error('there is no call');
    return control.request(request).catch((error: { code: string }) => error.code);
  }

  /** The final response to that INVITE; the 200 to an earlier one may have come twice. */
  async function finalOf(cseq: number): Promise<SipResponse> {
    const message = await peer.next(
      `the answer to INVITE ${cseq}`,
      (m) => m.kind === 'response' && m.status >= 200 && headerValue(m, 'cseq') === `${cseq} INVITE`,
    );
    if (message.kind !== 'response') throw new Error('unreachable');
    return message;
  }

  it('is a re-INVITE with our Contact and body, whose 200 is acknowledged as often as it comes', async () => {
    const call = await establish(peer);
    const done = begin({ ...OFFER, headers: { 'X-Why': 'pause', Contact: '<sip:other@host>' } });
    const invite = await peer.request('INVITE');
    expect(headerValues(invite, 'contact')).toHaveLength(1);
    expect(headerValue(invite, 'contact')).toContain(';+sip.srs');
    expect(headerValues(invite, 'supported')).toContain('timer');
    expect(headerValues(invite, 'allow')).toContain('PRACK');
    expect(headerValue(invite, 'x-why')).toBe('pause');
    expect(headerValue(invite, 'session-expires')).toBeUndefined();
    expect(headerValue(invite, 'content-type')).toBe('application/sdp');
    expect(Buffer.from(invite.body).toString()).toBe(SDP.content);
    peer.send(writeResponse(invite, 100));
    const moved = `Contact: <sip:moved@127.0.0.1:${peer.port}${transport === 'TCP' ? ';transport=tcp' : ''}>`;
    const ok = writeResponse(invite, 200, [moved, 'Content-Type: application/sdp'], 'v=0\r\ns=theirs\r\n');
    peer.send(ok);
    const answer = await done;
    if (typeof answer === 'string') throw new Error(answer);
    expect(answer.status).toBe(200);
    expect(answer.header('Content-Type')).toBe('application/sdp');
    expect(Buffer.from(answer.body).toString()).toContain('theirs');
    const ack = await peer.request('ACK');
    expect(ack.uri).toContain('sip:moved@');
    expect(headerValue(ack, 'cseq')).toBe(headerValue(invite, 'cseq')?.replace('INVITE', 'ACK'));
    expect(headerValue(ack, 'via')).not.toBe(headerValue(invite, 'via'));
    peer.send(ok);
    expect(await peer.request('ACK')).toEqual(ack);
    peer.send(write(peer, { ...call, method: 'BYE', cseq: 2 }));
    await peer.response(200, 'BYE');
    expect(fixture.calls[0]?.requests).toEqual([]);
    await atRest(fixture);
  });

  it('is acknowledged in its own branch when it is refused, and the session goes on', async () => {
    const call = await establish(peer);
    const done = begin(OFFER);
    const invite = await peer.request('INVITE');
    peer.send(writeResponse(invite, 488, ['Warning: 399 src "no"']));
    const ack = await peer.request('ACK');
    expect(headerValue(ack, 'via')).toBe(headerValue(invite, 'via'));
    const refused = await done;
    expect(refused).toMatchObject({ status: 488 });
    expect(fixture.calls[0]?.ends).toEqual([]);
    peer.send(write(peer, { ...call, method: 'INFO', cseq: 2 }));
    await peer.response(200, 'INFO');
  });

  it.each([405, 415, 420, 488, 500, 501])('that is an UPDATE refused with %i ends nothing', async (status) => {
    await establish(peer);
    const done = begin({ method: 'UPDATE', body: { type: 'application/rs-metadata-request', content: 'x' } });
    peer.send(writeResponse(await peer.request('UPDATE'), status));
    expect(await done).toMatchObject({ status });
    expect(fixture.calls[0]?.ends).toEqual([]);
    expect(fixture.server.counts.dialogs).toBe(1);
  });

  it.each([481, 408])('ends the dialog when the peer answers %i', async (status) => {
    await establish(peer);
    const done = begin({ method: 'UPDATE' });
    peer.send(writeResponse(await peer.request('UPDATE'), status));
    expect(await done).toMatchObject({ status });
    peer.send(writeResponse(await peer.request('BYE'), 481));
    expect(fixture.calls[0]?.ends.map(({ reason }) => reason)).toEqual(['session_expired']);
    await atRest(fixture);
    expect(await begin({ method: 'UPDATE' })).toBe('SRS_SIP_DIALOG_STATE');
  });

  it('is the only one at a time', async () => {
    await establish(peer);
    const first = begin({ method: 'UPDATE' });
    expect(await begin(OFFER)).toBe('SRS_SIP_DIALOG_STATE');
    peer.send(writeResponse(await peer.request('UPDATE'), 200));
    expect(await first).toMatchObject({ status: 200 });
    const second = begin(OFFER);
    peer.send(writeResponse(await peer.request('INVITE'), 200));
    expect(await second).toMatchObject({ status: 200 });
  });

  it('is given up when the call ends, by either side', async () => {
    const call = await establish(peer);
    const done = begin(OFFER);
    const invite = await peer.request('INVITE');
    peer.send(write(peer, { ...call, method: 'BYE', cseq: 2 }));
    await peer.response(200, 'BYE');
    expect(await done).toBe('SRS_SIP_DIALOG_STATE');
    // The peer owes it an answer all the same, and hears the ACK to it.
    peer.send(writeResponse(invite, 487));
    await peer.request('ACK');
    await atRest(fixture);
  });

  it('waits for the ACK to the last answer to the peer', async () => {
    const call = await establish(peer);
    const branch = newBranch();
    peer.send(write(peer, { ...call, cseq: 2, branch }));
    expect((await finalOf(2)).status).toBe(200);
    const done = begin({ method: 'UPDATE' });
    peer.send(write(peer, { ...call, method: 'INFO', cseq: 3 }));
    await peer.response(200, 'INFO');
    expect(peer.received.some((m) => m.kind === 'request' && m.method === 'UPDATE')).toBe(false);
    peer.send(write(peer, { ...call, method: 'ACK', cseq: 2 }));
    peer.send(writeResponse(await peer.request('UPDATE'), 200));
    expect(await done).toMatchObject({ status: 200 });
  });

  it('fails when the application asks for it while it decides: neither side waits for the other', async () => {
    const call = await establish(peer);
    let asked: SipDialogResponse | string = 'nothing';
    fixture.onRequest = async () => {
      asked = await begin({ method: 'UPDATE' });
      return ANSWER;
    };
    peer.send(write(peer, { ...call, cseq: 2 }));
    expect((await finalOf(2)).status).toBe(200);
    expect(asked).toBe('SRS_SIP_DIALOG_STATE');
    peer.send(write(peer, { ...call, method: 'ACK', cseq: 2 }));
    await eventually('the ACK arrives', () => fixture.calls[0]?.acks.length === 2);
    const later = begin({ method: 'UPDATE' });
    peer.send(writeResponse(await peer.request('UPDATE'), 200));
    expect(await later).toMatchObject({ status: 200 });
  });

  describe('in a glare', () => {
    it('is tried again after a 491, with a new CSeq', async () => {
      await establish(peer);
      const done = begin(OFFER);
      const seen: SipRequest[] = [];
      for (const status of [491, 491, 200]) {
        const fresh = await peer.next(
          'the next try',
          (m) => m.kind === 'request' && m.method === 'INVITE' && !seen.some((old) => sameCSeq(old, m)),
        );
        if (fresh.kind !== 'request') throw new Error('unreachable');
        seen.push(fresh);
        peer.send(writeResponse(fresh, status));
        await peer.request('ACK');
      }
      expect(await done).toMatchObject({ status: 200 });
      const numbers = seen.map((m) => Number.parseInt(headerValue(m, 'cseq') ?? '', 10));
      expect(numbers.map((n) => n - (numbers[0] ?? 0))).toEqual([0, 1, 2]);
    });

    it("refuses the peer's offers with 491 while ours waits, and takes its metadata, INFO and BYE", async () => {
      const call = await establish(peer);
      const done = begin(OFFER);
      const invite = await peer.request('INVITE');
      peer.send(writeResponse(invite, 100));
      const branch = newBranch();
      peer.send(write(peer, { ...call, cseq: 2, branch, body: 'v=0', extra: ['c: application/sdp'] }));
      expect((await finalOf(2)).status).toBe(491);
      peer.send(write(peer, { ...call, method: 'ACK', cseq: 2, branch }));
      peer.send(write(peer, { ...call, method: 'UPDATE', cseq: 3, body: 'v=0', extra: ['c: application/sdp'] }));
      await peer.response(491, 'UPDATE');
      expect(fixture.calls[0]?.requests).toEqual([]);
      peer.send(
        write(peer, { ...call, method: 'UPDATE', cseq: 4, body: '<r/>', extra: ['c: application/rs-metadata'] }),
      );
      await peer.response(200, 'UPDATE');
      peer.send(write(peer, { ...call, method: 'INFO', cseq: 5 }));
      await peer.response(200, 'INFO');
      peer.send(writeResponse(invite, 200));
      expect(await done).toMatchObject({ status: 200 });
      await peer.request('ACK');
      const next = newBranch();
      peer.send(write(peer, { ...call, cseq: 6, branch: next, body: 'v=0', extra: ['c: application/sdp'] }));
      expect((await finalOf(6)).status).toBe(200);
    });

    it('refuses offers of the peer while the answer to our offer in a 200 is missing', async () => {
      const call = await establish(peer);
      peer.send(write(peer, { ...call, cseq: 2 }));
      expect((await finalOf(2)).status).toBe(200);
      peer.send(write(peer, { ...call, method: 'UPDATE', cseq: 3, body: 'v=0', extra: ['c: application/sdp'] }));
      await peer.response(491, 'UPDATE');
      peer.send(write(peer, { ...call, method: 'ACK', cseq: 2, body: 'v=0', extra: ['c: application/sdp'] }));
      await eventually('the ACK arrives', () => fixture.calls[0]?.acks.includes('v=0'));
      peer.send(write(peer, { ...call, method: 'UPDATE', cseq: 4, body: 'v=0', extra: ['c: application/sdp'] }));
      await peer.response(200, 'UPDATE');
    });
  });

  describe('and a CANCEL of the re-INVITE of the peer', () => {
    it('never undoes what was applied: the 200 wins', async () => {
      const call = await establish(peer);
      let decide: () => void = () => {};
      fixture.onRequest = () => new Promise((resolve) => (decide = () => resolve(ANSWER)));
      const branch = newBranch();
      peer.send(write(peer, { ...call, cseq: 2, branch }));
      await peer.response(100, 'INVITE');
      peer.send(write(peer, { ...call, method: 'CANCEL', cseq: 2, branch }));
      await peer.response(200, 'CANCEL');
      decide();
      const final = await finalOf(2);
      expect(final.status).toBe(200);
      peer.send(write(peer, { ...call, method: 'ACK', cseq: 2 }));
      await eventually('the ACK arrives', () => fixture.calls[0]?.acks.length === 2);
      expect(fixture.calls[0]?.ends).toEqual([]);
    });

    it('is answered with 487 when the application refuses the request after it', async () => {
      const call = await establish(peer);
      let refuse: () => void = () => {};
      fixture.onRequest = () => new Promise((resolve) => (refuse = () => resolve({ status: 488 })));
      const branch = newBranch();
      peer.send(write(peer, { ...call, cseq: 2, branch }));
      await peer.response(100, 'INVITE');
      peer.send(write(peer, { ...call, method: 'CANCEL', cseq: 2, branch }));
      await peer.response(200, 'CANCEL');
      refuse();
      expect((await finalOf(2)).status).toBe(487);
      peer.send(write(peer, { ...call, method: 'ACK', cseq: 2, branch }));
      fixture.onRequest = () => ANSWER;
      peer.send(write(peer, { ...call, cseq: 3 }));
      expect((await finalOf(3)).status).toBe(200);
    });

    it('ends the wait for an application that never decides', async () => {
      const call = await establish(peer);
      fixture.onRequest = () => new Promise(() => {});
      const branch = newBranch();
      peer.send(write(peer, { ...call, cseq: 2, branch }));
      expect((await finalOf(2)).status).toBe(504);
      peer.send(write(peer, { ...call, method: 'ACK', cseq: 2, branch }));
      fixture.onRequest = () => ANSWER;
      peer.send(write(peer, { ...call, method: 'UPDATE', cseq: 3 }));
      await peer.response(200, 'UPDATE');
    });
  });
});

function sameCSeq(a: SipRequest, b: SipRequest): boolean {
  return headerValue(a, 'cseq') === headerValue(b, 'cseq') && cseqMethod(a) === cseqMethod(b);
}
