import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SrsError } from '../../src/core/errors.js';
import { headerValue, headerValues } from '../../src/sip/message.js';
import { tagOf } from '../../src/sip/name-address.js';
import { eventually } from '../helpers/eventually.js';
import {
  ANSWER,
  answerTo,
  atRest,
  establish,
  type Fixture,
  newBranch,
  newCallId,
  type Peer,
  startServer,
  TcpPeer,
  UdpPeer,
  write,
  writeResponse,
} from './engine-kit.js';

describe.each(['UDP', 'TCP'] as const)('a dialog over %s', (transport) => {
  let fixture: Fixture;
  let peer: Peer;

  beforeEach(async () => {
    fixture = await startServer();
    peer = transport === 'UDP' ? await UdpPeer.open(fixture.udp) : await TcpPeer.open(fixture.tcp);
  });
  afterEach(async () => {
    await peer.close();
    await fixture.server.stop();
  });

  it('is made by the 200, acknowledged with its body and ended by BYE', async () => {
    const callId = newCallId();
    peer.send(write(peer, { callId, extra: ['Record-Route: <sip:p1;lr>, <sip:p2;lr>'], body: 'offer' }));
    await peer.response(100);
    const answer = await answerTo(peer, callId);
    const toTag = tagOf(headerValue(answer, 'to') ?? '') ?? '';
    expect(toTag).not.toBe('');
    const port = transport === 'UDP' ? fixture.udp : `${fixture.tcp};transport=tcp`;
    expect(headerValues(answer, 'contact')).toEqual([`<sip:srs@127.0.0.1:${port}>;+sip.srs`]);
    expect(headerValues(answer, 'record-route')).toEqual(['<sip:p1;lr>', '<sip:p2;lr>']);
    expect(headerValues(answer, 'allow')).toContain('UPDATE');
    expect(headerValues(answer, 'supported')).toEqual(['siprec', 'timer', '100rel']);
    expect(Buffer.from(answer.body).toString()).toBe('v=0\r\n');
    peer.send(write(peer, { method: 'ACK', callId, toTag, body: 'answer', extra: ['c: application/sdp'] }));
    await eventually('the ACK arrives', () => fixture.calls[0]?.acks[0] === 'answer');
    peer.send(write(peer, { method: 'BYE', callId, toTag, cseq: 2, body: 'last', extra: ['Require: siprec, odd'] }));
    await peer.response(200, 'BYE');
    expect(fixture.calls[0]?.ends).toHaveLength(1);
    expect(fixture.calls[0]?.ends[0]?.reason).toBe('bye');
    expect(Buffer.from(fixture.calls[0]?.ends[0]?.bye?.body ?? []).toString()).toBe('last');
    peer.send(write(peer, { method: 'BYE', callId, toTag, cseq: 3 }));
    await peer.response(481, 'BYE');
    await atRest(fixture);
  });

  it('repeats the 200 until its ACK, then is silent', async () => {
    const callId = newCallId();
    peer.send(write(peer, { callId }));
    const first = await answerTo(peer, callId);
    const second = await answerTo(peer, callId);
    await answerTo(peer, callId);
    expect(second).toEqual(first);
    const toTag = tagOf(headerValue(first, 'to') ?? '') ?? '';
    peer.send(write(peer, { method: 'ACK', callId, toTag }));
    await eventually('the ACK arrives', () => fixture.calls[0]?.acks.length === 1);
    peer.send(write(peer, { method: 'OPTIONS', callId, toTag, cseq: 2 }));
    await peer.response(200, 'OPTIONS');
    const before = peer.received.length;
    peer.send(write(peer, { method: 'INFO', callId, toTag, cseq: 3 }));
    await peer.response(200, 'INFO');
    // A 200 that was still repeated every T2 at most would have come by the time the transactions of 64*T1 are gone.
    await eventually('transactions end', () => fixture.server.counts.transactions === 0);
    expect(peer.received.slice(before).filter((m) => m.kind === 'response' && m.status === 200)).toEqual([]);
    expect(fixture.calls[0]?.requests.map(({ method }) => method)).toEqual(['OPTIONS', 'INFO']);
    expect(fixture.calls[0]?.ends).toEqual([]);
  });

  it('sends BYE when the ACK never comes', async () => {
    const callId = newCallId();
    peer.send(write(peer, { callId, fromTag: 'lost' }));
    const answer = await answerTo(peer, callId);
    const bye = await peer.request('BYE');
    expect(headerValue(bye, 'from')).toBe(headerValue(answer, 'to'));
    expect(tagOf(headerValue(bye, 'to') ?? '')).toBe('lost');
    expect(fixture.calls[0]?.ends.map(({ reason }) => reason)).toEqual(['ack_timeout']);
    peer.send(writeResponse(bye, 200));
    await atRest(fixture);
  });

  it('answers re-INVITE and UPDATE with its Contact and follows the new target', async () => {
    const call = await establish(peer);
    const other = transport === 'UDP' ? await UdpPeer.open(fixture.udp) : peer;
    peer.send(write(peer, { ...call, cseq: 2, contact: `<sip:moved@127.0.0.1:${other.port}>;+sip.src` }));
    const again = await answerTo(peer, call.callId);
    expect(headerValue(again, 'contact')).toContain(';+sip.srs');
    peer.send(write(peer, { ...call, method: 'ACK', cseq: 2 }));
    await eventually('the second ACK arrives', () => fixture.calls[0]?.acks.length === 2);
    peer.send(write(peer, { ...call, method: 'UPDATE', cseq: 3, contact: null }));
    const update = await peer.response(200, 'UPDATE');
    expect(headerValue(update, 'contact')).toContain(';+sip.srs');
    const ended = fixture.calls[0]?.control.bye('no more room\r\nX: y');
    const bye = await other.request('BYE');
    expect(bye.uri).toBe(`sip:moved@127.0.0.1:${other.port}`);
    expect(headerValue(bye, 'reason')).toBe('SIP;cause=200;text="no more room X: y"');
    other.send(writeResponse(bye, 200));
    await ended;
    expect(fixture.calls[0]?.ends.map(({ reason }) => reason)).toEqual(['local']);
    expect(fixture.server.counts.dialogs).toBe(0);
    if (other !== peer) await other.close();
  });

  it('keeps the session when a re-INVITE fails', async () => {
    const call = await establish(peer);
    fixture.onRequest = () => {
      throw new SrsError('SRS_SDP_NOT_ACCEPTABLE', 'no "codec" of m=audio\r\nis known');
    };
    peer.send(write(peer, { ...call, cseq: 2 }));
    const refused = await peer.response(488, 'INVITE');
    expect(headerValue(refused, 'warning')).toBe(`399 sipscribe "no 'codec' of m=audio is known"`);
    peer.send(write(peer, { ...call, method: 'ACK', cseq: 2 }));
    fixture.onRequest = () => {
      throw new TypeError('secret of the house');
    };
    peer.send(write(peer, { ...call, method: 'UPDATE', cseq: 3 }));
    const foreign = await peer.response(500, 'UPDATE');
    expect(JSON.stringify(foreign)).not.toContain('secret');
    peer.send(write(peer, { ...call, method: 'BYE', cseq: 4 }));
    await peer.response(200, 'BYE');
    expect(fixture.calls[0]?.ends.map(({ reason }) => reason)).toEqual(['bye']);
  });

  it('refuses a second re-INVITE while the first waits, and answers the waiting one when BYE comes', async () => {
    const call = await establish(peer);
    let decide: () => void = () => {};
    fixture.onRequest = () => new Promise((resolve) => (decide = () => resolve(ANSWER)));
    const branch = newBranch();
    peer.send(write(peer, { ...call, cseq: 2, branch }));
    await peer.response(100, 'INVITE');
    peer.send(write(peer, { ...call, cseq: 3 }));
    const busy = await peer.response(500, 'INVITE');
    expect(Number(headerValue(busy, 'retry-after'))).toBeLessThanOrEqual(10);
    peer.send(write(peer, { ...call, method: 'BYE', cseq: 4 }));
    await peer.response(200, 'BYE');
    const terminated = await peer.response(487, 'INVITE');
    expect(headerValue(terminated, 'cseq')).toBe('2 INVITE');
    peer.send(write(peer, { ...call, method: 'ACK', cseq: 2, branch }));
    decide();
    await atRest(fixture);
  });

  it('refuses a CSeq that goes back, accepts a gap, and survives methods that it does not have', async () => {
    const call = await establish(peer, { cseq: 10 });
    peer.send(write(peer, { ...call, method: 'UPDATE', cseq: 40 }));
    await peer.response(200, 'UPDATE');
    peer.send(write(peer, { ...call, method: 'INFO', cseq: 39 }));
    await peer.response(500, 'INFO');
    for (const [index, method] of ['NOTIFY', 'MESSAGE', 'REFER', 'SUBSCRIBE', 'NONSENSE'].entries()) {
      peer.send(write(peer, { ...call, method, cseq: 41 + index }));
      const reply = await peer.response(405, method);
      expect(headerValues(reply, 'allow')).toContain('INVITE');
    }
    expect(fixture.calls[0]?.ends).toEqual([]);
    expect(fixture.server.counts.dialogs).toBe(1);
    // The dialog is left open here: the server must be able to stop with it.
  });

  it('sends its own BYE along the route set, once per repetition until it is answered', async () => {
    const proxy = `<sip:127.0.0.1:${peer.port};lr${transport === 'TCP' ? ';transport=tcp' : ''}>`;
    const contact = '<sip:src@sbc.invalid:5080>';
    const call = await establish(peer, { contact, extra: [`Record-Route: ${proxy}`, 'Record-Route: <sip:far;lr>'] });
    const ended = fixture.calls[0]?.control.bye();
    const bye = await peer.request('BYE');
    expect(bye.uri).toBe('sip:src@sbc.invalid:5080');
    expect(headerValues(bye, 'route')).toEqual([proxy, '<sip:far;lr>']);
    if (transport === 'UDP') expect(await peer.request('BYE')).toEqual(bye);
    peer.send(write(peer, { ...call, method: 'BYE', cseq: 2 }));
    await peer.response(200, 'BYE');
    peer.send(writeResponse(bye, 481));
    await ended;
    expect(fixture.calls[0]?.ends.map(({ reason }) => reason)).toEqual(['local']);
    await atRest(fixture);
  });

  it('refuses a re-INVITE whose Contact cannot be read before anything is changed by it', async () => {
    const call = await establish(peer);
    peer.send(write(peer, { ...call, cseq: 2, contact: '<sip:src@[1::bad' }));
    await peer.response(400, 'INVITE');
    peer.send(write(peer, { ...call, method: 'ACK', cseq: 2 }));
    expect(fixture.calls[0]?.requests).toEqual([]);
    peer.send(write(peer, { ...call, method: 'BYE', cseq: 3 }));
    await peer.response(200, 'BYE');
  });

  it('gives up a BYE that nobody answers', async () => {
    await establish(peer);
    await fixture.calls[0]?.control.bye();
    expect(peer.received.some((m) => m.kind === 'request' && m.method === 'BYE')).toBe(true);
    expect(fixture.server.counts.dialogs).toBe(0);
  });
});
