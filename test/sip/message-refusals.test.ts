import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { headerValue, type SipResponse } from '../../src/sip/message.js';
import { eventually } from '../helpers/eventually.js';
import { metricOf } from './door-fixture.js';
import {
  establish,
  type Fixture,
  newBranch,
  newCallId,
  type RequestParts,
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

const refused = (cause: string) => metricOf(fixture.metrics, `siprec_sip_refused_total{cause="${cause}"}`);

async function ask(parts: RequestParts): Promise<SipResponse> {
  peer.send(write(peer, parts));
  return peer.final();
}

describe('a message over a limit', () => {
  it.each([
    ['a head of 50,000 bytes', 513, { extra: [`X-Wide: ${'w'.repeat(50_000)}`] }],
    ['300 header lines', 513, { extra: Array.from({ length: 300 }, (_, i) => `X-${i}: y`) }],
    ['a Request-URI of 9,000 characters', 414, { uri: `sip:${'u'.repeat(9_000)}@127.0.0.1` }],
  ] as const)('%s gets %i', async (_what, status, parts) => {
    const answer = await ask({ method: 'OPTIONS', ...parts });
    expect(answer.status).toBe(status);
    expect(headerValue(answer, 'cseq')).toBe('1 OPTIONS');
    expect(await refused('too_large')).toBe(1);
  });

  it('gets 513 when all of it is too long, though its head is short', async () => {
    await fixture.server.stop();
    fixture = await startServer({ maxMessageBytes: 4_096 });
    const small = await UdpPeer.open(fixture.udp);
    small.send(write(small, { body: 'x'.repeat(5_000) }));
    expect((await small.final('INVITE')).status).toBe(513);
    expect(fixture.calls).toEqual([]);
    await small.close();
  });

  it('is taken just below it: 60,000 bytes over UDP', async () => {
    await establish(peer, { body: 'x'.repeat(60_000) });
    expect(fixture.calls[0]?.invite.body).toHaveLength(60_000);
  });
});

describe('a header that stands once', () => {
  const twice = (line: string): RequestParts => ({ method: 'OPTIONS', callId: 'one@test', extra: [line] });

  it.each([
    'Call-ID: other@test',
    'i: other@test',
    'CSeq: 2 OPTIONS',
    'From: <sip:other@h>;tag=1',
    'To: <sip:other@h>',
    'Max-Forwards: 9',
  ])('gets 400 when it is there twice: %s', async (line) => {
    expect((await ask(twice(line))).status).toBe(400);
    expect(await refused('malformed')).toBe(1);
  });

  it('may be repeated letter by letter', async () => {
    expect((await ask(twice('Call-ID: one@test'))).status).toBe(200);
  });
});

describe('extensions', () => {
  it.each([
    ['Require: 100relsiprec', '100relsiprec'],
    ['Require: siprec, replaces', 'replaces'],
    ['Require: join', 'join'],
    ['Require: timer, x-one, SIPREC, x-two', 'x-one, x-two'],
  ])('that are required and unknown get 420 with their names: %s', async (line, unsupported) => {
    const answer = await ask({ extra: [line, 'Replaces: 98732@sip.example.com;from-tag=r33th4x0r;to-tag=ff87ff'] });
    expect(answer.status).toBe(420);
    expect(headerValue(answer, 'unsupported')).toBe(unsupported);
    expect(await refused('extension')).toBe(1);
    expect(fixture.calls).toEqual([]);
  });

  it('that are only supported, or meant for proxies, are ignored with their headers', async () => {
    await establish(peer, {
      extra: [
        'Supported: replaces, join, x-new',
        'Replaces: 98732@sip.example.com;from-tag=r33th4x0r;to-tag=ff87ff',
        'Join: 98732@sip.example.com;from-tag=r33th4x0r;to-tag=ff87ff',
        'Proxy-Require: x-proxies-only',
      ],
    });
    expect(fixture.calls).toHaveLength(1);
  });
});

describe('Accept', () => {
  it.each([
    ['text/plain, image/*', 406],
    ['application/sdp;level=1, text/plain', 200],
    ['application/rs-metadata', 200],
    ['application/rs-metadata-request', 200],
    ['application/*', 200],
    ['*/*', 200],
    ['multipart/mixed', 200],
    ['', 200],
  ])('of an INVITE is heeded: "%s" gets %i', async (accept, status) => {
    expect((await ask({ extra: [`Accept: ${accept}`] })).status).toBe(status);
  });
});

describe('a request that came by two ways', () => {
  it('gets 482 the second time when it is an INVITE, while probes that repeat one Call-ID are answered', async () => {
    let decide = (): void => {};
    fixture.onInvite = () =>
      new Promise((resolve) => {
        decide = () => resolve({ status: 488 });
      });
    const callId = newCallId();
    peer.send(write(peer, { callId, branch: newBranch() }));
    await peer.response(100);
    peer.send(write(peer, { callId, branch: newBranch() }));
    expect((await peer.final()).status).toBe(482);
    expect(await refused('merged')).toBe(1);
    expect(fixture.calls).toHaveLength(1);
    decide();
    await peer.response(488);
    for (let i = 0; i < 2; i++) {
      peer.send(write(peer, { method: 'OPTIONS', callId: 'probe@test', branch: newBranch() }));
      expect((await peer.final('OPTIONS')).status).toBe(200);
    }
  });
});

describe('what cannot be read', () => {
  it('is counted whether it can be answered or not; what only keeps a path open is not', async () => {
    for (const keepAlive of ['', '\r\n', '\r\n\r\n', '\0\0\0\0', 'jaK', '\0'.repeat(30)]) peer.send(keepAlive);
    for (const garbage of ['hello there', 'SIP/2.0 2000 OK\r\n\r\n', '\x16\x03\x01\x02\x00\x01\x00\x01']) {
      peer.send(garbage);
    }
    peer.send(write(peer, { method: 'OPTIONS' }));
    expect((await peer.final()).status).toBe(200);
    expect(await refused('malformed')).toBe(3);
    expect(peer.received).toEqual([]);
  });

  it('is counted on a stream too, and its connection ends', async () => {
    const stream = await TcpPeer.open(fixture.tcp);
    stream.send('GET / HTTP/1.1\r\nHost: h\r\n\r\n');
    await eventually('the stream ends', () => stream.closed);
    expect(await refused('malformed')).toBe(1);
    expect(stream.received).toEqual([]);
  });

  it('keeps header values with NULs and lone CRs out of the answer', async () => {
    const text = write(peer, { method: 'OPTIONS' }).replace('"SRC"', '"S\0R\rC"');
    peer.send(text);
    expect(headerValue(await peer.final(), 'from')).toContain('"S R C"');
  });
});

describe('every refusal', () => {
  it.each([
    ['method', 405, { method: 'SUBSCRIBE' }],
    ['scheme', 416, { uri: 'novel:thing' }],
    ['no_dialog', 481, { method: 'BYE', toTag: 'nobody' }],
    ['no_dialog', 481, { method: 'OPTIONS', toTag: 'nobody' }],
    ['no_dialog', 481, { method: 'INVITE', toTag: 'nobody' }],
    ['malformed', 400, { uri: 'sip:2001:db8::10' }],
    ['not_acceptable', 406, { extra: ['Accept: text/plain'] }],
  ] as const)('is counted by its cause: %s', async (cause, status, parts) => {
    expect((await ask(parts)).status).toBe(status);
    expect(await refused(cause)).toBe(1);
  });

  it('of an INVITE with a made-up To tag leaves no transaction, so that nobody can make us repeat ourselves', async () => {
    expect((await ask({ method: 'INVITE', toTag: 'nobody' })).status).toBe(481);
    expect(fixture.server.counts.transactions).toBe(0);
  });

  it('of a stranger whose message cannot be read is silence', async () => {
    await fixture.server.stop();
    fixture = await startServer({ peers: ['192.0.2.0/24'], maxMessageBytes: 4_096 });
    const stranger = await UdpPeer.open(fixture.udp);
    stranger.send(write(stranger, { method: 'OPTIONS' }).replace('CSeq: 1', 'CSeq: one'));
    stranger.send(write(stranger, { method: 'OPTIONS', body: 'x'.repeat(5_000) }));
    stranger.send('hello there');
    stranger.send(write(stranger, { method: 'OPTIONS' }));
    expect((await stranger.final()).status).toBe(403);
    expect(stranger.received).toEqual([]);
    expect([await refused('forbidden'), await refused('malformed'), await refused('too_large')]).toEqual([4, 0, 0]);
    await stranger.close();
  });

  it('of a stranger is counted as forbidden', async () => {
    await fixture.server.stop();
    fixture = await startServer({ peers: ['192.0.2.0/24'] });
    const stranger = await UdpPeer.open(fixture.udp);
    stranger.send(write(stranger, { method: 'OPTIONS' }));
    expect((await stranger.final()).status).toBe(403);
    expect(await refused('forbidden')).toBe(1);
    expect(fixture.server.counts.transactions).toBe(0);
    await stranger.close();
  });
});
