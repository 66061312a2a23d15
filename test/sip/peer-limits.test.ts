import { afterEach, describe, expect, it } from 'vitest';
import { HandClock } from '../../src/core/clock.js';
import { headerValue, type SipResponse } from '../../src/sip/message.js';
import { peerKey } from '../../src/sip/peer-key.js';
import { RateLimit } from '../../src/sip/rate-limit.js';
import { DEFAULT_SIP_TIMERS } from '../../src/sip/sip-timers.js';
import { eventually } from '../helpers/eventually.js';
import { metricOf } from './door-fixture.js';
import {
  establish,
  type Fixture,
  newBranch,
  newCallId,
  type RequestParts,
  startServer,
  UdpPeer,
  write,
} from './engine-kit.js';

describe('a rate limit', () => {
  it('gives a burst, then so many a second, and never more than the burst', () => {
    const clock = new HandClock();
    const limit = new RateLimit({ perSecond: 4, burst: 8, clock });
    const taken = (times: number): number =>
      Array.from({ length: times }, () => limit.take('a')).filter(Boolean).length;
    expect(taken(20)).toBe(8);
    expect(limit.has('a')).toBe(false);
    clock.advance(250);
    expect([limit.has('a'), taken(3)]).toEqual([true, 1]);
    clock.advance(3_600_000);
    expect(taken(20)).toBe(8);
    limit.restore('a');
    expect(taken(3)).toBe(1);
  });

  it('forgets the peer that was silent longest when it knows too many', () => {
    const limit = new RateLimit({ perSecond: 1, burst: 1, maxPeers: 3, clock: new HandClock() });
    for (const peer of ['a', 'b', 'c']) expect(limit.take(peer)).toBe(true);
    expect(limit.take('a')).toBe(false);
    expect(limit.take('d')).toBe(true);
    expect(limit.peers).toBe(3);
    // b was the one forgotten; a is still known, though it came first.
    expect([limit.has('a'), limit.has('b')]).toEqual([false, true]);
  });
});

describe('the name of a peer', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:0DB8:0001:0002::9', '2001:db8:1:2'],
    ['2001:db8::1', '2001:db8:0:0'],
    ['::1', '0:0:0:0'],
    ['::', '0:0:0:0'],
    ['fe80::1%eth0', 'fe80:0:0:0'],
    ['2001:db8:1:2:3:4:192.0.2.1', '2001:db8:1:2'],
    ['1::3:4:5:6:192.0.2.1', '1:0:3:4'],
    ['no:address', 'no:address'],
  ])('of %s is %s', (address, key) => {
    expect(peerKey(address)).toBe(key);
  });
});

describe('the server', () => {
  let fixture: Fixture;
  const peers: UdpPeer[] = [];
  afterEach(async () => {
    await Promise.all(peers.splice(0).map((peer) => peer.close()));
    await fixture.server.stop();
  });

  const peerAt = async (address?: string): Promise<UdpPeer> => {
    const peer = await UdpPeer.open(fixture.udp, address);
    peers.push(peer);
    return peer;
  };
  const ask = async (peer: UdpPeer, parts: RequestParts): Promise<SipResponse> => {
    const callId = parts.callId ?? newCallId();
    peer.send(write(peer, { ...parts, callId }));
    const match = (m: UdpPeer['received'][number]) => m.kind === 'response' && m.status >= 200;
    const answer = await peer.next('an answer', (m) => match(m) && headerValue(m, 'call-id') === callId);
    if (answer.kind !== 'response') throw new Error('unreachable');
    return answer;
  };
  const refused = (cause: string) => metricOf(fixture.metrics, `siprec_sip_refused_total{cause="${cause}"}`);

  it('refuses new INVITEs and OPTIONS over the rate of one address, and no other address for it', async () => {
    const clock = new HandClock(1_000);
    fixture = await startServer({ peerRate: 3, clock });
    const [greedy, honest] = [await peerAt(), await peerAt('127.0.0.7')];
    const statuses: number[] = [];
    for (let i = 0; i < 9; i++) {
      const answer = await ask(greedy, { method: i % 2 === 0 ? 'OPTIONS' : 'INVITE' });
      statuses.push(answer.status);
      if (answer.status === 503) expect(headerValue(answer, 'retry-after')).toBe('1');
    }
    expect(statuses).toEqual([200, 200, 200, 200, 200, 200, 503, 503, 503]);
    expect((await ask(honest, { method: 'OPTIONS' })).status).toBe(200);
    expect(await refused('rate')).toBe(3);
    clock.advance(1_000);
    const later: number[] = [];
    for (let i = 0; i < 5; i++) later.push((await ask(greedy, { method: 'OPTIONS' })).status);
    expect(later).toEqual([200, 200, 200, 503, 503]);
  });

  it('counts neither repetitions nor what belongs to a dialog', async () => {
    fixture = await startServer({ peerRate: 1, clock: new HandClock(1_000), timers: DEFAULT_SIP_TIMERS });
    const peer = await peerAt();
    const call = await establish(peer);
    const probe = { method: 'OPTIONS', callId: newCallId(), branch: newBranch() };
    for (let i = 0; i < 5; i++) expect((await ask(peer, probe)).status).toBe(200);
    expect((await ask(peer, { method: 'OPTIONS' })).status).toBe(503);
    for (const [i, method] of ['INFO', 'OPTIONS', 'UPDATE', 'BYE'].entries()) {
      expect((await ask(peer, { ...call, method, cseq: i + 2 })).status).toBe(200);
    }
  });

  it('keeps room for calls that are open when everything else is taken', async () => {
    fixture = await startServer({ maxTransactions: 4, timers: DEFAULT_SIP_TIMERS });
    const peer = await peerAt();
    const call = await establish(peer);
    await eventually('the ACK arrives', () => fixture.calls[0]?.acks.length === 1);
    const statuses: number[] = [];
    for (let i = 0; i < 4; i++) statuses.push((await ask(peer, { method: 'OPTIONS' })).status);
    expect(statuses).toEqual([200, 200, 200, 503]);
    expect(await refused('full')).toBe(1);
    expect((await ask(peer, { ...call, method: 'BYE', cseq: 2 })).status).toBe(200);
  });
});
