import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { headerValue, headerValues } from '../../src/sip/message.js';
import { sessionPatienceMs } from '../../src/sip/session-interval.js';
import { eventually } from '../helpers/eventually.js';
import { atRest, establish, type Fixture, startServer, UdpPeer, write, writeResponse } from './engine-kit.js';

describe('session timers', () => {
  let fixture: Fixture;
  let peer: UdpPeer;

  beforeEach(async () => {
    fixture = await startServer({ minimumSessionSeconds: 1 });
    peer = await UdpPeer.open(fixture.udp);
  });
  afterEach(async () => {
    await peer.close();
    await fixture.server.stop();
  });

  it('leave the refresh to the peer and end a session that is not refreshed', async () => {
    const { answer } = await establish(peer, { extra: ['Session-Expires: 3', 'Supported: timer'] });
    expect(headerValue(answer, 'session-expires')).toBe('3;refresher=uac');
    expect(headerValues(answer, 'require')).toEqual(['timer']);
    const bye = await peer.request('BYE');
    peer.send(writeResponse(bye, 200));
    expect(fixture.calls[0]?.ends.map(({ reason }) => reason)).toEqual(['session_expired']);
    await atRest(fixture);
  });

  it('begin anew with each refresh, and end with one that asks for none', async () => {
    const call = await establish(peer, { extra: ['x: 2', 'k: timer'] });
    for (let cseq = 2; cseq < 5; cseq++) {
      const due = performance.now() + 700;
      await eventually('the next refresh is due', () => performance.now() >= due);
      peer.send(write(peer, { ...call, method: 'UPDATE', cseq, extra: ['x: 2', 'k: timer'] }));
      expect(headerValue(await peer.response(200, 'UPDATE'), 'session-expires')).toBe('2;refresher=uac');
    }
    // 2.1 s have passed of a session that was given 1.33 s.
    expect(fixture.calls[0]?.ends).toEqual([]);
    peer.send(write(peer, { ...call, method: 'UPDATE', cseq: 5 }));
    expect(headerValue(await peer.response(200, 'UPDATE'), 'session-expires')).toBeUndefined();
    expect(fixture.server.counts.dialogs).toBe(1);
  });

  it('are none for a peer that does not know them', async () => {
    const { answer } = await establish(peer, { extra: ['Session-Expires: 2'] });
    expect(headerValue(answer, 'session-expires')).toBeUndefined();
    expect(headerValue(answer, 'require')).toBeUndefined();
  });

  it('make the server refresh when the peer asks it to', async () => {
    const { answer } = await establish(peer, { extra: ['x: 3;refresher=uas', 'k: timer'] });
    expect(headerValue(answer, 'session-expires')).toBe('3;refresher=uas');
    for (let i = 0; i < 2; i++) {
      const update = await peer.request('UPDATE');
      expect(headerValue(update, 'contact')).toContain(';+sip.srs');
      peer.send(writeResponse(update, 200));
      peer.received.length = 0;
    }
    expect(fixture.calls[0]?.ends).toEqual([]);
    const last = await peer.request('UPDATE');
    peer.send(writeResponse(last, 481));
    await peer.request('BYE');
    expect(fixture.calls[0]?.ends.map(({ reason }) => reason)).toEqual(['session_expired']);
  });

  it('do not end the session of a peer that asks for refreshes and refuses the UPDATE, because it is there', async () => {
    await establish(peer, { extra: ['x: 3;refresher=uas', 'k: timer'] });
    for (let i = 0; i < 2; i++) {
      const update = await peer.request('UPDATE');
      peer.send(writeResponse(update, 405));
      // Repetitions of this one must not count as the next.
      await eventually('the refusal arrives', () => fixture.server.counts.transactions === 0);
      peer.received.length = 0;
    }
    expect(fixture.calls[0]?.ends).toEqual([]);
    expect(fixture.server.counts.dialogs).toBe(1);
  });

  it('send the BYE a third before the end, 32 s at most', () => {
    expect(sessionPatienceMs({ seconds: 90, refresher: 'uac' })).toBe(60_000);
    expect(sessionPatienceMs({ seconds: 1_800, refresher: 'uac' })).toBe(1_768_000);
  });
});
