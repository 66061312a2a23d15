import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { headerValue } from '../../src/sip/message.js';
import { StreamFramer } from '../../src/sip/stream-framer.js';
import type { SipTlsOptions } from '../../src/sip/transport-tls.js';
import { type Credentials, TestAuthority } from '../helpers/certificates.js';
import { eventually } from '../helpers/eventually.js';
import { type Fixture, newBranch, newCallId, Peer, startServer, UdpPeer, write, writeResponse } from './engine-kit.js';
import { TlsPeer } from './tls-kit.js';

let authority: TestAuthority;
let srs: Credentials;
let fixture: Fixture;
const peers: Peer[] = [];
beforeAll(() => {
  authority = new TestAuthority();
  srs = authority.issue('srs', { subjectAltName: 'IP:::1' });
});
afterEach(async () => {
  await Promise.all(peers.splice(0).map((peer) => peer.close()));
  await fixture.server.stop();
});
afterAll(() => authority.dispose());

class Udp6Peer extends Peer {
  readonly transport = 'UDP';
  readonly socket: Socket = createSocket('udp6');
  readonly server: number;

  constructor(server: number) {
    super();
    this.server = server;
    this.socket.on('message', (bytes) => this.take(bytes));
  }
  get port(): number {
    return this.socket.address().port;
  }
  send(message: string | Uint8Array): void {
    this.socket.send(message, this.server, '::1');
  }
  async close(): Promise<void> {
    await new Promise<void>((resolve) => this.socket.close(() => resolve()));
  }
}

class Tcp6Peer extends Peer {
  readonly transport = 'TCP';
  readonly socket;
  constructor(server: number) {
    super();
    this.socket = connect(server, '::1');
    this.socket.on('error', () => {});
    const framer = new StreamFramer();
    this.socket.on('data', (chunk) => {
      for (const item of framer.push(chunk)) if (item.kind === 'message') this.take(item.bytes);
    });
  }
  get port(): number {
    return this.socket.localPort ?? 0;
  }
  send(message: string | Uint8Array): void {
    this.socket.write(message);
  }
  async close(): Promise<void> {
    this.socket.destroy();
  }
}

async function peerOf(kind: string): Promise<Peer> {
  const port = fixture.server.addresses.find(({ transport }) => transport === kind)?.port ?? 0;
  let peer: Peer;
  if (kind === 'udp') {
    const udp = new Udp6Peer(port);
    udp.socket.bind(0, '::1');
    await once(udp.socket, 'listening');
    peer = udp;
  } else if (kind === 'tcp') {
    const tcp = new Tcp6Peer(port);
    await once(tcp.socket, 'connect');
    peer = tcp;
  } else peer = await TlsPeer.open(port, { host: '::1' });
  peers.push(peer);
  return peer;
}

/** As a peer on IPv6 writes it; `host` stands in Via. */
function invite(peer: Peer, host: string, parts: Parameters<typeof write>[1] = {}): string {
  return write(peer, parts)
    .replace(/^Via: (\S+) \S+?:\d+;(.*)$/m, `Via: $1 ${host}:${peer.port};rport;$2`)
    .replaceAll('127.0.0.1', '[::1]');
}

const tls = (): SipTlsOptions => ({
  port: 0,
  certFile: srs.certFile,
  keyFile: srs.keyFile,
  clientAuth: 'none',
  peerNames: [],
});

describe.each(['::1', '::'])('a server on %s', (host) => {
  it.each(['udp', 'tcp', 'tls'])('takes a call over %s, with brackets where they belong', async (kind) => {
    fixture = await startServer({ host, tls: tls() });
    const peer = await peerOf(kind);
    const parts = { callId: newCallId(), branch: newBranch() };
    peer.send(invite(peer, '[2001:db8::7]', parts));
    const answer = await peer.response(200, 'INVITE');
    const via = headerValue(answer, 'via') ?? '';
    // Brackets stand in sent-by and not in `received` (RFC 3261 §25.1, RFC 5118 §4.5).
    expect(via).toContain(`SIP/2.0/${kind.toUpperCase()} [2001:db8::7]:${peer.port};`);
    expect(via).toContain(`;rport=${peer.port}`);
    expect(via).toMatch(/;received=::1(;|$)/);
    const port = fixture.server.addresses.find(({ transport }) => transport === kind)?.port;
    const transport = kind === 'udp' ? '' : `;transport=${kind}`;
    expect(headerValue(answer, 'contact')).toBe(`<sip:srs@[::1]:${port}${transport}>;+sip.srs`);
    expect(fixture.calls[0]?.invite.source).toEqual({ transport: kind, address: '::1', port: peer.port });
    expect(fixture.calls[0]?.control.localHost).toBe('::1');
    const toTag = /;tag=(\w+)/.exec(headerValue(answer, 'to') ?? '')?.[1] ?? '';
    peer.send(invite(peer, '[::1]', { method: 'ACK', callId: parts.callId, toTag }));
    await eventually('the ACK arrives', () => fixture.calls[0]?.acks.length === 1);
    const ended = fixture.calls[0]?.control.bye();
    const bye = await peer.request('BYE');
    expect(bye.uri).toContain(`[::1]:${peer.port}`);
    expect(headerValue(bye, 'via')).toContain(` [::1]:${port};`);
    peer.send(writeResponse(bye, 200));
    await ended;
  });
});

describe('a peer with a public address and a private Contact', () => {
  it.each(['fd00::17', '10.1.2.3'])('gets our BYE where it is heard from, not at %s', async (inside) => {
    fixture = await startServer({ host: '::1' });
    const peer = await peerOf('udp');
    const contact = `<sip:src@${inside.includes(':') ? `[${inside}]` : inside}:5060>;+sip.src`;
    const callId = newCallId();
    peer.send(invite(peer, '[::1]', { callId, contact }));
    const answer = await peer.response(200, 'INVITE');
    const toTag = /;tag=(\w+)/.exec(headerValue(answer, 'to') ?? '')?.[1] ?? '';
    peer.send(invite(peer, '[::1]', { method: 'ACK', callId, toTag }));
    await eventually('the ACK arrives', () => fixture.calls[0]?.acks.length === 1);
    const ended = fixture.calls[0]?.control.bye();
    const bye = await peer.request('BYE');
    expect(bye.uri).toContain(inside);
    peer.send(writeResponse(bye, 200));
    await ended;
  });
});

describe('a server on both families', () => {
  it('answers a peer on IPv4 from its socket of IPv6, and shows each its own address', async () => {
    fixture = await startServer({ host: '::' });
    const peer = await UdpPeer.open(fixture.udp);
    peers.push(peer);
    peer.send(write(peer));
    const answer = await peer.response(200, 'INVITE');
    expect(headerValue(answer, 'contact')).toBe(`<sip:srs@127.0.0.1:${fixture.udp}>;+sip.srs`);
    expect(fixture.calls[0]?.invite.source.address).toBe('127.0.0.1');
  });

  it('lets networks of both families in by SIP_PEERS, and nobody else', async () => {
    fixture = await startServer({ host: '::', peers: ['::1/128'] });
    const six = await peerOf('udp');
    six.send(invite(six, '[::1]', { method: 'OPTIONS' }));
    await six.response(200);
    const four = await UdpPeer.open(fixture.udp);
    peers.push(four);
    four.send(write(four, { method: 'OPTIONS' }));
    await four.response(403);
  });

  it('shows an EXTERNAL_IP of IPv6 in brackets', async () => {
    fixture = await startServer({ host: '::1', externalIp: '2001:db8::9' });
    const peer = await peerOf('udp');
    peer.send(invite(peer, '[::1]'));
    expect(headerValue(await peer.response(200, 'INVITE'), 'contact')).toContain('<sip:srs@[2001:db8::9]:');
  });
});
