import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { headerValue, headerValues } from '../../src/sip/message.js';
import { confirmedInterval, sessionPatienceMs } from '../../src/sip/session-interval.js';
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

  it('are kept by the server for a proxy when the peer has none, and end nothing then', async () => {
    const { answer } = await establish(peer, { extra: ['Session-Expires: 2'] });
    expect(headerValue(answer, 'session-expires')).toBe('2;refresher=uas');
    expect(headerValue(answer, 'require')).toBeUndefined();
    const update = await peer.request('UPDATE');
    expect(headerValue(update, 'session-expires')).toBe('2;refresher=uac');
    // Nobody answers: after 64*T1 the next one comes, and by then an expiry of 1.33 s would have ended the session.
    await eventually('the next refresh', () =>
      peer.received.some((m) => m.kind === 'request' && headerValue(m, 'cseq') !== headerValue(update, 'cseq')),
    );
    expect(fixture.calls[0]?.ends).toEqual([]);
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

  it('are kept by a re-INVITE with the session as it is when the peer refuses UPDATE', async () => {
    const { answer } = await establish(peer, { extra: ['x: 3;refresher=uas', 'k: timer'] });
    const update = await peer.request('UPDATE');
    peer.send(writeResponse(update, 405));
    for (let i = 0; i < 2; i++) {
      const invite = await peer.request('INVITE');
      expect(headerValue(invite, 'session-expires')).toBe('3;refresher=uac');
      expect(headerValue(invite, 'content-type')).toBe('application/sdp');
      expect(invite.body).toEqual(answer.body);
      // A refusal says that the peer is there, which is all that a refresh asks.
      peer.send(writeResponse(invite, i === 0 ? 200 : 488));
      await peer.request('ACK');
      // Repetitions of this INVITE came before its ACK and must not count as the next.
      peer.received.length = 0;
    }
    expect(fixture.calls[0]?.ends).toEqual([]);
    expect(fixture.server.counts.dialogs).toBe(1);
  });

  it('do not try UPDATE with a peer whose Allow does not name it', async () => {
    await establish(peer, { extra: ['x: 3;refresher=uas', 'k: timer', 'Allow: INVITE, ACK, BYE, CANCEL'] });
    const invite = await peer.request('INVITE');
    peer.send(writeResponse(invite, 200));
    expect(peer.received.some((m) => m.kind === 'request' && m.method === 'UPDATE')).toBe(false);
  });

  it('take the longer interval that a 422 to a refresh asks for', async () => {
    await establish(peer, { extra: ['x: 3;refresher=uas', 'k: timer'] });
    const short = await peer.request('UPDATE');
    peer.send(writeResponse(short, 422, ['Min-SE: 1800']));
    const long = await peer.next(
      'an UPDATE with the longer interval',
      (m) => m.kind === 'request' && headerValue(m, 'session-expires') === '1800;refresher=uac',
    );
    if (long.kind === 'request') peer.send(writeResponse(long, 200, ['Session-Expires: 1800;refresher=uac']));
    // The old interval would be over in a second.
    await eventually('the transactions end', () => fixture.server.counts.transactions === 0);
    expect(fixture.calls[0]?.ends).toEqual([]);
  });

  it('end a session whose refresh of ours nobody answers', async () => {
    await establish(peer, { extra: ['x: 3;refresher=uas', 'k: timer'] });
    await peer.request('UPDATE');
    await peer.request('BYE');
    expect(fixture.calls[0]?.ends.map(({ reason }) => reason)).toEqual(['session_expired']);
  });

  it('refuse a refresh that is too short without a change, and leave the application out of it', async () => {
    const strict = await startServer({ minimumSessionSeconds: 90 });
    const src = await UdpPeer.open(strict.udp);
    const call = await establish(src, { extra: ['x: 1800', 'k: timer'] });
    src.send(write(src, { ...call, method: 'UPDATE', cseq: 2, extra: ['x: 89', 'k: timer'] }));
    expect(headerValue(await src.response(422, 'UPDATE'), 'min-se')).toBe('90');
    expect(strict.calls[0]?.requests).toEqual([]);
    await src.close();
    await strict.server.stop();
  });

  it('are never shorter than our minimum, whatever the answer to a refresh of ours says', async () => {
    const strict = await startServer({ minimumSessionSeconds: 90 });
    const src = await UdpPeer.open(strict.udp);
    await establish(src, { extra: ['x: 1800', 'k: timer'] });
    const update = strict.calls[0]?.control.request({ method: 'UPDATE' });
    src.send(writeResponse(await src.request('UPDATE'), 200, ['Session-Expires: 1;refresher=uas']));
    expect((await update)?.status).toBe(200);
    // An interval of 1 s would be over after two thirds of it; QUICK transactions live longer.
    const due = performance.now() + 900;
    await eventually('the short interval is over', () => performance.now() >= due);
    expect(strict.calls[0]?.ends).toEqual([]);
    expect(confirmedInterval('1;refresher=uas', undefined, 90)).toEqual({ seconds: 90, refresher: 'uac' });
    await src.close();
    await strict.server.stop();
  });

  it('send the BYE a third before the end, 32 s at most', () => {
    expect(sessionPatienceMs({ seconds: 90, refresher: 'uac' })).toBe(60_000);
    expect(sessionPatienceMs({ seconds: 1_800, refresher: 'uac' })).toBe(1_768_000);
  });
});
