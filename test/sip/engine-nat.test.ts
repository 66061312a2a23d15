import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { headerValue, headerValues, parseSipMessage, type SipMessage } from '../../src/sip/message.js';
import { StreamFramer } from '../../src/sip/stream-framer.js';
import { eventually } from '../helpers/eventually.js';
import {
  atRest,
  establish,
  type Fixture,
  type Peer,
  startServer,
  TcpPeer,
  UdpPeer,
  write,
  writeResponse,
} from './engine-kit.js';

/** TEST-NET addresses lead nowhere (RFC 5737). */
const INSIDE = '192.0.2.55';

describe('a request of ours to a peer behind a NAT', () => {
  let fixture: Fixture;
  const peers: Peer[] = [];

  beforeEach(async () => {
    fixture = await startServer();
  });
  afterEach(async () => {
    for (const peer of peers.splice(0)) await peer.close();
    await fixture.server.stop();
  });

  /** Writes in Via what it believes its address to be. */
  function disguise(peer: Peer, host: string): void {
    const send = peer.send.bind(peer);
    peer.send = (message) => {
      const text = typeof message === 'string' ? message : Buffer.from(message).toString();
      const via = new RegExp(`(Via: SIP/2\\.0/${peer.transport}) 127\\.0\\.0\\.1:\\d+;branch`);
      send(text.startsWith('SIP/2.0') ? text : text.replace(via, `$1 ${host}:5060;rport;branch`));
    };
  }

  async function open(transport: 'UDP' | 'TCP'): Promise<Peer> {
    const peer = transport === 'UDP' ? await UdpPeer.open(fixture.udp) : await TcpPeer.open(fixture.tcp);
    peers.push(peer);
    return peer;
  }

  it.each(['UDP', 'TCP'] as const)('goes where its packets come from, over %s', async (transport) => {
    const peer = await open(transport);
    disguise(peer, INSIDE);
    await establish(peer, { contact: `<sip:src@${INSIDE}:5060>;+sip.src` });
    const asked = fixture.calls[0]?.control.request({ method: 'UPDATE' });
    peer.send(writeResponse(await peer.request('UPDATE'), 200, [`Contact: <sip:src@${INSIDE}:5062>`]));
    expect((await asked)?.status).toBe(200);
    const ended = fixture.calls[0]?.control.bye();
    const bye = await peer.request('BYE');
    expect(bye.uri).toBe(`sip:src@${INSIDE}:5062`);
    peer.send(writeResponse(bye, 200));
    await ended;
    expect(fixture.server.counts.dialogs).toBe(0);
  });

  it('follows the latest port of its NAT', async () => {
    const peer = await open('UDP');
    disguise(peer, INSIDE);
    const call = await establish(peer, { contact: `<sip:src@${INSIDE}>;+sip.src` });
    const rebound = await open('UDP');
    disguise(rebound, INSIDE);
    rebound.send(write(rebound, { ...call, method: 'INFO', cseq: 2 }));
    await rebound.response(200, 'INFO');
    const ended = fixture.calls[0]?.control.bye();
    rebound.send(writeResponse(await rebound.request('BYE'), 200));
    await ended;
    expect(peer.received.filter((m) => m.kind === 'request')).toEqual([]);
  });

  it('goes to the proxy that asked to stay on the way, whatever stands in Contact and Via', async () => {
    const peer = await open('UDP');
    const proxy = await open('UDP');
    disguise(peer, INSIDE);
    const route = `<sip:127.0.0.1:${proxy.port};lr>`;
    await establish(peer, { contact: `<sip:src@${INSIDE}>;+sip.src`, extra: [`Record-Route: ${route}`] });
    const ended = fixture.calls[0]?.control.bye();
    const bye = await proxy.request('BYE');
    expect(headerValues(bye, 'route')).toEqual([route]);
    proxy.send(writeResponse(bye, 200));
    await ended;
  });

  it('goes to Contact when Via tells the truth, though the packets come from another port', async () => {
    const peer = await open('UDP');
    const elsewhere = await open('UDP');
    await establish(peer, { contact: `<sip:src@127.0.0.1:${elsewhere.port}>;+sip.src` });
    const ended = fixture.calls[0]?.control.bye();
    elsewhere.send(writeResponse(await elsewhere.request('BYE'), 200));
    await ended;
  });
});

describe('a request of ours that is too large for a datagram', () => {
  let fixture: Fixture;
  let peer: UdpPeer;
  let listener: Server | undefined;
  const sockets = new Set<Socket>();

  beforeEach(async () => {
    fixture = await startServer();
    peer = await UdpPeer.open(fixture.udp);
  });
  afterEach(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise<void>((resolve) => (listener ? listener.close(() => resolve()) : resolve()));
    listener = undefined;
    await peer.close();
    await fixture.server.stop();
  });

  const large = { method: 'UPDATE', headers: { 'X-Long': 'x'.repeat(1_400) } } as const;

  it('goes by TCP to the same address (RFC 3261 §18.1.1)', async () => {
    const heard: SipMessage[] = [];
    listener = createServer((socket) => {
      sockets.add(socket);
      const framer = new StreamFramer();
      socket.on('error', () => {});
      socket.on('data', (chunk) => {
        for (const item of framer.push(chunk)) {
          if (item.kind !== 'message') continue;
          const message = parseSipMessage(item.bytes);
          heard.push(message);
          if (message.kind === 'request') socket.write(writeResponse(message, 200));
        }
      });
    });
    while (!(await listens(listener, peer.port))) {
      // Another process has this TCP port.
      await peer.close();
      peer = await UdpPeer.open(fixture.udp);
    }
    await establish(peer);
    const answer = await fixture.calls[0]?.control.request(large);
    expect(answer?.status).toBe(200);
    expect(headerValue(heard[0] ?? emptyMessage(), 'via')).toContain('SIP/2.0/TCP');
    expect(peer.received.some((m) => m.kind === 'request')).toBe(false);
  });

  it('goes by UDP after all when no TCP connection can be made', async () => {
    await establish(peer);
    const done = fixture.calls[0]?.control.request(large);
    const update = await peer.request('UPDATE');
    expect(headerValue(update, 'x-long')).toHaveLength(1_400);
    peer.send(writeResponse(update, 200));
    expect((await done)?.status).toBe(200);
  });

  async function digHole(): Promise<{ close(): void }> {
    let hole = await openHole(peer.port);
    while (hole === undefined) {
      // Another process has this TCP port.
      await peer.close();
      peer = await UdpPeer.open(fixture.udp);
      hole = await openHole(peer.port);
    }
    return hole;
  }

  it('does not go by UDP any more when the call ends while the TCP connection hangs', async () => {
    const hole = await digHole();
    try {
      const call = await establish(peer);
      const done = fixture.calls[0]?.control.request(large).catch((error: { code: string }) => error.code);
      await eventually('a connection is tried', () => fixture.server.counts.connections === 1);
      peer.send(write(peer, { ...call, method: 'BYE', cseq: 2 }));
      await peer.response(200, 'BYE');
      expect(await done).toBe('SRS_SIP_DIALOG_STATE');
      await atRest(fixture);
      expect(peer.received.some((m) => m.kind === 'request')).toBe(false);
    } finally {
      hole.close();
    }
  });

  it('goes by UDP when the TCP connection hangs, which does not hold up a stop either', async () => {
    const hole = await digHole();
    try {
      await establish(peer);
      const done = fixture.calls[0]?.control.request(large);
      await eventually('a connection is tried', () => fixture.server.counts.connections === 1);
      peer.send(writeResponse(await peer.request('UPDATE'), 200));
      expect((await done)?.status).toBe(200);
      const before = performance.now();
      await fixture.server.stop();
      // Well below the 10 s that a connection may take.
      expect(performance.now() - before).toBeLessThan(6_000);
    } finally {
      hole.close();
    }
  });

  it('goes by UDP at once when the peer names UDP', async () => {
    await establish(peer, { contact: `<sip:src@127.0.0.1:${peer.port};transport=udp>;+sip.src` });
    const done = fixture.calls[0]?.control.request(large);
    peer.send(writeResponse(await peer.request('UPDATE'), 200));
    expect((await done)?.status).toBe(200);
    expect(fixture.server.counts.connections).toBe(0);
  });
});

/** Listens, accepts nothing, and is full: a connection to it neither comes about nor fails. Undefined when the port is taken. */
async function openHole(port: number): Promise<{ close(): void } | undefined> {
  const script = `
    const server = require('node:net').createServer();
    server.listen({ port: ${port}, host: '127.0.0.1', backlog: 1 }, () => {
      require('node:fs').writeSync(1, 'ready');
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    });`;
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'ignore'] });
  const listening = await Promise.race([once(child.stdout, 'data'), once(child, 'exit').then(() => undefined)]);
  if (listening === undefined) return undefined;
  const fillers: Socket[] = [];
  // The kernel takes a few before it falls silent.
  for (let open = true; open && fillers.length < 16; ) {
    const filler = connect(port, '127.0.0.1');
    filler.on('error', () => {});
    fillers.push(filler);
    open = await Promise.race([once(filler, 'connect').then(() => true), delay(300).then(() => false)]);
  }
  return {
    close: () => {
      for (const filler of fillers) filler.destroy();
      child.kill('SIGKILL');
    },
  };
}

function listens(server: Server, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const failed = (): void => resolve(false);
    server.once('error', failed);
    server.listen(port, '127.0.0.1', () => {
      server.off('error', failed);
      resolve(true);
    });
  });
}

function emptyMessage(): SipMessage {
  return { kind: 'response', status: 0, reason: '', headers: [], body: new Uint8Array(0) };
}
