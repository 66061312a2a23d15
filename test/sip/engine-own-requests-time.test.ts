import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { headerValue } from '../../src/sip/message.js';
import type { SipDialogRequest, SipDialogResponse } from '../../src/sip/sip-server.js';
import { eventually } from '../helpers/eventually.js';
import { establish, type Fixture, startServer, UdpPeer, write, writeResponse } from './engine-kit.js';

const OFFER: SipDialogRequest = { method: 'INVITE', body: { type: 'application/sdp', content: 'v=0\r\ns=ours\r\n' } };

describe('in the course of time, a request of ours', () => {
  let fixture: Fixture;
  let peer: UdpPeer;

  beforeEach(async () => {
    fixture = await startServer({ glareWaitMs: () => 20, minimumSessionSeconds: 1 });
    peer = await UdpPeer.open(fixture.udp);
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

  it('that nobody answers is told as an error and ends nothing', async () => {
    const call = await establish(peer);
    expect(await begin({ method: 'UPDATE' })).toBe('SRS_SIP_TIMEOUT');
    expect(await begin(OFFER)).toBe('SRS_SIP_TIMEOUT');
    expect(fixture.calls[0]?.ends).toEqual([]);
    peer.send(write(peer, { ...call, method: 'INFO', cseq: 2 }));
    await peer.response(200, 'INFO');
  });

  it('that rings for ever is cancelled', async () => {
    await establish(peer);
    const done = begin(OFFER);
    const invite = await peer.request('INVITE');
    peer.send(writeResponse(invite, 180));
    const cancel = await peer.request('CANCEL');
    expect(headerValue(cancel, 'via')).toBe(headerValue(invite, 'via'));
    expect(headerValue(cancel, 'cseq')).toBe(headerValue(invite, 'cseq')?.replace('INVITE', 'CANCEL'));
    peer.send(writeResponse(cancel, 200));
    peer.send(writeResponse(invite, 487));
    await peer.request('ACK');
    expect(await done).toMatchObject({ status: 487 });
    expect(fixture.calls[0]?.ends).toEqual([]);
  });

  it('carries the session timer, and its 200 renews it', async () => {
    await establish(peer, { extra: ['x: 3', 'k: timer'] });
    for (let i = 0; i < 2; i++) {
      const due = performance.now() + 1_100;
      await eventually('the next one is due', () => performance.now() >= due);
      const done = begin({ method: 'UPDATE' });
      const update = await peer.request('UPDATE');
      expect(headerValue(update, 'session-expires')).toBe('3;refresher=uas');
      peer.send(writeResponse(update, 200, ['Session-Expires: 3;refresher=uas', 'Require: timer']));
      await done;
    }
    expect(fixture.calls[0]?.ends).toEqual([]);
    peer.send(writeResponse(await peer.request('BYE'), 200));
    expect(fixture.calls[0]?.ends.map(({ reason }) => reason)).toEqual(['session_expired']);
  });

  it('is not tried for ever', async () => {
    await establish(peer);
    const done = begin({ method: 'UPDATE' });
    const answered = new Set<string>();
    const answerAll = () => {
      for (const m of peer.received) {
        if (m.kind !== 'request' || answered.has(headerValue(m, 'cseq') ?? '')) continue;
        answered.add(headerValue(m, 'cseq') ?? '');
        peer.send(writeResponse(m, 491));
      }
      return answered.size === 5;
    };
    await eventually('five tries', answerAll, 8_000, 5);
    expect(await done).toMatchObject({ status: 491 });
    expect(fixture.calls[0]?.ends).toEqual([]);
  });
});
