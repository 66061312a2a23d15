import { type AddressInfo, createServer } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SrsError } from '../../src/core/errors.js';
import { headerValue, headerValues } from '../../src/sip/message.js';
import { tagOf } from '../../src/sip/name-address.js';
import { eventually } from '../helpers/eventually.js';
import {
  ANSWER,
  answerTo,
  atRest,
  cseqMethod,
  establish,
  type Fixture,
  newBranch,
  newCallId,
  startServer,
  TcpPeer,
  UdpPeer,
  write,
} from './engine-kit.js';

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

describe('a server transaction', () => {
  it('makes one session of an INVITE that comes five times', async () => {
    let decide: () => void = () => {};
    fixture.onInvite = () => new Promise((resolve) => (decide = () => resolve(ANSWER)));
    const callId = newCallId();
    const invite = write(peer, { callId });
    for (let i = 0; i < 4; i++) peer.send(invite);
    for (let i = 0; i < 4; i++) await peer.response(100, 'INVITE');
    decide();
    const first = await answerTo(peer, callId);
    peer.send(invite);
    const toTag = tagOf(headerValue(first, 'to') ?? '') ?? '';
    peer.send(write(peer, { method: 'ACK', callId, toTag }));
    await eventually('the ACK arrives', () => fixture.calls[0]?.acks.length === 1);
    expect(fixture.calls).toHaveLength(1);
    expect(fixture.server.counts.dialogs).toBe(1);
  });

  it('matches peers of RFC 2543 that have no branch', async () => {
    const callId = newCallId();
    const invite = write(peer, { callId, branch: '1' }).replace(';branch=1', '');
    peer.send(invite);
    peer.send(invite);
    const answer = await answerTo(peer, callId);
    const toTag = tagOf(headerValue(answer, 'to') ?? '') ?? '';
    peer.send(write(peer, { method: 'ACK', callId, toTag, branch: '1' }).replace(';branch=1', ''));
    await eventually('the ACK arrives', () => fixture.calls[0]?.acks.length === 1);
    expect(fixture.calls).toHaveLength(1);
  });

  it('repeats a refusal until its ACK and counts both sides', async () => {
    fixture.onInvite = () => {
      throw new SrsError('SRS_SIP_BUSY', 'all 5 places are taken');
    };
    const branch = newBranch();
    const callId = newCallId();
    peer.send(write(peer, { branch, callId }));
    const refused = await peer.response(503, 'INVITE');
    expect(Number(headerValue(refused, 'retry-after'))).toBeGreaterThan(0);
    expect(await peer.response(503, 'INVITE')).toEqual(refused);
    peer.send(write(peer, { method: 'ACK', branch, callId, toTag: tagOf(headerValue(refused, 'to') ?? '') ?? '' }));
    // Timer I is 50 ms, timer H a second: only an ACK that was matched ends it this soon.
    await eventually('the transaction ends', () => fixture.server.counts.transactions === 0, 900, 5);
    const text = await fixture.metrics.render();
    expect(text).toContain('siprec_sip_requests_total{method="INVITE"} 1');
    expect(text).toContain('siprec_sip_requests_total{method="ACK"} 1');
    expect(text).toContain('siprec_sip_responses_total{class="5xx"} 1');
  });

  it('refuses a merged INVITE with 482', async () => {
    const callId = newCallId();
    peer.send(write(peer, { callId }));
    await peer.response(100);
    peer.send(write(peer, { callId }));
    await peer.response(482, 'INVITE');
    expect(fixture.calls).toHaveLength(1);
  });

  it('makes a caller wait that begins a call again before its first INVITE is answered (RFC 3261 §14.2)', async () => {
    let decide: () => void = () => {};
    fixture.onInvite = () => new Promise((resolve) => (decide = () => resolve(ANSWER)));
    const callId = newCallId();
    peer.send(write(peer, { callId }));
    await peer.response(100);
    const second = { callId, cseq: 2, branch: newBranch() };
    peer.send(write(peer, second));
    const waiting = await peer.final('INVITE');
    expect(waiting.status).toBe(500);
    expect(Number(headerValue(waiting, 'retry-after'))).toBeLessThanOrEqual(10);
    peer.send(write(peer, { ...second, method: 'ACK' }));
    expect(fixture.calls).toHaveLength(1);
    decide();
    await answerTo(peer, callId);
    // A caller that lost its call may begin it anew, and the old one ends for want of an ACK.
    fixture.onInvite = () => ANSWER;
    peer.send(write(peer, { callId, cseq: 3 }));
    await peer.next(
      'the answer to the third',
      (m) => m.kind === 'response' && headerValue(m, 'cseq') === '3 INVITE' && m.status === 200,
    );
    expect(fixture.calls).toHaveLength(2);
  });

  it('forgets a caller with its INVITE', async () => {
    fixture.onInvite = () => ({ status: 486 });
    const parts = { callId: newCallId(), branch: newBranch() };
    peer.send(write(peer, parts));
    await peer.response(486);
    peer.send(write(peer, { ...parts, method: 'ACK' }));
    await atRest(fixture);
    fixture.onInvite = () => ANSWER;
    peer.send(write(peer, { callId: parts.callId, cseq: 2 }));
    await answerTo(peer, parts.callId);
  });

  it('is not made for requests that belong to no dialog: strangers cannot fill the table with them', async () => {
    const parts = { method: 'BYE', toTag: 'gone', callId: newCallId(), branch: newBranch() };
    peer.send(write(peer, parts));
    const first = await peer.final('BYE');
    peer.send(write(peer, parts));
    const again = await peer.final('BYE');
    expect(first.status).toBe(481);
    expect(again).toEqual(first);
    expect(fixture.server.counts.transactions).toBe(0);
  });

  it('ends a cancelled INVITE with 487 and drops the session that was made too late', async () => {
    let decide: () => void = () => {};
    fixture.onInvite = () => new Promise((resolve) => (decide = () => resolve(ANSWER)));
    const [branch, callId] = [newBranch(), newCallId()];
    peer.send(write(peer, { branch, callId }));
    await peer.response(100);
    peer.send(write(peer, { method: 'CANCEL', branch, callId }));
    await peer.response(200, 'CANCEL');
    const terminated = await peer.response(487, 'INVITE');
    expect(fixture.calls[0]?.control.cancelled.aborted).toBe(true);
    peer.send(write(peer, { method: 'ACK', branch, callId, toTag: tagOf(headerValue(terminated, 'to') ?? '') ?? '' }));
    decide();
    await eventually('the session is dropped', () => fixture.calls[0]?.ends[0]?.reason === 'cancelled');
    await atRest(fixture);
  });

  it('answers a CANCEL that comes after the 200 and keeps the call', async () => {
    const [branch, callId] = [newBranch(), newCallId()];
    const call = await establish(peer, { branch, callId });
    peer.send(write(peer, { method: 'CANCEL', branch, callId }));
    await peer.response(200, 'CANCEL');
    peer.send(write(peer, { ...call, method: 'INFO', cseq: 2 }));
    await peer.response(200, 'INFO');
    expect(fixture.calls[0]?.control.cancelled.aborted).toBe(false);
    expect(fixture.calls[0]?.ends).toEqual([]);
  });

  it('gives up on an application that does not decide', async () => {
    fixture.onInvite = () => new Promise(() => {});
    peer.send(write(peer));
    await peer.response(503, 'INVITE');
    expect(fixture.calls[0]?.control.cancelled.aborted).toBe(true);
  });
});

describe('what is refused outside a dialog', () => {
  const cases: readonly [string, number, Parameters<typeof write>[1], Readonly<Record<string, string>>][] = [
    [
      'an unknown method',
      405,
      { method: 'PUBLISH' },
      { allow: 'INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE, INFO, PRACK' },
    ],
    [
      'an unknown extension',
      420,
      { extra: ['Require: siprec, foo', 'Require: 100rel,bar'] },
      { unsupported: 'foo, bar' },
    ],
    ['a run-together extension', 420, { extra: ['Require: 100relsiprec'] }, { unsupported: '100relsiprec' }],
    ['a URI scheme that nobody knows', 416, { uri: 'novel:thing' }, {}],
    ['a To tag of no dialog', 481, { toTag: 'nobody' }, {}],
    ['a BYE without a dialog', 481, { method: 'BYE' }, {}],
    ['a CANCEL of nothing', 481, { method: 'CANCEL' }, {}],
    ['an INVITE without Contact', 400, { contact: null }, {}],
    ['an INVITE with a Contact that is no URI', 400, { contact: '*' }, {}],
    ['a session interval that is too small', 422, { extra: ['Session-Expires: 60', 'k: timer'] }, { 'min-se': '90' }],
    ['an empty Call-ID', 400, { callId: ' ' }, {}],
    ['a CSeq over 2^31', 400, { cseq: 4_294_967_296 }, {}],
  ];
  it.each(cases)('%s gets %i', async (_what, status, parts, headers) => {
    peer.send(write(peer, parts));
    const reply = await peer.final();
    expect(reply.status).toBe(status);
    for (const [name, value] of Object.entries(headers)) expect(headerValue(reply, name)).toBe(value);
    expect(tagOf(headerValue(reply, 'to') ?? '')).toBeDefined();
    expect(fixture.calls).toEqual([]);
  });

  it('lets 100rel and timer stand in Require, and answers without a provisional but 100', async () => {
    const { answer } = await establish(peer, { extra: ['Require: siprec,100rel, TIMER'] });
    expect(answer.status).toBe(200);
    expect(peer.received.filter((m) => m.kind === 'response' && m.status > 100 && m.status < 200)).toEqual([]);
  });

  it('answers OPTIONS with what it can do', async () => {
    peer.send(write(peer, { method: 'OPTIONS', contact: null }));
    const reply = await peer.response(200, 'OPTIONS');
    expect(headerValue(reply, 'accept')).toBe('application/sdp');
    expect(headerValues(reply, 'allow')).toContain('UPDATE');
    expect(headerValue(reply, 'server')).toBe('sipscribe');
  });

  it('refuses peers that are not on the list with 403, and hears those that are', async () => {
    const closed = await startServer({ peers: ['192.0.2.0/24', '2001:db8::/32'] });
    const stranger = await UdpPeer.open(closed.udp);
    stranger.send(write(stranger));
    await stranger.response(403, 'INVITE');
    expect(closed.calls).toEqual([]);
    const open = await startServer({ peers: ['127.0.0.0/8'] });
    const friend = await UdpPeer.open(open.udp);
    await establish(friend);
    await Promise.all([stranger.close(), friend.close(), closed.server.stop(), open.server.stop()]);
    await expect(startServer({ peers: ['10.0.0.0/33'] })).rejects.toThrow('10.0.0.0/33');
  });
});

describe('where responses go', () => {
  it('follows rport and marks the source in Via', async () => {
    const text = write(peer, { method: 'OPTIONS' }).replace(
      /(127\.0\.0\.1):\d+;branch/,
      'sbc.invalid:5099;rport;branch',
    );
    peer.send(text);
    const via = headerValue(await peer.response(200), 'via') ?? '';
    expect(via).toContain(`;rport=${peer.port}`);
    expect(via).toContain(';received=127.0.0.1');
  });

  it('goes to the port in Via when there is no rport', async () => {
    const listener = await UdpPeer.open(fixture.udp);
    peer.send(write(peer, { method: 'OPTIONS' }).replace(`127.0.0.1:${peer.port};`, `127.0.0.1:${listener.port};`));
    expect(headerValue(await listener.response(200), 'via')).not.toContain('received');
    await listener.close();
  });

  it('goes back on the connection that the request came on', async () => {
    const stream = await TcpPeer.open(fixture.tcp);
    const text = write(stream, { method: 'OPTIONS' }).replace(/127\.0\.0\.1:\d+;branch/, '192.0.2.1:5060;branch');
    for (const byte of Buffer.from(text)) stream.send(Uint8Array.of(byte));
    expect(cseqMethod(await stream.response(200))).toBe('OPTIONS');
    stream.send('\r\n\r\n');
    await eventually('the keep-alive is answered', () => stream.pongs === 1);
    stream.send(write(stream, { method: 'OPTIONS' }) + write(stream, { method: 'OPTIONS' }));
    await stream.response(200);
    await stream.response(200);
    await stream.close();
  });

  it('goes to the address in Via when the connection of the request is gone (RFC 3261 §18.2.2)', async () => {
    const heard: Buffer[] = [];
    const listener = createServer((socket) => socket.on('data', (bytes) => heard.push(bytes)).on('error', () => {}));
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
    const { port } = listener.address() as AddressInfo;
    const stream = await TcpPeer.open(fixture.tcp);
    let decide: () => void = () => {};
    fixture.onInvite = () => new Promise((resolve) => (decide = () => resolve({ status: 486 })));
    stream.send(write(stream).replace(`127.0.0.1:${stream.port};branch`, `127.0.0.1:${port};branch`));
    await stream.response(100);
    await stream.close();
    await eventually('the connection is gone', () => fixture.server.counts.connections === 0);
    decide();
    await eventually('the answer arrives', () => Buffer.concat(heard).toString().startsWith('SIP/2.0 486'));
    await new Promise((resolve) => {
      fixture.server.stop().then(() => listener.close(resolve));
    });
  });

  it('shows the address that the peer reaches, or the external one', async () => {
    const everywhere = await startServer({ host: '0.0.0.0' });
    const near = await UdpPeer.open(everywhere.udp);
    expect(headerValue((await establish(near)).answer, 'contact')).toContain(`@127.0.0.1:${everywhere.udp}>`);
    const natted = await startServer({ externalIp: '203.0.113.7' });
    const far = await UdpPeer.open(natted.udp);
    expect(headerValue((await establish(far)).answer, 'contact')).toContain(`@203.0.113.7:${natted.udp}>`);
    await Promise.all([near.close(), far.close(), everywhere.server.stop(), natted.server.stop()]);
  });
});
