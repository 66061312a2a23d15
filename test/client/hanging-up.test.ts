import { describe, expect, it } from 'vitest';
import { headerValue } from '../../src/sip/message.js';
import { eventually } from '../helpers/eventually.js';
import { call, legs, start } from './call-fixture.js';

describe('a call that somebody ends', () => {
  it('stops when the SRS hangs up, and answers its BYE', async () => {
    const peer = await start();
    const running = call(peer, { legs: legs(20_000) });
    await eventually('audio flows', () => peer.rtp[0].length > 5);
    peer.request('BYE');
    const report = await running;
    expect(report.outcome).toBe('ended_by_peer');
    await eventually('the BYE is answered', () => peer.responses().length > 0);
    expect(peer.responses()).toEqual([200]);
    expect(peer.requests('BYE')).toHaveLength(0);
  });

  it('is not ended by the BYE of another dialog, nor by requests that it cannot fulfil', async () => {
    const peer = await start();
    const running = call(peer, { legs: legs(600) });
    await eventually('audio flows', () => peer.rtp[0].length > 2);
    peer.request('BYE', 'somebody-else');
    peer.request('OPTIONS');
    peer.request('INVITE');
    peer.request('REFER');
    expect((await running).outcome).toBe('completed');
    expect(peer.responses()).toEqual([481, 200, 488, 405]);
  });

  it('sends BYE when the caller hangs up', async () => {
    const peer = await start();
    const abort = new AbortController();
    const running = call(peer, { legs: legs(20_000), signal: abort.signal });
    await eventually('audio flows', () => peer.rtp[0].length > 5);
    abort.abort();
    expect((await running).outcome).toBe('cancelled');
    expect(peer.requests('BYE')).toHaveLength(1);
  });

  it('sends CANCEL when the caller hangs up while it rings', async () => {
    const peer = await start();
    const abort = new AbortController();
    peer.script = (request) => {
      if (request.method === 'INVITE') return [{ status: 180 }];
      if (request.method !== 'CANCEL') return [];
      const invite = peer.requests('INVITE')[0];
      if (invite !== undefined) setImmediate(() => peer.repeat(invite, { status: 487 }));
      return [{ status: 200 }];
    };
    const running = call(peer, {
      signal: abort.signal,
      onEvent: (event) => event.type === 'response' && abort.abort(),
    });
    expect((await running).outcome).toBe('cancelled');
    const [invite, cancel] = [peer.requests('INVITE')[0], peer.requests('CANCEL')[0]];
    if (invite === undefined || cancel === undefined) throw new Error('INVITE or CANCEL is missing');
    expect(headerValue(cancel, 'via')).toBe(headerValue(invite, 'via'));
    await eventually('the 487 is acknowledged', () => peer.requests('ACK').length === 1);
    expect(peer.requests('BYE')).toHaveLength(0);
  });

  it('calls nobody when it was given up before', async () => {
    const peer = await start();
    const report = await call(peer, { signal: AbortSignal.abort() });
    expect(report.outcome).toBe('cancelled');
    expect(peer.received).toHaveLength(0);
  });
});
