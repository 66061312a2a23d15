import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { headerValue, headerValues, type SipResponse } from '../../src/sip/message.js';
import { tagOf } from '../../src/sip/name-address.js';
import type { SipReply } from '../../src/sip/sip-server.js';
import { eventually } from '../helpers/eventually.js';
import {
  ANSWER,
  answerTo,
  atRest,
  type Fixture,
  newBranch,
  newCallId,
  type Peer,
  type RequestParts,
  startServer,
  TcpPeer,
  UdpPeer,
  write,
} from './engine-kit.js';

const OFFER = { body: 'v=0\r\n', extra: ['Content-Type: application/sdp', 'Require: 100rel'] };

describe.each(['UDP', 'TCP'] as const)('a reliable 183 over %s', (transport) => {
  let fixture: Fixture;
  let peer: Peer;
  let decide: (reply: SipReply) => void;

  beforeEach(async () => {
    fixture = await startServer({ provisionalAfterMs: 10 });
    peer = transport === 'UDP' ? await UdpPeer.open(fixture.udp) : await TcpPeer.open(fixture.tcp);
    fixture.onInvite = () => new Promise((resolve) => (decide = resolve));
  });
  afterEach(async () => {
    await peer.close();
    await fixture.server.stop();
  });

  async function ring(parts: RequestParts = {}) {
    const callId = newCallId();
    const branch = newBranch();
    peer.send(write(peer, { ...OFFER, callId, branch, ...parts }));
    const progress = await peer.response(183, 'INVITE');
    const toTag = tagOf(headerValue(progress, 'to') ?? '') ?? '';
    const dialog = { callId, toTag, branch };
    const prack = (cseq = 2, rack?: string): string =>
      write(peer, { callId, toTag, method: 'PRACK', cseq, extra: [`RAck: ${rack ?? rackOf(progress)}`] });
    return { progress, dialog, prack };
  }

  it('tells a peer that asks for it about a long decision, and is repeated until its PRACK', async () => {
    const { progress, dialog, prack } = await ring({
      extra: [...OFFER.extra, 'Record-Route: <sip:p1;lr>'],
    });
    expect(headerValues(progress, 'require')).toEqual(['100rel']);
    expect(headerValue(progress, 'contact')).toContain(';+sip.srs');
    expect(headerValues(progress, 'record-route')).toEqual(['<sip:p1;lr>']);
    expect(dialog.toTag).not.toBe('');
    expect(progress.body).toHaveLength(0);
    expect(await peer.response(183, 'INVITE')).toEqual(progress);
    peer.send(prack());
    await peer.response(200, 'PRACK');
    peer.received.length = 0;
    peer.send(prack(3));
    await peer.response(481, 'PRACK');
    decide(ANSWER);
    const answer = await answerTo(peer, dialog.callId);
    expect(tagOf(headerValue(answer, 'to') ?? '')).toBe(dialog.toTag);
    peer.send(write(peer, { method: 'ACK', callId: dialog.callId, toTag: dialog.toTag }));
    await eventually('the ACK arrives', () => fixture.calls[0]?.acks.length === 1);
    expect(peer.received.filter((m) => m.kind === 'response' && m.status === 183)).toEqual([]);
    expect(fixture.calls).toHaveLength(1);
  });

  it('may be overtaken by the 200, and its PRACK is answered all the same', async () => {
    const { dialog, prack } = await ring({ extra: ['Content-Type: application/sdp', 'Supported: 100rel'] });
    decide(ANSWER);
    await answerTo(peer, dialog.callId);
    peer.send(write(peer, { method: 'ACK', callId: dialog.callId, toTag: dialog.toTag }));
    peer.send(prack());
    await peer.response(200, 'PRACK');
    expect(fixture.calls[0]?.ends).toEqual([]);
    peer.send(write(peer, { ...dialog, branch: newBranch(), method: 'BYE', cseq: 3 }));
    await peer.response(200, 'BYE');
    await atRest(fixture);
  });

  it('without PRACK for 64*T1 is the end of the INVITE, and the session is dropped', async () => {
    const { dialog } = await ring();
    const refused = await peer.final('INVITE');
    expect(refused.status).toBe(504);
    peer.send(write(peer, { ...dialog, method: 'ACK' }));
    expect(fixture.calls[0]?.control.cancelled.aborted).toBe(true);
    decide(ANSWER);
    await eventually('the session is dropped', () => fixture.calls[0]?.ends[0]?.reason === 'cancelled');
    await atRest(fixture);
  });

  it.each(['1 1 INVITE', 'x', '', '4294967296 1 INVITE'])(
    'is not acknowledged by a PRACK with RAck "%s"',
    async (rack) => {
      const { dialog, prack } = await ring();
      peer.send(prack(2, rack));
      await peer.response(481, 'PRACK');
      peer.send(prack(3));
      await peer.response(200, 'PRACK');
      peer.send(write(peer, { ...dialog, method: 'CANCEL' }));
      await peer.response(487, 'INVITE');
    },
  );

  it('makes a dialog in which nothing can be decided yet, and which CANCEL ends', async () => {
    const { dialog, prack } = await ring();
    peer.send(prack());
    await peer.response(200, 'PRACK');
    for (const [index, method] of ['UPDATE', 'INVITE', 'INFO'].entries()) {
      const branch = newBranch();
      peer.send(write(peer, { ...dialog, branch, method, cseq: 3 + index }));
      const busy = await peer.response(500, method);
      expect(Number(headerValue(busy, 'retry-after'))).toBeLessThanOrEqual(10);
      if (method === 'INVITE') peer.send(write(peer, { ...dialog, branch, method: 'ACK', cseq: 3 + index }));
    }
    peer.send(write(peer, { ...dialog, method: 'CANCEL' }));
    await peer.response(200, 'CANCEL');
    const terminated = await peer.response(487, 'INVITE');
    expect(tagOf(headerValue(terminated, 'to') ?? '')).toBe(dialog.toTag);
    peer.send(write(peer, { ...dialog, method: 'ACK' }));
    peer.send(prack(7));
    await peer.response(481, 'PRACK');
    decide(ANSWER);
    await eventually('the session is dropped', () => fixture.calls[0]?.ends[0]?.reason === 'cancelled');
    await atRest(fixture);
  });

  it('takes no new offer in its PRACK: 488, and the INVITE is answered all the same', async () => {
    const { dialog, progress } = await ring();
    const extra = [`RAck: ${rackOf(progress)}`, 'Content-Type: application/sdp'];
    const { callId, toTag } = dialog;
    peer.send(write(peer, { callId, toTag, method: 'PRACK', cseq: 2, extra, body: 'v=0\r\n' }));
    await peer.response(488, 'PRACK');
    decide(ANSWER);
    await answerTo(peer, callId);
    peer.send(write(peer, { callId, toTag, method: 'ACK' }));
    await eventually('the ACK arrives', () => fixture.calls[0]?.acks.length === 1);
  });

  it('makes a dialog that BYE ends before the answer', async () => {
    const { dialog } = await ring();
    peer.send(write(peer, { ...dialog, branch: newBranch(), method: 'BYE', cseq: 2 }));
    await peer.response(200, 'BYE');
    await peer.response(487, 'INVITE');
    peer.send(write(peer, { ...dialog, method: 'ACK' }));
    expect(fixture.calls[0]?.control.cancelled.aborted).toBe(true);
    decide(ANSWER);
    await atRest(fixture);
  });

  it('is followed by whatever refusal the application decides', async () => {
    const { dialog, prack } = await ring();
    peer.send(prack());
    await peer.response(200, 'PRACK');
    decide({ status: 488 });
    const refused = await peer.response(488, 'INVITE');
    expect(tagOf(headerValue(refused, 'to') ?? '')).toBe(dialog.toTag);
    peer.send(write(peer, { ...dialog, method: 'ACK' }));
    await atRest(fixture);
  });

  it('is not sent to a peer that cannot take it, nor for an INVITE without an offer, which it would have to bring', async () => {
    const plain = newCallId();
    const delayed = newCallId();
    const decisions: (() => void)[] = [];
    fixture.onInvite = () => new Promise((resolve) => decisions.push(() => resolve(ANSWER)));
    peer.send(write(peer, { callId: plain, body: 'v=0\r\n', extra: ['Content-Type: application/sdp'] }));
    peer.send(write(peer, { callId: delayed, extra: ['Require: 100rel'] }));
    // The third INVITE hears its 183 after the others would have heard theirs.
    const { prack } = await ring();
    peer.send(prack());
    await peer.response(200, 'PRACK');
    for (const one of decisions) one();
    await answerTo(peer, plain);
    await answerTo(peer, delayed);
    const others = peer.received.filter(
      (m) => m.kind === 'response' && m.status === 183 && [plain, delayed].includes(headerValue(m, 'call-id') ?? ''),
    );
    expect(others).toEqual([]);
  });
});

function rackOf(progress: SipResponse): string {
  return `${headerValue(progress, 'rseq')} ${headerValue(progress, 'cseq')}`;
}
