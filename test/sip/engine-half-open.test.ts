import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { headerValue } from '../../src/sip/message.js';
import { eventually } from '../helpers/eventually.js';
import {
  atRest,
  establish,
  type Fixture,
  newCallId,
  startServer,
  UdpPeer,
  write,
  writeResponse,
} from './engine-kit.js';

const MANY = 300;

describe('INVITEs that their sender forgets', () => {
  let fixture: Fixture;
  let peer: UdpPeer;

  beforeEach(async () => {
    fixture = await startServer();
    peer = await UdpPeer.open(fixture.udp);
  });
  afterEach(async () => {
    await peer.close();
    await fixture.server.stop();
  });

  /** In portions, so that no datagram is lost in the kernel. */
  async function flood(): Promise<void> {
    for (let i = 0; i < MANY; i++) {
      peer.send(write(peer, { callId: newCallId(), body: 'v=0\r\n', extra: ['c: application/sdp', 'k: 100rel'] }));
      if (i % 25 === 24) await eventually('they arrive', () => fixture.calls.length >= i + 1);
    }
  }

  it('end by ack_timeout when they were answered, and nothing is left of them', async () => {
    const neighbour = await UdpPeer.open(fixture.udp);
    const call = await establish(neighbour);
    const answered = new Set<string>();
    await flood();
    await eventually('every forgotten call ends', () => {
      for (const message of peer.received.splice(0)) {
        if (message.kind !== 'request' || message.method !== 'BYE') continue;
        answered.add(headerValue(message, 'call-id') ?? '');
        peer.send(writeResponse(message, 481));
      }
      return fixture.calls.filter(({ ends }) => ends[0]?.reason === 'ack_timeout').length === MANY;
    });
    neighbour.send(write(neighbour, { ...call, method: 'INFO', cseq: 2 }));
    await neighbour.response(200, 'INFO');
    neighbour.send(write(neighbour, { ...call, method: 'BYE', cseq: 3 }));
    await neighbour.response(200, 'BYE');
    await eventually('every BYE is answered', () => {
      for (const message of peer.received.splice(0)) {
        if (message.kind === 'request') peer.send(writeResponse(message, 481));
      }
      return fixture.server.counts.dialogs === 0;
    });
    await atRest(fixture);
    await neighbour.close();
  });

  it('are given up when the application does not decide, and its late sessions are dropped', async () => {
    const decisions: (() => void)[] = [];
    fixture.onInvite = () => new Promise((resolve) => decisions.push(() => resolve({ status: 200 })));
    await flood();
    await atRest(fixture);
    expect(fixture.calls.every(({ control }) => control.cancelled.aborted)).toBe(true);
    for (const decide of decisions) decide();
    await eventually('the sessions are dropped', () =>
      fixture.calls.every(({ ends }) => ends[0]?.reason === 'cancelled'),
    );
    expect(fixture.server.counts.dialogs).toBe(0);
  });

  it('hear 200 to a BYE that comes twice, and 481 to one that comes again', async () => {
    const call = await establish(peer);
    const bye = write(peer, { ...call, method: 'BYE', cseq: 2 });
    peer.send(bye);
    peer.send(bye);
    const first = await peer.response(200, 'BYE');
    expect(await peer.response(200, 'BYE')).toEqual(first);
    peer.send(write(peer, { ...call, method: 'BYE', cseq: 3 }));
    await peer.response(481, 'BYE');
    expect(fixture.calls[0]?.ends).toHaveLength(1);
  });
});
